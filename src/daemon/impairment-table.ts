/**
 * A lab's impairments by neighbour. The shim below knows remotes, people know names: what is said of
 * a neighbour holds for every address it is configured with and for the one its link is on.
 */
import type { OverlayHost } from '../host/index.ts';
import { NO_IMPAIRMENTS, type Impairments as PathImpairments } from '../impairment/index.ts';
import { type Duration, microseconds, OverlayError } from '../kernel/index.ts';
import type { ImpairmentConfig, Impairments } from './config.ts';
import type { LinkImpairment } from './control-api.ts';
import type { NeighbourTable } from './neighbour-table.ts';

export class ImpairmentTable {
  private readonly host: OverlayHost;
  private readonly neighbours: NeighbourTable;
  /** What is in force for each neighbour that has been impaired. */
  private readonly inForce = new Map<string, PathImpairments>();
  private readonly remotes = new Map<string, Set<string>>();

  constructor(host: OverlayHost, neighbours: NeighbourTable) {
    this.host = host;
    this.neighbours = neighbours;
    // A link that comes up on another address is the same link.
    host.onEvent((event) => {
      if (event.kind !== 'link-up') return;
      const own = this.inForce.get(event.name);
      if (own !== undefined) this.apply(event.name, event.remote.key, own);
    });
  }

  /** Fails with NOT_A_LAB when there are any. */
  configure(configs: readonly ImpairmentConfig[]): void {
    const wanted = new Set(configs.map((config) => config.neighbour));
    for (const name of [...this.inForce.keys()]) if (!wanted.has(name)) this.clear(name);
    for (const { neighbour, impairments } of configs) {
      this.clear(neighbour);
      this.set(neighbour, impairments);
    }
  }

  list(): LinkImpairment[] {
    return [...this.inForce].map(([neighbour, own]) => ({
      neighbour,
      impairments: presented(own),
    }));
  }

  /** Changes what is named and leaves the rest. Fails with NOT_A_LAB, UNKNOWN_DESTINATION. */
  change(neighbour: string, change: Impairments | 'none'): LinkImpairment {
    if (change === 'none') {
      this.assertKnown(neighbour);
      this.clear(neighbour);
    } else this.set(neighbour, change);
    const own = this.inForce.get(neighbour) ?? NO_IMPAIRMENTS;
    return { neighbour, impairments: presented(own) };
  }

  private set(neighbour: string, change: Impairments): void {
    const remotes = this.assertKnown(neighbour);
    const next = { ...(this.inForce.get(neighbour) ?? NO_IMPAIRMENTS), ...pathChange(change) };
    for (const remote of remotes) this.apply(neighbour, remote, next);
    this.inForce.set(neighbour, next);
  }

  private clear(neighbour: string): void {
    for (const remote of this.remotes.get(neighbour) ?? []) this.host.restore(remote);
    this.remotes.delete(neighbour);
    this.inForce.delete(neighbour);
  }

  private apply(neighbour: string, remote: string, impairments: PathImpairments): void {
    this.host.impair(remote, impairments);
    const known = this.remotes.get(neighbour) ?? new Set();
    this.remotes.set(neighbour, known.add(remote));
  }

  private assertKnown(neighbour: string): readonly string[] {
    const links = this.host.statusNow().links.filter((link) => link.neighbour === neighbour);
    const remotes = new Set([
      ...this.neighbours.remotesOf(neighbour),
      ...links.map((link) => link.remote),
    ]);
    if (remotes.size > 0) return [...remotes];
    throw new OverlayError('UNKNOWN_DESTINATION', `${neighbour} is not a neighbour of this node`, {
      details: { neighbour, neighbours: this.neighbours.names },
    });
  }
}

/** Into the units of the path model, without what is not said. */
function pathChange(change: Impairments): Partial<PathImpairments> {
  const { delayMs, jitterMs, burstTimeMs, ...same } = change;
  const all = {
    delay: inMicroseconds(delayMs),
    jitter: inMicroseconds(jitterMs),
    burstTime: inMicroseconds(burstTimeMs),
    ...same,
  };
  return Object.fromEntries(
    Object.entries(all).filter(([, value]) => value !== undefined),
  ) as Partial<PathImpairments>;
}

const inMicroseconds = (ms: number | undefined): Duration | undefined =>
  ms === undefined ? undefined : microseconds(ms * 1_000);

const presented = (own: PathImpairments): Required<Impairments> => ({
  delayMs: own.delay / 1_000,
  jitterMs: own.jitter / 1_000,
  loss: own.loss,
  burst: own.burst,
  burstTimeMs: own.burstTime / 1_000,
  rate: own.rate,
  queueBytes: own.queueBytes,
  reorder: own.reorder,
  duplicate: own.duplicate,
  cut: own.cut,
  mtu: own.mtu,
});
