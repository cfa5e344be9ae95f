/**
 * What a node says of itself at its interface (`api.ts`): as in node/contract.ts, with names for
 * addresses and milliseconds for microseconds.
 */
import type { EndpointParts } from './api.ts';

export interface NodeStatus {
  readonly name: string;
  readonly address: string;
  readonly network: { readonly name: string; readonly id: string; readonly isLab: boolean };
  readonly manifestVersion: number;
  readonly epoch: number;
  readonly uptimeMs: number;
  readonly certificateEnds: string;
  readonly links: readonly LinkStatus[];
  readonly routes: readonly RouteStatus[];
  readonly members: readonly MemberStatus[];
  readonly sockets: readonly SocketStatus[];
  /** What was sent, dropped and refused, by reason. The underlay's begin with `underlay.`. */
  readonly counters: Readonly<Record<string, number>>;
  readonly underlay: UnderlayStatus;
  /** Use of the network by member and lane, as this node saw it pass since it started. */
  readonly accounting?: readonly AccountStatus[];
  /** Flows that this node sends, passes on or receives, those used last first. */
  readonly flows?: readonly FlowTraffic[];
  /** Links with a configured capacity, and what waits for them. */
  readonly queues?: readonly LinkQueueStatus[];
  /** What these queues dropped since the node started, by link and lane. */
  readonly queueDrops?: readonly QueueDrops[];
  /** Where the manifest says which links may exist: how many, and what nodes claimed in vain. */
  readonly topology?: { readonly links: number; readonly overruled: readonly OverruledLink[] };
  /** What the links carry, outwards. */
  readonly bandwidth?: readonly LinkBandwidthStatus[];
  /** Rates that flows of this node have reserved. */
  readonly reservations?: readonly ReservationStatus[];
  /** What is reserved on links of this node, by whom. */
  readonly reserved?: readonly {
    readonly member: string;
    readonly neighbour: string;
    readonly bitsPerSecond: number;
  }[];
}

/** One link, this node to the neighbour where not said otherwise; with all headers. */
export interface LinkBandwidthStatus {
  readonly neighbour: string;
  /** 0: not known. */
  readonly capacityBitsPerSecond: number;
  /**
   * `stated` in the configuration; `measured` by trains of packets; `least`: it is no less, and faster than
   * trains can tell; `delivered`: reliable traffic has got so much.
   */
  readonly capacityFrom: 'stated' | 'measured' | 'least' | 'delivered' | 'unknown';
  readonly usedBitsPerSecond: number;
  readonly usedInBitsPerSecond: number;
  readonly reservedBitsPerSecond: number;
  /** What flows may still reserve; 0 where the capacity is not known, which refuses nothing. */
  readonly reservableBitsPerSecond: number;
  /** How often a rate was asked for that there was no room for, since the link is up. */
  readonly refusedReservations: number;
  /** What neither use nor reservations take. */
  readonly availableBitsPerSecond: number;
}

export interface ReservationStatus {
  readonly destination: string;
  readonly bitsPerSecond: number;
  /** `lost`: after a change of route there was no room; the flow goes on within its fair share. */
  readonly state: 'asking' | 'held' | 'refused' | 'lost';
  readonly links: readonly { readonly link: string; readonly isHeld: boolean }[];
  readonly reason: string | undefined;
}

/** What a node says of a link that does not count as it says it. */
export interface OverruledLink {
  readonly reporter: string;
  readonly neighbour: string;
  readonly claimedMs: number;
  /** The link's least latency, which counts; undefined: the link may not exist. */
  readonly latencyMinMs: number | undefined;
}

/** A link anywhere in the network. */
export interface NetworkLink {
  /** In alphabetical order. */
  readonly between: readonly [string, string];
  /** One way. */
  readonly latencyMs: number;
}

export interface AccountStatus {
  /** Name of the member that sent it; the empty string adds up those beyond the bound. */
  readonly member: string;
  /** Number on the wire. */
  readonly lane: number;
  readonly packets: number;
  /** Header, route and payload of data packets. */
  readonly bytes: number;
}

