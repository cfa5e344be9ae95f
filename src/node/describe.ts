/** A node's answer to "how are you": gathered from its children when asked, never kept. */
import type { FairOutlet, FlowUse, Forwarder } from '../forwarding/index.ts';
import { flowUses } from '../forwarding/index.ts';
import type { Duration, Instant } from '../kernel/index.ts';
import { toHex } from '../kernel/index.ts';
import type { LinkLayer } from '../link/index.ts';
import type { LinkStateRouting } from '../routing/index.ts';
import type { Member, TrustStore } from '../security/index.ts';
import type { SocketLayer } from '../sockets/index.ts';
import type { NodeBandwidth } from './bandwidth.ts';
import type { MemberStatus, NodeStatus } from './contract.ts';

export interface NodeParts {
  readonly self: Member;
  readonly trust: TrustStore;
  readonly epoch: number;
  readonly uptime: Duration;
  readonly links: LinkLayer;
  readonly routing: LinkStateRouting;
  readonly forwarder: Forwarder;
  readonly outlet: FairOutlet;
  readonly bandwidth: NodeBandwidth;
  readonly sockets: SocketLayer;
  readonly loopbackOverflows: number;
}

export function describeNode(parts: NodeParts, now: Instant): NodeStatus {
  const { self, trust, routing, links } = parts;
  const { manifest } = trust;
  return {
    address: self.address,
    name: self.name,
    network: { name: manifest.name, id: toHex(manifest.networkId), isLab: manifest.isLab },
    manifestVersion: manifest.version,
    epoch: parts.epoch,
    uptime: parts.uptime,
    certificateEnds: self.notAfter,
    links: links.status(now),
    routes: routing.routes(now),
    members: membersOf(parts),
    flows: parts.sockets.flowStatuses(now),
    counters: countersOf(parts),
    accounting: parts.forwarder.flows.accounting.all(parts.forwarder.flows.all()),
    traffic: trafficOf(parts, now),
    queues: parts.outlet.status(),
    queueDrops: parts.outlet.drops.all(),
    ...(manifest.topology === undefined
      ? {}
      : { topology: { links: manifest.topology.length, overruled: routing.overruled() } }),
    bandwidth: parts.bandwidth.status(),
  };
}

/**
 * Lateness at the application's edge is the playout's to tell, where a flow has one: by the age in the
 * header, which adds up what links usually take, packets also count that were in time.
 */
function trafficOf({ forwarder, sockets }: NodeParts, now: Instant): FlowUse[] {
  const conversations = sockets.conversations(now);
  return flowUses(forwarder.flows.all(), now).map((row) => {
    const own = conversations.filter((c) => c.source === row.source && c.flow === row.flow);
    const late = own.reduce((sum, c) => sum + c.late, 0);
    const missing = own.reduce((sum, c) => sum + c.missing, 0);
    return { ...row, late: own.length > 0 ? late : row.late, dropped: row.dropped + missing };
  });
}

function membersOf({ self, routing }: NodeParts): MemberStatus[] {
  return routing.members().map((member) => ({
    address: member.address,
    name: member.name,
    isReachable: member.address === self.address || routing.nextHop(member.address) !== 0,
    certificateEnds: member.notAfter,
  }));
}

/** All counters of all rooms and the sizes of their tables, each under its room's name. */
function countersOf(parts: NodeParts): Record<string, number> {
  const { links, routing, forwarder, sockets } = parts;
  const all: Record<string, number> = {
    'forwarding.flows': forwarder.flows.size,
    'forwarding.flows-evicted': forwarder.flows.flowsEvicted,
    'node.loopback-overflows': parts.loopbackOverflows,
  };
  const rooms = {
    link: links.counters.snapshot(),
    routing: routing.counters.snapshot(),
    forwarding: forwarder.counters.snapshot(),
    sockets: sockets.status(),
  };
  for (const [room, counters] of Object.entries(rooms))
    for (const [name, value] of Object.entries(counters))
      all[name.startsWith(`${room}.`) ? name : `${room}.${name}`] = value;
  return all;
}
