/**
 * Processor time a packet of one forwarding daemon, sealed hop to hop, for each case; and of a plain C
 * forwarder in the same run. The daemon has a processor of its own where there are two; everything else
 * shares the other. The cases take turns, so that a slow minute of the machine falls on all.
 */
import { execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpus, setPriority } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median } from '../evidence/measure.mjs';
import { FORWARDING, ROUNDS } from './cases.mjs';
import { freePort, Network, pin } from './network.mjs';

const ENDS = fileURLToPath(new URL('ends.mjs', import.meta.url));
const SOURCE = fileURLToPath(new URL('forwarder.c', import.meta.url));
const hasTwo = cpus().length > 1;
export const ENDS_CPU = hasTwo ? 0 : undefined;
export const DAEMON_CPU = hasTwo ? 1 : undefined;
/** Not more: a scheduler that shares between groups of processes would give the daemon's processor to other groups. */
const URGENT_NICE = -5;

/**
 * `underlay`: of both the daemon and the ends. Resolves with the cases, each with its median and all
 * rounds, in microseconds.
 */
export async function measureForwarding({ underlay, quick, log, only }) {
  const rounds = quick ? 1 : ROUNDS;
  const times = quick ? { warmMs: 300, measureMs: 500 } : { warmMs: 500, measureMs: 2_000 };
  const cases = FORWARDING.filter(({ name }) => only === undefined || name.includes(only));
  const results = new Map(cases.map(({ name }) => [name, []]));
  const plain = new Map([
    [1_200, []],
    [100, []],
  ]);
  let lost = 0;
  for (let round = 0; round < rounds; round++) {
    for (const [bytes, list] of plain) {
      const figures = await plainForwarder({ underlay: 'portable', bytes, ...times });
      if (figures !== undefined) list.push(figures.nsPerPacket / 1_000);
    }
    // Cases with as many neighbours share a network.
    for (const destinations of new Set(cases.map((c) => c.destinations ?? 1))) {
      const same = cases.filter((c) => (c.destinations ?? 1) === destinations);
      // Many neighbours in one process would be slower than the daemon, which then gets short batches.
      const around = { underlay, destinations, isDeaf: destinations > 1 };
      await withDaemon(around, async ({ run, daemon }) => {
        for (const one of same) {
          const figures = await run({ ...one, ...times, pid: daemon.pid });
          results.get(one.name).push(figures.nsPerPacket / 1_000);
          lost += figures.lost;
          const rate = Math.round(figures.packets / figures.seconds / 1_000);
          log(
            `${one.name}: ${(figures.nsPerPacket / 1_000).toFixed(2)} us, ${rate} kpps, lost ${figures.lost}, ` +
              `ends ${(figures.ownNsPerPacket / 1_000).toFixed(2)} us`,
          );
        }
      });
    }
  }
  return {
    rounds,
    lost,
    plain: Object.fromEntries(
      [...plain]
        .filter(([, list]) => list.length > 0)
        .map(([bytes, list]) => [bytes, median(list)]),
    ),
    cases: cases.map(({ name, bar, ratio }) => ({
      name,
      bar: bar?.[underlay],
      ratio,
      us: median(results.get(name)),
      all: results.get(name),
    })),
  };
}

/** A daemon, or several in a line, with a source and destinations around it; all daemons on one processor. */
export async function withDaemon(options, use) {
  const { underlay, destinations = 1, daemons = 1, daemonOptions = {}, isDeaf } = options;
  const network = new Network();
  let ends;
  try {
    const settings = { cpu: DAEMON_CPU, ...forUnderlay(underlay, daemonOptions) };
    const daemon = await network.daemon('B', settings);
    let last = daemon;
    for (let i = 1; i < daemons; i++)
      last = await network.daemon(`B${i}`, { ...settings, neighbours: [last] });
    ends = startEnds();
    const way = { underlay, enter: daemon, leave: last, isDeaf };
    const { underlay: used } = await ends.join(network, way, 'A', destinations);
    return await use({ run: (run) => ends.ask({ run }), daemon, network, used });
  } finally {
    ends?.stop();
    await network.stop();
  }
}

/** Settings that make a daemon take this underlay and no other. */
const forUnderlay = (underlay, options) => ({
  ...options,
  config: { underlay, probing: { relays: 'off' }, ...options.config },
});

/** `isUrgent`: as soon as there is something to do, whatever else its processor is busy with. */
export function startEnds({ isUrgent = false } = {}) {
  const child = fork(ENDS, [], { serialization: 'advanced', stdio: 'inherit' });
  pin(child.pid, ENDS_CPU);
  if (isUrgent) hurry(child.pid);
  const ask = async (message) => {
    child.send(message);
    const [answer] = await once(child, 'message');
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.value;
  };
  const place = ({ name, port }) => ({ name, port });
  return {
    ask,
    /** A source at the daemon `enter` and destinations at `leave`. */
    join: (network, { underlay, enter, leave, isDeaf = false }, name, destinations = 1) =>
      ask({
        setup: {
          underlay,
          isDeaf,
          source: network.member(name),
          destinations: Array.from({ length: destinations }, (_, i) =>
            network.member(`${name}-${i}`),
          ),
          enter: place(enter),
          leave: place(leave),
        },
      }),
    stop: () => child.disconnect(),
  };
}

function hurry(pid) {
  try {
    setPriority(pid, URGENT_NICE);
  } catch {
    // Without the right to, latencies are only noisier.
  }
}

let compiled;

/** Undefined where there is no compiler. */
async function plainForwarder({ underlay, bytes, ...times }) {
  const network = new Network();
  const ends = startEnds();
  let child;
  try {
    compiled ??= compile();
    if (compiled === '') return undefined;
    const [port, sinkPort] = [await freePort(), await freePort()];
    child = spawn(compiled, [String(port), String(sinkPort)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    pin(child.pid, DAEMON_CPU);
    await once(child.stdout, 'data');
    const plain = {
      underlay,
      port,
      sinkPort,
      pid: child.pid,
      bytes,
      burst: 64,
      window: 256,
      ...times,
    };
    return await ends.ask({ plain });
  } finally {
    child?.kill();
    ends.stop();
    await network.stop();
  }
}

function compile() {
  const out = join(process.env.TMPDIR ?? '/tmp', `overlane-forwarder-${process.pid}`);
  try {
    execFileSync('cc', ['-O2', '-o', out, SOURCE], { stdio: 'ignore' });
    return out;
  } catch {
    return '';
  }
}
