/**
 * Which links may exist and how little latency each may claim, by the manifest: the *maximal topology
 * with minimal weights* of intrusion-tolerant overlays (Spines, ICDCS 2016). A captured node can say
 * of its links what it likes, and two of them can agree on a link that is not there. What they cannot
 * do is pull traffic over links the root did not permit, nor make one look shorter than the root says it
 * can be. They can always make a link look worse, which pulls nothing.
 *
 * Ends are names: the root permits links of members that have not joined yet, and of one that comes
 * back with a new key.
 */
import type { Duration } from '../kernel/index.ts';
import type { MaximalTopology } from '../wire/index.ts';

export class PermittedLinks {
  /** How many; undefined: any link may exist. */
  readonly count: number | undefined;
  private readonly latencyOf = new Map<string, Duration>();

  constructor(topology: MaximalTopology | undefined) {
    this.count = topology?.length;
    for (const { ends, latencyMin } of topology ?? [])
      this.latencyOf.set(keyOf(...ends), latencyMin);
  }

  /** The least latency that a link between the two may claim; undefined: it may not exist. */
  latencyMin(a: string, b: string): Duration | undefined {
    return this.count === undefined ? (0 as Duration) : this.latencyOf.get(keyOf(a, b));
  }
}

const keyOf = (a: string, b: string): string => (a < b ? `${a} ${b}` : `${b} ${a}`);
