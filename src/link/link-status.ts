import type { Duration, Instant, NodeAddress, UnderlayAddress } from '../kernel/index.ts';
import type { ArrivalFigures } from '../wire/index.ts';
import { blankArrivals } from '../wire/index.ts';
import type { Slot } from './dialer.ts';
import type { Link } from './link.ts';
import type { RecoveryStatus } from './recovery/recovery-status.ts';

export interface LinkStatus {
  readonly neighbour: NodeAddress | undefined;
  readonly name: string | undefined;
  readonly state: 'connecting' | 'up' | 'suspect' | 'down';
  readonly remote: UnderlayAddress;
  readonly since: Duration;
  readonly rtt: Duration;
  readonly rttMin: Duration;
  /** Parts per million, this node to the neighbour, as the neighbour measures it. */
  readonly lossOutPpm: number;
  readonly lossInPpm: number;
  /** How the neighbour's packets arrive here. */
  readonly incoming: Readonly<ArrivalFigures>;
  /** How this node's arrive there; undefined until the neighbour has told. */
  readonly outgoing: Readonly<ArrivalFigures> | undefined;
  /** Datagram bytes that pass. */
  readonly mtu: number;
  /** Silence that would make it dead at the moment. */
  readonly deadAfter: Duration;
  readonly bytesOut: number;
  readonly bytesIn: number;
  readonly packetsOut: number;
  readonly packetsIn: number;
  readonly aead: string;
  /** Undefined while there was nothing to recover or to keep. */
  readonly recovery: RecoveryStatus | undefined;
  /** All paths to the neighbour, the one in use first; empty where there is but one. */
  readonly paths: readonly PathStatus[];
  /** Why it last went down, or cannot come up. */
  readonly reason: string | undefined;
}

export interface PathStatus {
  readonly remote: UnderlayAddress;
  /** Place of the local socket. */
  readonly local: number;
  readonly state: 'connecting' | 'up' | 'suspect' | 'down';
  readonly isInUse: boolean;
  readonly rtt: Duration;
  readonly lossOutPpm: number;
  readonly lossInPpm: number;
  readonly incoming: Readonly<ArrivalFigures>;
  readonly outgoing: Readonly<ArrivalFigures> | undefined;
  /** The whole local socket is silent: a provider's trouble, not the neighbour's. */
  readonly isProviderTrouble: boolean;
}

const NO_ARRIVALS = { incoming: blankArrivals(), outgoing: undefined };

interface LinkRowsInput {
  readonly links: ReadonlyMap<NodeAddress, Link>;
  readonly slots: readonly Slot[];
  readonly slotOf: (link: Link) => Slot | undefined;
  readonly pathsTo: (neighbour: NodeAddress) => readonly Link[];
  readonly isTroubled: (local: number) => boolean;
  readonly now: Instant;
}

/** Links, and configured neighbours that have none, by name. */
export function linkRows(input: LinkRowsInput): LinkStatus[] {
  const { links, slots, slotOf, now } = input;
  const rows: LinkStatus[] = [];
  for (const link of links.values()) {
    const row = linkStatus(link, slotOf(link), now);
    const paths = input.pathsTo(link.neighbour);
    const told = [...paths.map((one) => pathRow(one, input)), ...lostPaths(link, paths, input)];
    rows.push(told.length < 2 ? row : { ...row, paths: told });
  }
  for (const slot of slots)
    if (slot.address === undefined || !links.has(slot.address)) rows.push(slotStatus(slot, now));
  const named = (row: LinkStatus): string => `${row.name ?? ''} ${row.remote.key}`;
  return rows.sort((a, b) => (named(a) < named(b) ? -1 : 1));
}

/** Configured paths to a neighbour that are not there. */
function lostPaths(
  { neighbour }: Link,
  paths: readonly Link[],
  { slots, isTroubled }: LinkRowsInput,
): PathStatus[] {
  const none = { rtt: 0 as Duration, lossOutPpm: 0, lossInPpm: 0, ...NO_ARRIVALS };
  const rows: PathStatus[] = [];
  for (const { isOneOfSeveral, address, spec } of slots) {
    const [remote] = spec.remotes;
    if (!isOneOfSeveral || address !== neighbour || remote === undefined) continue;
    const { local = 0 } = spec;
    if (paths.some(({ path }) => path.local === local && path.remote.key === remote.key)) continue;
    const isProviderTrouble = isTroubled(local);
    rows.push({ remote, local, state: 'down', isInUse: false, ...none, isProviderTrouble });
  }
  return rows;
}

function pathRow({ path, state, isSpare }: Link, { isTroubled }: LinkRowsInput): PathStatus {
  return {
    remote: path.remote,
    local: path.local,
    state: state === 'closed' ? 'down' : state,
    isInUse: !isSpare,
    rtt: path.rtt.rtt,
    lossOutPpm: Math.max(path.lossOutNowPpm, path.lossOutToldPpm),
    lossInPpm: Math.max(path.loss.slowPpm, path.loss.toldPpm),
    incoming: path.arrivals,
    outgoing: path.arrivalsTold,
    isProviderTrouble: isTroubled(path.local),
  };
}

export function linkStatus(link: Link, slot: Slot | undefined, now: Instant): LinkStatus {
  const { path } = link;
  return {
    neighbour: link.neighbour,
    name: link.member.name,
    state: link.state === 'closed' ? 'down' : link.state,
    remote: path.remote,
    since: (now - link.stateSince) as Duration,
    rtt: path.rtt.rtt,
    rttMin: path.rtt.rttMin,
    lossOutPpm: Math.max(path.lossOutNowPpm, path.lossOutToldPpm),
    lossInPpm: Math.max(path.loss.slowPpm, path.loss.toldPpm),
    incoming: path.arrivals,
    outgoing: path.arrivalsTold,
    mtu: link.mtu,
    deadAfter: path.detector.deadAfter,
    bytesOut: link.bytesOut,
    bytesIn: link.bytesIn,
    packetsOut: link.packetsOut,
    packetsIn: link.packetsIn,
    aead: link.current.algorithm,
    recovery: link.recovery?.status(now),
    paths: [],
    reason: slot?.reason,
  };
}

/** A configured neighbour without a link. */
export function slotStatus(slot: Slot, now: Instant): LinkStatus {
  const none = 0 as Duration;
  return {
    neighbour: slot.address,
    name: slot.spec.name,
    state: slot.reason === undefined ? 'connecting' : 'down',
    remote: slot.spec.remotes[slot.place % slot.spec.remotes.length]!,
    since: (now - slot.since) as Duration,
    rtt: none,
    rttMin: none,
    lossOutPpm: 0,
    lossInPpm: 0,
    ...NO_ARRIVALS,
    mtu: 0,
    deadAfter: none,
    bytesOut: 0,
    bytesIn: 0,
    packetsOut: 0,
    packetsIn: 0,
    aead: '',
    recovery: undefined,
    paths: [],
    reason: slot.reason,
  };
}

/** Order of rows: by name, then by address. */
export function byName(a: LinkStatus, b: LinkStatus): number {
  const named = (row: LinkStatus): string => `${row.name ?? ''} ${row.remote.key}`;
  return named(a) < named(b) ? -1 : 1;
}
