/**
 * The lanes of one network: the named ones and its own. An own lane states a number, the lane it
 * extends, and what differs; it may extend a named lane or an own one that stands before it. Numbers
 * must be the same at every node, because a packet carries the number and nothing of the name.
 */
import { assert, nearestSpelling } from '../kernel/index.ts';
import type { Lane, LaneBundle } from './lane.ts';
import { bundleFault, LANE_NUMBER_MAX, OWN_LANE_FIRST } from './lane.ts';
import { NAMED_LANES } from './named-lanes.ts';

export const OWN_LANES_MAX: number = LANE_NUMBER_MAX - OWN_LANE_FIRST + 1;

/** An own lane as a configuration states it. */
export type LaneDefinition = {
  readonly name: string;
  readonly number: number;
  /** Default `default`. */
  readonly extends?: string | undefined;
  readonly purpose?: string | undefined;
} & { readonly [K in keyof LaneBundle]?: LaneBundle[K] | undefined };

export interface LaneProblem {
  /** Place in the list. */
  readonly index: number;
  readonly key: string;
  readonly message: string;
  readonly nearest: string | undefined;
}

/** What is wrong with a network's own lanes; the sound ones are resolved all the same. */
export function resolveOwnLanes(definitions: readonly LaneDefinition[]): {
  readonly lanes: readonly Lane[];
  readonly problems: readonly LaneProblem[];
} {
  const lanes: Lane[] = [...NAMED_LANES];
  const problems: LaneProblem[] = [];
  definitions.forEach((definition, index) => {
    const blame = (key: string, message: string, nearest?: string): void => {
      problems.push({ index, key, message, nearest });
    };
    const { name, number } = definition;
    if (lanes.some((l) => l.name === name)) {
      blame('name', `lane "${name}" exists already`);
      return;
    }
    if (number < OWN_LANE_FIRST || number > LANE_NUMBER_MAX) {
      blame('number', `an own lane has a number ${OWN_LANE_FIRST} to ${LANE_NUMBER_MAX}`);
      return;
    }
    const holder = lanes.find((l) => l.number === number);
    if (holder !== undefined) {
      blame('number', `number ${number} belongs to lane "${holder.name}"`);
      return;
    }
    const base = definition.extends ?? 'default';
    const parent = lanes.find((l) => l.name === base);
    if (parent === undefined) {
      const known = lanes.map((l) => l.name);
      const message = `no lane "${base}" stands before this one`;
      blame('extends', message, nearestSpelling(base, known));
      return;
    }
    const lane = extended(parent, definition);
    const fault = bundleFault(lane);
    if (fault !== undefined) {
      blame('', fault);
      return;
    }
    lanes.push(lane);
  });
  return { lanes, problems };
}

export class LaneTable {
  /** In order of number. */
  readonly lanes: readonly Lane[];
  private readonly names: ReadonlyMap<number, string>;

  /** Asserts that the definitions are sound; a configuration has been checked before. */
  constructor(definitions: readonly LaneDefinition[] = []) {
    const { lanes, problems } = resolveOwnLanes(definitions);
    assert(problems.length === 0, `own lanes: ${problems[0]?.message}`);
    this.lanes = [...lanes].sort((a, b) => a.number - b.number);
    this.names = new Map(lanes.map((l) => [l.number, l.name]));
  }

  /** A number that this node's configuration does not name is `lane-77`. */
  nameOf(number: number): string {
    return this.names.get(number) ?? `lane-${number}`;
  }
}

function extended(parent: Lane, definition: LaneDefinition): Lane {
  const { extends: base = 'default', ...own } = definition;
  const stated = Object.entries(own).filter(([, value]) => value !== undefined);
  return { ...parent, purpose: `Extends \`${base}\`.`, ...Object.fromEntries(stated) };
}
