/**
 * Which packets have passed this node in a lap after the first (`stranded.ts`): few, and for a moment, so
 * their names are simply remembered, the newest `LAPS_REMEMBERED` of them. A name that is forgotten too
 * soon costs a packet one way round more; its hops are limited, and its destination takes it once.
 */
import type { NodeAddress } from '../kernel/index.ts';
import type { DataHeader } from '../wire/index.ts';

export const LAPS_REMEMBERED = 16_384;

export class Laps {
  /** Who brought it first; 0: this node took it back. */
  private readonly seen = new Map<string, NodeAddress | 0>();

  /** Undefined the first time a packet comes in its lap; then who brought it first. */
  admit(header: Readonly<DataHeader>, from: NodeAddress | 0): NodeAddress | 0 | undefined {
    const { source, epoch, flow, sequence, lap } = header;
    const name = `${source}/${epoch}/${flow}/${sequence}/${lap}`;
    const first = this.seen.get(name);
    if (first !== undefined) return first;
    this.seen.set(name, from);
    if (this.seen.size > LAPS_REMEMBERED) this.seen.delete(this.seen.keys().next().value!);
    return undefined;
  }
}