/** The dissemination graph that a flow of this node sends along now. */
export interface FlowGraph {
  readonly kind: string;
  /** Directed links, `ATL-DFW`. */
  readonly links: readonly string[];
  /** Whether its best way keeps the flow's deadline. */
  readonly isInTime: boolean;
  /** Graphs before it. */
  readonly switches: number;
  /** Why this one, in words. */
  readonly cause: string;
}

export interface FlowTraffic {
  readonly source: string;
  /** Of the last packet. */
  readonly destination: string;
  /** Label: tells flows of one source apart. */
  readonly flow: number;
  /** Name of the lane. */
  readonly lane: string;
  /** How its last packet was led: by each node, or by what its source stamped on it. */
  readonly route: 'each node' | 'path' | 'graph' | 'flood';
  /** At the source of a flow along a graph. */
  readonly graph?: FlowGraph;
  /** Data frames here, and their bytes, since the lane of the label last changed. */
  readonly packets: number;
  readonly bytes: number;
  /** Sent on from here: `copies / packets` is what redundancy costs here. */
  readonly copies: number;
  /** Lost on the link they came over, and repaired on it. */
  readonly recovered: number;
  /** Came again and were dropped: the price of more than one way. */
  readonly duplicates: number;
  /** At the destination: after the flow's deadline. */
  readonly late: number;
  /** Refused or dropped here; at the destination also what playout gave up. */
  readonly dropped: number;
  readonly idleMs: number;
}

export interface LinkQueueStatus {
  readonly neighbour: string;
  readonly capacityBitsPerSecond: number;
  readonly packets: number;
  readonly bytes: number;
  /** Members whose packets wait. */
  readonly sources: number;
}

/** Packets that never reached the wire: no loss of the link shows them. */
export interface QueueDrops {
  readonly neighbour: string;
  readonly lane: string;
  /** The queue was full. */
  readonly overload: number;
  /** They could not have arrived within their deadline any more. */
  readonly late: number;
  /** Of all of them, with their headers. */
  readonly bytes: number;
}

export interface UnderlayStatus {
  /** `fast` where it loads, `portable` otherwise. */
  readonly kind: string;
  /** What of the fast one is in use, or why it is not. */
  readonly reason: string;
  /** Whether the fast one was wanted and could not be had. */
  readonly isFallback: boolean;
  /** How packets are sealed: in the same words. */
  readonly crypto: { readonly kind: string; readonly reason: string; readonly isFallback: boolean };
  /** The UDP sockets that are open, `host:port`, in the order of the options. */
  readonly locals: readonly string[];
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
}

export interface LinkStatus {
  /** Member name of the neighbour; undefined while it has not yet said who it is. */
  readonly neighbour: string | undefined;
  readonly state: 'connecting' | 'up' | 'suspect' | 'down';
  /** `host:port` of the far end. */
  readonly remote: string;
  /** Time in this state. */
  readonly sinceMs: number;
  readonly rttMs: number;
  readonly rttMinMs: number;
  /** From this node to the neighbour, as the neighbour measures it. */
  readonly lossOut: number;
  readonly lossIn: number;
  /** How the neighbour's packets arrive here. */
  readonly incoming: ArrivalStatus;
  /** How this node's packets arrive there, told every ten seconds; undefined until then. */
  readonly outgoing: ArrivalStatus | undefined;
  readonly mtu: number;
  /** Silence that would make it dead at the moment. */
  readonly deadAfterMs: number;
  readonly bytesOut: number;
  readonly bytesIn: number;
  readonly packetsOut: number;
  readonly packetsIn: number;
  readonly aead: string;
  /** Undefined while there was nothing to recover or to keep. */
  readonly recovery: RecoveryStatus | undefined;
  /** Why it last went down, or cannot come up. */
  readonly reason: string | undefined;
  /** All paths to the neighbour, the one in use first; empty where there is but one. */
  readonly paths: readonly PathStatus[];
}

/** One direction of a path as its receiver measures it: of hellos and of all packets that pass. */
export interface ArrivalStatus {
  /** What the way there varies by from packet to packet (RFC 3550). */
  readonly jitterMs: number;
  /** Mean number of packets lost at a time, over minutes; 0: none was lost. */
  readonly burst: number;
  /** Share that came behind later ones. */
  readonly reordered: number;
  /** Mean number of packets by which those were behind; 0: none was. */
  readonly reorderExtent: number;
}

