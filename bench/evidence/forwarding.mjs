/** What one daemon's forwarding costs and how steady it is: the packet path's bars, fast underlay. */
import { join } from 'node:path';
import { measureForwarding, withDaemon } from '../packet-path/forwarding.mjs';
import { digits, processMemory } from './measure.mjs';

const MEMORY_MAX = 150;
const GROWTH_MAX = 5;
const RECORDER = new URL('../packet-path/gc-recorder.mjs', import.meta.url).href;

export const forwardingCost = {
  name: 'forwarding-cost',
  figure: 'processor time a packet of one daemon, opened and sealed again, fast underlay',
  bar: '1200 B <= 2.8 us and below plain C; 100 B <= 2; one by one <= 7; 64 neighbours <= 1.5 x; a copy of 16 <= 0.6 x',
  reference:
    'plain C recvfrom/sendto, unsealed, in the same run; Spines 8.5 us in transit, unsealed',
  async run({ quick, log }) {
    const { cases, plain, rounds, lost } = await measureForwarding({
      underlay: 'fast',
      quick,
      log,
    });
    const us = Object.fromEntries(cases.map((row) => [row.name, row.us]));
    const held = cases.map((row) =>
      row.ratio === undefined ? row.us <= row.bar : row.us / us[row.ratio.to] <= row.ratio.bar,
    );
    const c = plain[1_200];
    const text = cases.map((row) =>
      row.ratio === undefined
        ? `${row.name} ${digits(row.us)} us`
        : `${row.name} ${digits(row.us)} us (${digits(row.us / us[row.ratio.to])} x)`,
    );
    return {
      measured: `${text.join('; ')}${c === undefined ? '' : `; plain C ${digits(c)} us`}`,
      holds: held.every(Boolean) && (c === undefined || us['bulk 1200 B'] < c),
      how:
        `Medians of ${rounds} rounds in turn; packets of real nodes on both sides, in runs where not said otherwise; ` +
        'the kernel’s accounting of all threads of the daemon, divided by the packets that came through. ' +
        `Where there are many neighbours these count what comes and do not open it. ${lost} lost.`,
      values: { us, plain, rounds: Object.fromEntries(cases.map((row) => [row.name, row.all])) },
    };
  },
};

export const forwardingPauses = {
  name: 'forwarding-pauses',
  figure: 'garbage collection of a daemon at 100,000 packets a second',
  bar: 'adds < 2 ms to p99, no pause above 10 ms in 60 s',
  reference: '-',
  async run({ quick, log }) {
    const seconds = quick ? 5 : 60;
    const gcFile = join(process.env.TMPDIR ?? '/tmp', `overlane-gc-${process.pid}`);
    const daemonOptions = {
      nodeArguments: ['--import', RECORDER],
      env: { OVERLANE_GC_FILE: gcFile },
    };
    const load = { bytes: 200, rate: 100_000, burst: 16, gcFile };
    const f = await watched({ daemonOptions }, load, seconds);
    log(JSON.stringify(f));
    const added = f.p99 - f.calmP99;
    const rate = Math.round(f.packets / f.seconds);
    return {
      measured:
        `p99 ${digits(f.p99)} ms, ${digits(Math.max(0, added))} ms of it for ${f.pauses} collections, longest ` +
        `${digits(f.longestPause)} ms`,
      holds: added < 2 && f.longestPause < 10,
      how:
        `${rate} packets of 200 B a second for ${seconds} s through one daemon, ${f.lost} lost. Latency p50 ${digits(f.p50)} ms; ` +
        `p99 of the packets that met no collection ${digits(f.calmP99)} ms. ` +
        'Memory is another row: what listens for collections takes 50 MB in this time, without it the daemon stays at 86.',
      values: f,
    };
  },
};

export const memoryAtRate = {
  name: 'memory-at-rate',
  figure: 'resident memory of a daemon forwarding as fast as it can for ten minutes',
  bar: 'flat, < 150 MB',
  reference: 'Spines 140 MB resident',
  async run({ quick, log }) {
    const seconds = quick ? 10 : 600;
    const f = await watched({}, { bytes: 1_200, burst: 64, window: 512 }, seconds);
    log(JSON.stringify(f));
    const rate = Math.round(f.packets / f.seconds / 1_000);
    return {
      measured: `${Math.round(f.memoryMax)} MB at most; over the second half it ${inWords(f.memoryGrowth)}`,
      holds: isModest(f),
      how: `${rate} thousand packets of 1200 B a second for ${seconds} s, ${f.lost} lost; looked at every second.`,
      values: f,
    };
  },
};

/** The load's figures, and the most of the daemon's resident megabytes and their growth over the second half. */
function watched(options, load, seconds) {
  return withDaemon({ underlay: 'fast', ...options }, async ({ run, daemon }) => {
    const { pid } = daemon;
    const samples = [];
    const look = () => samples.push(processMemory(pid, 'VmRSS') / 1e6);
    const timer = setInterval(look, 1_000);
    try {
      const figures = await run({ ...load, pid, warmMs: 3_000, measureMs: 1_000 * seconds });
      const half = samples.slice(samples.length >> 1);
      const memoryMax = Math.max(...samples);
      return { ...figures, memoryMax, memoryGrowth: half.at(-1) - half[0] };
    } finally {
      clearInterval(timer);
    }
  });
}

const isModest = ({ memoryMax, memoryGrowth }) =>
  memoryMax < MEMORY_MAX && memoryGrowth < GROWTH_MAX;
const inWords = (growth) => `${growth < 0 ? 'fell' : 'grew'} by ${digits(Math.abs(growth))} MB`;

export const forwardingLatency = {
  name: 'forwarding-latency',
  figure: 'latency through two forwarding daemons at 10,000 packets a second, fast underlay',
  bar: 'p50 <= 0.3 ms, p99 <= 2 ms',
  reference: 'Spines about 0.11 ms one way over three nodes, unloaded and unsealed',
  async run({ quick, log }) {
    const seconds = quick ? 3 : 30;
    return withDaemon({ underlay: 'fast', daemons: 2 }, async ({ run, daemon }) => {
      const f = await run({
        bytes: 200,
        pid: daemon.pid,
        rate: 10_000,
        burst: 1,
        warmMs: 2_000,
        measureMs: 1_000 * seconds,
      });
      log(JSON.stringify(f));
      return {
        measured: `p50 ${digits(f.p50)} ms, p99 ${digits(f.p99)} ms`,
        holds: f.p50 <= 0.3 && f.p99 <= 2,
        how:
          `${f.packets} packets of 200 B, one every 0.1 ms, over three links and two daemons that share one processor, ` +
          `${f.lost} lost; worst ${digits(f.max)} ms. The first daemon took ${digits(f.nsPerPacket / 1_000)} us of processor a packet.`,
        values: f,
      };
    });
  },
};
