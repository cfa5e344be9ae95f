/** The node's own status types as the API shows them: names for addresses, milliseconds, shares. */
import {
  type Duration,
  formatNodeAddress,
  type NodeAddress,
  parseNodeAddress,
  type WallTime,
} from '../kernel/index.ts';
import type * as core from '../node/index.ts';
import type * as api from './api.ts';
import { presentBandwidth, presentReservation } from './present-bandwidth.ts';

/** The member's name, or its address in hexadecimal where the name is not known. */
export type NameOf = (address: NodeAddress) => string;

export const nameIn =
  (node: core.OverlayNodeApi): NameOf =>
  (address) =>
    node.nameOf(address) ?? formatNodeAddress(address);

/** A member by name, or any node by its address in hexadecimal. */
export function resolveNode(node: core.OverlayNodeApi, name: string): NodeAddress | undefined {
  if (name === node.name) return node.address;
  return node.addressOf(name) ?? parseNodeAddress(name);
}

export const presentMs = (duration: Duration): number => duration / 1_000;
/** ISO 8601; the empty string for a time no calendar has. */
export function presentTime(wall: WallTime): string {
  const date = new Date(wall / 1_000);
  return Number.isNaN(date.getTime()) ? '' : date.toISOString();
}

const share = (ppm: number): number => ppm / 1_000_000;

export function presentLink(link: core.LinkStatus, nameOf: NameOf): api.LinkStatus {
  return {
    neighbour: link.name ?? (link.neighbour === undefined ? undefined : nameOf(link.neighbour)),
    state: link.state,
    remote: link.remote.key,
    sinceMs: presentMs(link.since),
    rttMs: presentMs(link.rtt),
    rttMinMs: presentMs(link.rttMin),
    lossOut: share(link.lossOutPpm),
    lossIn: share(link.lossInPpm),
    incoming: presentArrivals(link.incoming),
    outgoing: link.outgoing && presentArrivals(link.outgoing),
    mtu: link.mtu,
    deadAfterMs: presentMs(link.deadAfter),
    bytesOut: link.bytesOut,
    bytesIn: link.bytesIn,
    packetsOut: link.packetsOut,
    packetsIn: link.packetsIn,
    aead: link.aead,
    recovery: link.recovery && presentRecovery(link.recovery),
    reason: link.reason,
    paths: link.paths.map((path) => ({
      remote: path.remote.key,
      local: path.local,
      state: path.state,
      isInUse: path.isInUse,
      rttMs: presentMs(path.rtt),
      lossOut: share(path.lossOutPpm),
      lossIn: share(path.lossInPpm),
      incoming: presentArrivals(path.incoming),
      outgoing: path.outgoing && presentArrivals(path.outgoing),
      isProviderTrouble: path.isProviderTrouble,
    })),
  };
}

const presentArrivals = (figures: core.LinkStatus['incoming']): api.ArrivalStatus => ({
  jitterMs: figures.jitter / 1_000,
  burst: figures.burst,
  reordered: share(figures.reorderedPpm),
  reorderExtent: figures.reorderExtent,
});

function presentRecovery(recovery: core.RecoveryStatus): api.RecoveryStatus {
  const { burst, reorderWait, ...counts } = recovery;
  return { ...counts, burstMs: presentMs(burst), reorderWaitMs: presentMs(reorderWait) };
}

export function presentRoute(route: core.RouteStatus, nameOf: NameOf): api.RouteStatus {
  return {
    destination: route.name,
    path: route.path.map(nameOf),
    latencyMs: presentMs(route.latency),
    loss: share(route.lossPpm),
    costMs: presentMs(route.cost),
    sinceMs: presentMs(route.since),
    changes: route.changes,
    cause: route.cause,
  };
}

export function presentRelays(relays: core.RelayExplanation, nameOf: NameOf): api.RelayReport {
  const { way, rendezvous, advising, candidates } = relays;
  return {
    path: way?.map(nameOf),
    rendezvous,
    advising,
    candidates: candidates.map(({ path, rtt, isChosen, verdict }) => ({
      path: path.map(nameOf),
      rttMs: rtt === undefined ? undefined : presentMs(rtt),
      isChosen,
      verdict,
    })),
  };
}

export function presentExplanation(
  explanation: core.RouteExplanation,
  nameOf: NameOf,
): api.RouteExplanation {
  return {
    destination: explanation.name,
    route: explanation.route === undefined ? undefined : presentRoute(explanation.route, nameOf),
    candidates: explanation.candidates.map((candidate) => ({
      path: candidate.path.map(nameOf),
      latencyMs: presentMs(candidate.latency),
      loss: share(candidate.lossPpm),
      costMs: presentMs(candidate.cost),
      isChosen: candidate.isChosen,
      verdict: candidate.verdict,
    })),
    ...(explanation.relays && { relays: presentRelays(explanation.relays, nameOf) }),
  };
}