export interface PathStatus {
  /** `host:port` of the far end. */
  readonly remote: string;
  /** Place in `listen` of the address it leaves by. */
  readonly local: number;
  readonly state: 'connecting' | 'up' | 'suspect' | 'down';
  readonly isInUse: boolean;
  readonly rttMs: number;
  readonly lossOut: number;
  readonly lossIn: number;
  readonly incoming: ArrivalStatus;
  readonly outgoing: ArrivalStatus | undefined;
  /** Everything by that address is silent: the provider's trouble, not the neighbour's. */
  readonly isProviderTrouble: boolean;
}

/** Packets of one recovery protocol on a link, since it came up. */
export interface RecoveryTally {
  readonly packetsProtected: number;
  readonly bytesProtected: number;
  readonly repairsSent: number;
  readonly repairBytes: number;
  /** Came by a repair only. */
  readonly recovered: number;
}

/** What the link did about losses, since it came up. */
export interface RecoveryStatus {
  readonly realtime: RecoveryTally;
  readonly deadline: RecoveryTally;
  /** Forward error correction, where there is no time to ask; `recovered` is counted above too. */
  readonly parity: { readonly sent: number; readonly bytes: number; readonly recovered: number };
  readonly requests: number;
  /** Bytes of requests and what else recovery sends besides repairs. */
  readonly requestBytes: number;
  readonly missing: number;
  /** Came after all, by themselves. */
  readonly reordered: number;
  /** The neighbour does not keep them. */
  readonly declined: number;
  readonly givenUp: number;
  readonly duplicates: number;
  /** Asked for too late to be sent again in time. */
  readonly late: number;
  readonly overBudget: number;
  readonly overflows: number;
  readonly historyBytes: number;
  /** Forgotten while they might still have been asked for. */
  readonly evicted: number;
  /** Mean time that losses last at once. */
  readonly burstMs: number;
  /** Wait before a gap counts as a loss; 0 unless the link reorders. */
  readonly reorderWaitMs: number;
}

export interface RouteStatus {
  readonly destination: string;
  /** Nodes after this one, the destination last; empty when there is no route. */
  readonly path: readonly string[];
  /** Expected one way. */
  readonly latencyMs: number;
  readonly loss: number;
  /** By the routing metric: latency with loss weighed in. */
  readonly costMs: number;
  readonly sinceMs: number;
  readonly changes: number;
  /** What the last change came from. */
  readonly cause: string;
}

export interface RouteCandidate {
  readonly path: readonly string[];
  readonly latencyMs: number;
  readonly loss: number;
  readonly costMs: number;
  readonly isChosen: boolean;
  /** Why it is not the route. */
  readonly verdict: string;
}

export interface RouteExplanation {
  readonly destination: string;
  readonly route: RouteStatus | undefined;
  readonly candidates: readonly RouteCandidate[];
  /** In a big mesh: the relay that packets go over, which comes before the route. */
  readonly relays?: RelayReport;
}

/** How packets of flows that ask for nothing reach a member of a big mesh: ADR 13. */
export interface RelayReport {
  /** Nodes after this one; undefined: as the route has it. */
  readonly path: readonly string[] | undefined;
  /** Nodes that advise this one, and how many of them do at the moment. */
  readonly rendezvous: number;
  readonly advising: number;
  readonly candidates: readonly {
    readonly path: readonly string[];
    /** Undefined: not measured. */
    readonly rttMs: number | undefined;
    readonly isChosen: boolean;
    /** With who told it, and when. */
    readonly verdict: string;
  }[];
}

export interface MemberStatus {
  readonly name: string;
  readonly address: string;
  readonly isReachable: boolean;
  readonly certificateEnds: string;
}

export interface SocketStatus {
  readonly kind: 'datagram' | 'listener' | 'stream';
  readonly port: number;
  /** The far end of a stream. */
  readonly remote: EndpointParts | undefined;
  /** Datagrams nobody read in time. */
  readonly dropped: number;
}
