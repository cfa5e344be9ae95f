/**
 * Whether trouble is a provider's or a node's. The paths that leave by one local socket share a
 * provider; those to one neighbour share the neighbour. When the paths of two or more neighbours by one
 * local socket are all silent, while some neighbour is heard by another, it is the provider. When all
 * paths to one neighbour are silent and others are heard by the same sockets, it is the neighbour.
 */
import type { NodeAddress } from '../kernel/index.ts';
import type { Link } from './link.ts';

/** Neighbours whose paths have to be silent together. */
const NEIGHBOURS_MIN = 2;

export interface ProviderTrouble {
  /** Place of the local socket. */
  readonly local: number;
  readonly isTrouble: boolean;
  readonly neighbours: readonly NodeAddress[];
}

export class ProviderWatch {
  /** Paths lost lately, by local socket: neighbours that were reached by it. */
  private readonly lost = new Map<number, Set<NodeAddress>>();
  private readonly troubled = new Set<number>();

  isTroubled(local: number): boolean {
    return this.troubled.has(local);
  }

  /** A path was given up; it counts as silent until the neighbour is heard by the same socket. */
  gaveUp({ path, neighbour }: Link): void {
    const known = this.lost.get(path.local) ?? new Set();
    known.add(neighbour);
    this.lost.set(path.local, known);
  }

  /** What has begun or ended since the last look. */
  look(links: readonly Link[]): ProviderTrouble[] {
    const heard = new Set<number>();
    const silent = new Map<number, Set<NodeAddress>>();
    for (const { path, state, neighbour } of links)
      if (state === 'up') this.lost.get(path.local)?.delete(neighbour);
    for (const [local, neighbours] of this.lost) silent.set(local, new Set(neighbours));
    for (const { path, state, neighbour } of links) {
      if (state === 'up') heard.add(path.local);
      if (state !== 'suspect') continue;
      const known = silent.get(path.local) ?? new Set();
      silent.set(path.local, known.add(neighbour));
    }
    const news: ProviderTrouble[] = [];
    const locals = new Set([...silent.keys(), ...this.troubled]);
    for (const local of locals) {
      const neighbours = [...(silent.get(local) ?? [])].sort((a, b) => a - b);
      const isElsewhereFine = [...heard].some((other) => other !== local);
      const isTrouble = !heard.has(local) && isElsewhereFine && neighbours.length >= NEIGHBOURS_MIN;
      if (isTrouble === this.troubled.has(local)) continue;
      // It ends when something is heard by it, not when nothing is left to compare with.
      if (!isTrouble && !heard.has(local)) continue;
      if (isTrouble) this.troubled.add(local);
      else this.troubled.delete(local);
      news.push({ local, isTrouble, neighbours });
    }
    return news;
  }
}