export function presentStatus(
  status: core.NodeStatus,
  nameOf: NameOf,
  host: {
    readonly sockets: readonly api.SocketStatus[];
    readonly underlay: api.UnderlayStatus;
    readonly laneName: (number: number) => string;
  },
  counters: Readonly<Record<string, number>>,
): api.NodeStatus {
  const { laneName } = host;
  return {
    name: status.name,
    address: formatNodeAddress(status.address),
    network: status.network,
    manifestVersion: status.manifestVersion,
    epoch: status.epoch,
    uptimeMs: presentMs(status.uptime),
    certificateEnds: presentTime(status.certificateEnds),
    links: status.links.map((link) => presentLink(link, nameOf)),
    routes: status.routes.map((route) => presentRoute(route, nameOf)),
    members: status.members.map((member) => ({
      name: member.name,
      address: formatNodeAddress(member.address),
      isReachable: member.isReachable,
      certificateEnds: presentTime(member.certificateEnds),
    })),
    sockets: host.sockets,
    counters: { ...status.counters, ...counters },
    underlay: host.underlay,
    ...(status.accounting === undefined
      ? {}
      : {
          accounting: status.accounting.map(({ member, ...account }) => ({
            member: member === 0 ? '' : nameOf(member),
            ...account,
          })),
        }),
    ...(status.traffic === undefined
      ? {}
      : { flows: status.traffic.map((row) => presentFlow(row, status, nameOf, laneName)) }),
    ...(status.topology === undefined
      ? {}
      : {
          topology: {
            links: status.topology.links,
            overruled: status.topology.overruled.map((one) => presentOverruled(one, nameOf)),
          },
        }),
    ...(status.bandwidth === undefined ? {} : presentBandwidth(status.bandwidth, nameOf)),
    ...(status.queues === undefined
      ? {}
      : {
          queues: status.queues.map(({ neighbour, capacity, ...queue }) => ({
            neighbour: nameOf(neighbour),
            capacityBitsPerSecond: capacity,
            ...queue,
          })),
        }),
    ...(status.queueDrops === undefined
      ? {}
      : {
          queueDrops: status.queueDrops.map(({ neighbour, lane, ...drops }) => ({
            neighbour: nameOf(neighbour),
            lane: laneName(lane),
            ...drops,
          })),
        }),
  };
}

const presentOverruled = (
  { reporter, neighbour, claimed, latencyMin }: core.OverruledReport,
  nameOf: NameOf,
): api.OverruledLink => ({
  reporter: nameOf(reporter),
  neighbour: nameOf(neighbour),
  claimedMs: presentMs(claimed),
  latencyMinMs: latencyMin === undefined ? undefined : presentMs(latencyMin),
});

export function presentNetworkLink(edge: core.Edge, nameOf: NameOf): api.NetworkLink {
  const [a, b] = [nameOf(edge.a), nameOf(edge.b)].sort();
  return { between: [a!, b!], latencyMs: presentMs(edge.latency) };
}

const presentGraph = (graph: core.GraphStatus, nameOf: NameOf): api.FlowGraph => ({
  kind: graph.kind,
  links: graph.edges.map(({ from, to }) => `${nameOf(from)}-${nameOf(to)}`),
  isInTime: graph.isInTime,
  switches: graph.switches,
  cause: graph.cause,
});

const ROUTES = ['each node', 'path', 'graph', 'flood'] as const;

function presentFlow(
  row: core.FlowUse,
  { address, flows = [] }: core.NodeStatus,
  nameOf: NameOf,
  laneName: (number: number) => string,
): api.FlowTraffic {
  const { source, destination, lane, routeForm, idle, ...counts } = row;
  const isOurs = source === address && ROUTES[routeForm] === 'graph';
  const graphs = flows.flatMap((f) =>
    f.graph !== undefined && f.destination === destination && f.lane === lane ? f.graph : [],
  );
  // Packets do not say which of several sockets sent them.
  const graph = isOurs && graphs.length === 1 ? graphs[0] : undefined;
  return {
    source: nameOf(source),
    destination: nameOf(destination),
    lane: laneName(lane),
    route: ROUTES[routeForm] ?? 'each node',
    ...(graph === undefined ? {} : { graph: presentGraph(graph, nameOf) }),
    ...counts,
    idleMs: presentMs(idle),
  };
}

/** Undefined for what is the daemon's business alone: enrolment requests carry secrets. */
export function presentEvent(
  event: core.NodeEvent,
  nameOf: NameOf,
  wall: WallTime,
): api.NodeEvent | undefined {
  const at = presentTime(wall);
  switch (event.kind) {
    case 'link-up':
      return { kind: 'link-up', at, neighbour: event.name, remote: event.remote.key };
    case 'link-down': {
      const { name: neighbour, reason } = event;
      return { kind: 'link-down', at, neighbour, reason, silenceMs: presentMs(event.silence) };
    }
    case 'path-changed': {
      const { name: neighbour, local, reason } = event;
      return { kind: 'path-changed', at, neighbour, remote: event.remote.key, local, reason };
    }
    case 'provider': {
      const { local, isTrouble, neighbours } = event;
      return { kind: 'provider', at, local, isTrouble, neighbours: neighbours.map(nameOf) };
    }
    case 'reservation':
      return { at, ...presentReservation(event, nameOf) };
    case 'route-changed':
      return {
        kind: 'route-changed',
        at,
        destination: nameOf(event.destination),
        before: event.before?.map(nameOf),
        after: event.after?.map(nameOf),
        cause: event.cause,
      };
    case 'member':
      return { kind: 'member', at, name: event.name, address: formatNodeAddress(event.address) };
    case 'manifest':
      return { kind: 'manifest', at, version: event.version };
    case 'refused': {
      const { what, reason, remote } = event;
      return { kind: 'refused', at, what, reason, remote };
    }
    case 'member-gone': {
      const { name, reason } = event;
      return { kind: 'member-gone', at, name, address: formatNodeAddress(event.address), reason };
    }
    case 'graph-changed': {
      const { lane, scheme, before, after, edges, cause } = event;
      const destination = nameOf(event.destination);
      const deadlineMs = presentMs(event.deadline);
      return {
        kind: 'graph-changed',
        at,
        destination,
        lane,
        scheme,
        deadlineMs,
        before,
        after,
        edges,
        cause,
      };
    }
    case 'enrol-request':
      return undefined;
  }
}

export const presentPerformance = ({
  age,
  ...row
}: ReturnType<core.PerformanceApi['query']>[number]): api.PerformanceRow => ({
  ...row,
  ageMs: age / 1_000,
});
