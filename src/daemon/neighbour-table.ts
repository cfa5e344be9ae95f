/**
 * The neighbours as the config names them, as the node needs them: literal addresses. Host names are
 * looked up when the config is read and every minute after; an answer that fails keeps the old one.
 * Beside them those that the local network introduced (`lan-discovery.ts`) and the config does not name.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { type UnderlayAddress, underlayAddress } from '../kernel/index.ts';
import type { NeighbourOptions } from '../node/index.ts';
import type { NeighbourConfig } from './config.ts';
import type { Logger } from './log.ts';
import type { HostPort } from './units.ts';

const LOOKUP_MS = 60_000;

export class NeighbourTable {
  private readonly locals: readonly HostPort[];
  private readonly log: Logger;
  private readonly changed: (neighbours: readonly NeighbourOptions[]) => void;
  private configs: readonly NeighbourConfig[] = [];
  private readonly answers = new Map<string, readonly string[]>();
  private introduced: readonly NeighbourOptions[] = [];
  private current: readonly NeighbourOptions[] = [];
  private timer: NodeJS.Timeout | undefined;

  /** `changed` is told when a later look-up answers differently. */
  constructor(options: {
    locals: readonly HostPort[];
    log: Logger;
    changed: (neighbours: readonly NeighbourOptions[]) => void;
  }) {
    this.locals = options.locals;
    this.log = options.log;
    this.changed = options.changed;
  }

  /** Replaces the neighbours and returns them resolved. */
  async configure(configs: readonly NeighbourConfig[]): Promise<readonly NeighbourOptions[]> {
    this.configs = configs;
    clearTimeout(this.timer);
    await this.lookUp();
    this.current = this.resolved();
    this.arm();
    return this.current;
  }

  /** Replaces those that the local network introduced. */
  introduce(neighbours: readonly NeighbourOptions[]): void {
    this.introduced = neighbours;
    this.refresh();
  }

  /** The addresses a neighbour is configured with, `host:port` keys. */
  remotesOf(name: string): readonly string[] {
    const found = this.current.find((neighbour) => neighbour.name === name);
    return found?.remotes.map((remote) => remote.key) ?? [];
  }

  get names(): readonly string[] {
    return this.configs.map((config) => config.name);
  }

  close(): void {
    clearTimeout(this.timer);
  }

  private get hosts(): string[] {
    const named = this.configs.flatMap((config) => config.addresses.map(({ host }) => host));
    return [...new Set(named)].filter((host) => isIP(host) === 0);
  }

  private arm(): void {
    if (this.hosts.length === 0) return;
    this.timer = setTimeout(() => void this.lookAgain(), LOOKUP_MS).unref();
  }

  private async lookAgain(): Promise<void> {
    const { configs } = this;
    await this.lookUp();
    // A new config came in the meantime and has looked up for itself.
    if (configs !== this.configs) return;
    this.refresh();
    this.arm();
  }

  private refresh(): void {
    const next = this.resolved();
    const isSame = keysOf(next) === keysOf(this.current);
    this.current = next;
    if (!isSame) this.changed(next);
  }

  private async lookUp(): Promise<void> {
    await Promise.all(
      this.hosts.map(async (host) => {
        try {
          const found = await lookup(host, { all: true });
          this.answers.set(host, found.map(({ address }) => address).sort());
        } catch (error) {
          const reason = (error as NodeJS.ErrnoException).code;
          this.log.warn({ host, reason }, 'a host name does not resolve');
        }
      }),
    );
  }

  private resolved(): NeighbourOptions[] {
    const { names } = this;
    const introduced = this.introduced.filter(({ name = '' }) => !names.includes(name));
    return [...this.configured(), ...introduced];
  }

  private configured(): NeighbourOptions[] {
    return this.configs.map((config) => {
      const { name, addresses, local, capacity, paths: count = 1, twice } = config;
      const all = addresses.flatMap(({ host, port }) =>
        (isIP(host) === 0 ? (this.answers.get(host) ?? []) : [host]).map((literal) =>
          underlayAddress(literal, port),
        ),
      );
      const from = local ?? this.localFor(all[0]);
      const family = familyOf(this.locals[from]);
      const remotes = all.filter((remote) => remote.family === family);
      const way = { name, local: from, remotes, ...(capacity === undefined ? {} : { capacity }) };
      const paths = count > 1 ? this.pathsTo(all, count, local) : [];
      return paths.length > 1 ? { ...way, paths, isSentTwice: twice === true } : way;
    });
  }

  /**
   * Pairs of a local socket and a far address of one family: the first with the first, the second with
   * the second, as far as both go, then the others. Paths that share neither end come first.
   */
  private pathsTo(
    remotes: readonly UnderlayAddress[],
    count: number,
    local: number | undefined,
  ): { remote: UnderlayAddress; local: number }[] {
    const locals = local === undefined ? this.locals.map((_, i) => i) : [local];
    const pairs = locals.flatMap((from, i) =>
      remotes
        .map((remote, j) => ({ remote, local: from, distance: Math.abs(i - j) }))
        .filter(({ remote }) => remote.family === familyOf(this.locals[from])),
    );
    pairs.sort((x, y) => x.distance - y.distance);
    return pairs.slice(0, count).map(({ distance: _, ...pair }) => pair);
  }

  private localFor(remote: UnderlayAddress | undefined): number {
    const found = this.locals.findIndex((local) => familyOf(local) === remote?.family);
    return Math.max(0, found);
  }
}

const familyOf = (local: HostPort | undefined): UnderlayAddress['family'] =>
  local?.host.includes(':') === true ? 'udp6' : 'udp4';

const keysOf = (neighbours: readonly NeighbourOptions[]): string =>
  neighbours.map(({ remotes }) => remotes.map((remote) => remote.key).join()).join(';');
