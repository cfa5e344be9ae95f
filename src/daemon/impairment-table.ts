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

/** What is in force for one neighbour. */
interface InForce {
  /** On every path to it. */
  all: PathImpairments;
  /** On single paths in the place of that, by remote. */
  readonly own: Map<string, PathImpairments>;
  /** Where any of it was applied. */
  readonly remotes: Set<string>;
}

export class ImpairmentTable {
  private readonly host: OverlayHost;
  private readonly neighbours: NeighbourTable;
  private readonly inForce = new Map<string, InForce>();

  constructor(host: OverlayHost, neighbours: NeighbourTable) {
    this.host = host;
    this.neighbours = neighbours;
    // A link that comes up on another address is the same link.
    host.onEvent((event) => {
      const known = event.kind === 'link-up' ? this.inForce.get(event.name) : undefined;
      if (event.kind === 'link-up' && known !== undefined) this.apply(event.remote.key, known);
    });
  }

  /** Fails with NOT_A_LAB when there are any. */
  configure(configs: readonly ImpairmentConfig[]): void {
    const wanted = new Set(configs.map((config) => config.neighbour));
    for (const name of [...this.inForce.keys()]) if (!wanted.has(name)) this.clear(name);
    for (const { neighbour, impairments } of configs) {
      this.clear(neighbour);
      this.change(neighbour, impairments);
    }
  }

  list(): LinkImpairment[] {
    return [...this.inForce].flatMap(([neighbour, { all, own }]) => [
      { neighbour, impairments: presented(all) },
      ...[...own].map(([remote, of]) => ({ neighbour, remote, impairments: presented(of) })),
    ]);
  }

  /**
   * Changes what is named and leaves the rest, on all paths to the neighbour or on the one to `remote`.
   * Fails with NOT_A_LAB, UNKNOWN_DESTINATION, BAD_ARGUMENT.
   */
  change(neighbour: string, change: Impairments | 'none', remote?: string): LinkImpairment {
    const remotes = this.assertKnown(neighbour);
    if (remote !== undefined) return this.changeOne(neighbour, change, remote, remotes);
    if (change === 'none') {
      this.clear(neighbour);
      return { neighbour, impairments: presented(NO_IMPAIRMENTS) };
    }
    const known = this.of(neighbour);
    const part = pathChange(change);
    const all = { ...known.all, ...part };
    for (const one of remotes) this.host.impair(one, { ...(known.own.get(one) ?? all), ...part });
    known.all = all;
    for (const [one, own] of known.own) known.own.set(one, { ...own, ...part });
    for (const one of remotes) known.remotes.add(one);
    this.inForce.set(neighbour, known);
    return { neighbour, impairments: presented(all) };
  }

  private changeOne(
    neighbour: string,
    change: Impairments | 'none',
    remote: string,
    remotes: readonly string[],
  ): LinkImpairment {
    if (!remotes.includes(remote))
      throw new OverlayError(
        'BAD_ARGUMENT',
        `${neighbour} has no path to ${remote}: there are ${remotes.join(', ')}`,
        { details: { neighbour, remote, remotes } },
      );
    const known = this.of(neighbour);
    const own = { ...(known.own.get(remote) ?? known.all), ...pathChange(change) };
    this.host.impair(remote, change === 'none' ? known.all : own);
    if (change === 'none') known.own.delete(remote);
    else known.own.set(remote, own);
    known.remotes.add(remote);
    this.inForce.set(neighbour, known);
    return { neighbour, remote, impairments: presented(change === 'none' ? known.all : own) };
  }

  private of(neighbour: string): InForce {
    const none = { all: NO_IMPAIRMENTS, own: new Map(), remotes: new Set<string>() };
    return this.inForce.get(neighbour) ?? none;
  }

  private apply(remote: string, known: InForce): void {
    this.host.impair(remote, known.own.get(remote) ?? known.all);
    known.remotes.add(remote);
  }

  private clear(neighbour: string): void {
    for (const remote of this.inForce.get(neighbour)?.remotes ?? []) this.host.restore(remote);
    this.inForce.delete(neighbour);
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
function pathChange(change: Impairments | 'none'): Partial<PathImpairments> {
  if (change === 'none') return {};
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
