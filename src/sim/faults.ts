/**
 * What goes wrong, and when. A fault lasts from `start` for `duration`; several may hold at once and
 * on the same link. Schedules are drawn from a seed or written out by hand; either way they are
 * plain data, so that a failing run can be kept as a scenario and cut down.
 */
import type { Duration, Random } from '../kernel/index.ts';
import { milliseconds } from '../kernel/index.ts';
import type { LinkEffect } from './network.ts';
import type { Topology } from './topology.ts';

export type Fault = { readonly start: Duration; readonly duration: Duration } & FaultKind;

export type FaultKind =
  /** `direction`: which way the effect works; `both` unless said. */
  | {
      readonly kind: 'link';
      readonly a: string;
      readonly b: string;
      readonly direction?: 'both' | 'a-to-b' | 'b-to-a';
      readonly effect: LinkEffect;
    }
  /** Nothing passes between these nodes and the others; one way: from these to the others only. */
  | { readonly kind: 'partition'; readonly island: readonly string[]; readonly isOneWay?: boolean }
  /** Power off, memory lost; on again when the fault ends. */
  | { readonly kind: 'crash'; readonly node: string }
  /** Leaves in good order; comes back when the fault ends. */
  | { readonly kind: 'stop'; readonly node: string }
  /** The process stands still, memory kept. */
  | { readonly kind: 'pause'; readonly node: string }
  /** The node's datagrams come from another port from now on. */
  | { readonly kind: 'rebind'; readonly node: string }
  /** The wall clock jumps. */
  | { readonly kind: 'wall-step'; readonly node: string; readonly by: Duration };

/** Where faults are put into effect. */
export interface FaultTarget {
  impair(from: string, to: string, effectName: string, effect: LinkEffect): void;
  lift(from: string, to: string, effectName: string): void;
  crash(node: string): void;
  stop(node: string): void;
  pause(node: string): void;
  resume(node: string): void;
  start(node: string): void;
  rebind(node: string): void;
  stepWall(node: string, by: Duration): void;
}

export function beginFault(
  fault: FaultKind,
  id: string,
  topology: Topology,
  on: FaultTarget,
): void {
  switch (fault.kind) {
    case 'link':
    case 'partition':
      for (const d of directionsOf(fault, topology)) on.impair(d.from, d.to, id, d.effect);
      return;
    case 'crash':
      return on.crash(fault.node);
    case 'stop':
      return on.stop(fault.node);
    case 'pause':
      return on.pause(fault.node);
    case 'rebind':
      return on.rebind(fault.node);
    case 'wall-step':
      return on.stepWall(fault.node, fault.by);
  }
}

export function endFault(fault: FaultKind, id: string, topology: Topology, on: FaultTarget): void {
  switch (fault.kind) {
    case 'link':
    case 'partition':
      for (const d of directionsOf(fault, topology)) on.lift(d.from, d.to, id);
      return;
    case 'crash':
    case 'stop':
      return on.start(fault.node);
    case 'pause':
      return on.resume(fault.node);
    case 'wall-step':
      return on.stepWall(fault.node, -fault.by as Duration);
    case 'rebind':
      return;
  }
}

interface DirectedEffect {
  readonly from: string;
  readonly to: string;
  readonly effect: LinkEffect;
}

const CUT: LinkEffect = { cut: true };

function directionsOf(
  fault: FaultKind & { kind: 'link' | 'partition' },
  topology: Topology,
): DirectedEffect[] {
  if (fault.kind === 'link') {
    const { a, b, effect } = fault;
    const out: DirectedEffect[] = [];
    if (fault.direction !== 'b-to-a') out.push({ from: a, to: b, effect });
    if (fault.direction !== 'a-to-b') out.push({ from: b, to: a, effect });
    return out;
  }
  const island = new Set(fault.island);
  const out: DirectedEffect[] = [];
  for (const { a, b } of topology.links) {
    if (island.has(a) === island.has(b)) continue;
    const [inside, outside] = island.has(a) ? [a, b] : [b, a];
    out.push({ from: inside, to: outside, effect: CUT });
    if (!fault.isOneWay) out.push({ from: outside, to: inside, effect: CUT });
  }
  return out;
}

/** One line for traces and reports. */
export function describeFault(fault: FaultKind): string {
  switch (fault.kind) {
    case 'link':
      return `${fault.a}-${fault.b} ${fault.direction ?? 'both'} ${JSON.stringify(fault.effect)}`;
    case 'partition':
      return `partition ${fault.island.join(',')}${fault.isOneWay ? ' one way' : ''}`;
    case 'wall-step':
      return `wall-step ${fault.node} by ${fault.by}`;
    default:
      return `${fault.kind} ${fault.node}`;
  }
}

const FAULT_MIN = milliseconds(50);
const FAULT_MAX = milliseconds(12_000);
const WALL_STEP_MAX = milliseconds(600_000);

export function drawFaults(
  random: Random,
  options: { topology: Topology; phase: Duration; count: number },
): Fault[] {
  const faults: Fault[] = [];
  for (let i = 0; i < options.count; i++) {
    const draw = random.split(`fault ${i}`);
    const start = draw.below(options.phase) as Duration;
    // Short ones are as telling as long ones: draw the magnitude, then the value.
    const most = Math.max(FAULT_MIN, Math.floor(FAULT_MAX / 4 ** draw.below(4)));
    const duration = draw.between(FAULT_MIN, most) as Duration;
    faults.push({ start, duration, ...drawFault(draw, options.topology) });
  }
  return faults.sort((a, b) => a.start - b.start);
}

function drawFault(random: Random, topology: Topology): FaultKind {
  const node = random.pick(topology.nodes);
  const roll = random.below(100);
  if (roll < 60) {
    const { a, b } = random.pick(topology.links);
    const direction = random.pick(['both', 'both', 'a-to-b', 'b-to-a'] as const);
    return { kind: 'link', a, b, direction, effect: drawEffect(random) };
  }
  if (roll < 72) {
    const island = random.shuffle([...topology.nodes]);
    island.length = random.between(1, Math.max(1, island.length - 1));
    return { kind: 'partition', island, isOneWay: random.chance(0.3) };
  }
  if (roll < 82) return { kind: 'crash', node };
  if (roll < 87) return { kind: 'pause', node };
  if (roll < 90) return { kind: 'stop', node };
  if (roll < 96) return { kind: 'rebind', node };
  return { kind: 'wall-step', node, by: random.between(-WALL_STEP_MAX, WALL_STEP_MAX) as Duration };
}

function drawEffect(random: Random): LinkEffect {
  switch (random.below(11)) {
    case 0:
    case 1:
      return { cut: true };
    case 2:
      return { loss: random.between(1, 90) / 100 };
    case 3:
      return { loss: random.between(1, 30) / 100, burst: random.between(30, 90) / 100 };
    case 4:
      return { delay: random.between(1_000, 200_000) as Duration };
    case 5:
      return { jitter: random.between(1_000, 60_000) as Duration };
    case 6:
      return {
        reorder: random.between(1, 50) / 100,
        reorderDelay: random.between(1_000, 50_000) as Duration,
      };
    case 7:
      return { duplicate: random.between(1, 100) / 100 };
    case 8:
      return { mtu: random.between(60, 1_399) };
    case 9:
      return { rate: random.between(50_000, 2_000_000), queueBytes: random.between(3_000, 60_000) };
    default:
      return {
        corrupt: random.between(0, 20) / 100,
        truncate: random.between(0, 10) / 100,
        replay: random.between(1, 30) / 100,
      };
  }
}
