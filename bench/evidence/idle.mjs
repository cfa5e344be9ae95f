/**
 * The lab of twelve cities with nothing to carry. Control traffic: datagrams and bytes each daemon
 * counts per link and direction, with 28 bytes of UDP and IPv4 headers each. Memory: the resident set
 * of every daemon as the kernel has it, after the same time.
 */
import { continentPlan, LabCluster } from '../../dist/lab/index.js';
import { digits, median, pause, processMemory } from './measure.mjs';

const HEADER_BYTES = 28;
const SETTLED_MS = 10_000;
let measured;

/** Both figures come from one stay of the lab, which is made when the first is asked for. */
function measureOnce({ quick, log }) {
  measured ??= stay(quick ? 10 : 90, log);
  return measured;
}

export const controlTraffic = {
  name: 'control-traffic',
  figure: 'control traffic of an idle link, per direction',
  bar: '< 8 kbit/s',
  reference: '-',
  async run(options) {
    const { rates, seconds } = await measureOnce(options);
    const worst = Math.max(...rates);
    return {
      measured: `${digits(worst / 1_000)} kbit/s at most, ${digits(median(rates) / 1_000)} in the middle`,
      holds: worst < 8_000,
      how: `${rates.length} directions of 32 links over ${seconds} s, UDP and IPv4 headers included.`,
      values: { worst, median: median(rates) },
    };
  },
};

export const memory = {
  name: 'memory',
  figure: 'resident memory of an idle daemon in the lab',
  bar: '< 90 MB',
  reference: 'Spines 138 MB',
  async run(options) {
    const { resident, peak } = await measureOnce(options);
    const worst = Math.max(...resident);
    return {
      measured: `${digits(worst / 1e6)} MB at most, ${digits(median(resident) / 1e6)} in the middle`,
      holds: worst < 90e6,
      how: `VmRSS of all ${resident.length} daemons; the largest peak since their start was ${digits(Math.max(...peak) / 1e6)} MB.`,
      values: { resident, peak },
    };
  },
};

async function stay(seconds, log) {
  const cluster = await LabCluster.start(continentPlan());
  try {
    await pause(SETTLED_MS);
    const before = await counters(cluster);
    await pause(1_000 * seconds);
    const after = await counters(cluster);
    const rates = [];
    for (const [key, { at, bytes, packets }] of after) {
      const was = before.get(key);
      const sent = bytes - was.bytes + HEADER_BYTES * (packets - was.packets);
      rates.push((8_000 * sent) / (at - was.at));
    }
    const pids = continentPlan().nodes.map((node) => cluster.node(node).pid);
    const resident = pids.map((pid) => processMemory(pid, 'VmRSS'));
    log(
      `largest: ${digits(Math.max(...rates) / 1_000)} kbit/s, ${digits(Math.max(...resident) / 1e6)} MB`,
    );
    return { seconds, rates, resident, peak: pids.map((pid) => processMemory(pid, 'VmHWM')) };
  } finally {
    await cluster.stop();
  }
}

async function counters(cluster) {
  const table = new Map();
  for (const node of continentPlan().nodes) {
    const { links } = await cluster.node(node).handle.status();
    for (const { neighbour, bytesOut: bytes, packetsOut: packets } of links)
      table.set(`${node} ${neighbour}`, { at: performance.now(), bytes, packets });
  }
  return table;
}
