/** Loads drawn from a seed: who talks to whom, how much, how often and by which way. */
import type { Duration, Random } from '../kernel/index.ts';
import { milliseconds } from '../kernel/index.ts';
import type { Topology } from './topology.ts';
import type { MessageRouting, WorkloadPlan } from './workload.ts';

const BYTES_LARGE_MAX = 8_000;
const TRANSFER_BYTES_MAX = 400_000;

export function drawWorkload(
  random: Random,
  options: { topology: Topology; phase: Duration; intensity: number },
): WorkloadPlan {
  const { topology, phase, intensity } = options;
  const { nodes } = topology;
  const pair = (draw: Random): { from: string; to: string } => {
    const from = draw.pick(nodes);
    const to = draw.pick(nodes.filter((name) => name !== from));
    return { from, to };
  };
  const several = <T>(count: number, label: string, make: (draw: Random) => T): T[] =>
    Array.from({ length: count }, (_, i) => make(random.split(`${label} ${i}`)));
  return {
    messages: several(2 + intensity, 'messages', (draw) => ({
      ...withRouting(pair(draw), topology, draw),
      start: draw.below(phase / 2) as Duration,
      interval: drawInterval(draw),
      bytes: draw.chance(0.8) ? draw.between(16, 1_000) : draw.between(1_000, BYTES_LARGE_MAX),
    })),
    transfers: several(1 + Math.floor(intensity / 2), 'transfers', (draw) => ({
      ...pair(draw),
      start: draw.below(phase * 0.8) as Duration,
      bytes: Math.floor(TRANSFER_BYTES_MAX / 10 ** draw.below(4)),
      replyBytes: Math.floor(TRANSFER_BYTES_MAX / 10 ** draw.below(4)),
      isPinned: draw.chance(0.1),
      ...(draw.chance(0.2) ? { resetAfter: draw.between(1_000, 2_000_000) as Duration } : {}),
    })),
    echoes: several(1 + Math.floor(intensity / 3), 'echoes', (draw) => ({
      ...pair(draw),
      start: draw.below(phase / 2) as Duration,
      interval: draw.between(100_000, 1_000_000) as Duration,
      ...(draw.chance(0.5) ? { hopLimit: draw.between(1, 4) } : {}),
    })),
    strangerInterval: random.split('strangers').chance(0.5) ? milliseconds(40) : milliseconds(0),
  };
}

/** Most flows are slow; one in four is fast enough to have many packets on the way at once. */
const drawInterval = (draw: Random): Duration =>
  (draw.chance(0.25) ? draw.between(2_000, 10_000) : draw.between(10_000, 200_000)) as Duration;

interface Ends {
  readonly from: string;
  readonly to: string;
}

function withRouting(
  ends: Ends,
  topology: Topology,
  draw: Random,
): Ends & { routing?: MessageRouting } {
  const roll = draw.below(10);
  if (roll < 2) return { ...ends, routing: 'pinned' };
  if (roll > 2) return ends;
  const wander = drawWalk(ends, topology, draw);
  return wander === undefined ? ends : { ...ends, routing: { wander } };
}

/** Steps a packet may be told to take (`wire/data-packet.ts`). */
const WALK_MAX = 16;

/** Every node after the first of a walk that visits none twice; undefined when it runs aground. */
function drawWalk({ from, to }: Ends, topology: Topology, draw: Random): string[] | undefined {
  const walk: string[] = [];
  let at = from;
  while (at !== to && walk.length < WALK_MAX) {
    const steps = topology.links
      .flatMap(({ a, b }) => (a === at ? [b] : b === at ? [a] : []))
      .filter((next) => next !== from && !walk.includes(next));
    if (steps.length === 0) return undefined;
    at = draw.pick(steps);
    walk.push(at);
  }
  return at === to ? walk : undefined;
}
