/** What the link room takes from and gives to the rooms above. */
import type {
  Crypto,
  DatagramBatch,
  Duration,
  Entropy,
  Instant,
  NodeAddress,
  Random,
} from '../kernel/index.ts';
import type { Member, TrustStore } from '../security/index.ts';
import type { NeighbourSpec } from './dialer.ts';
import type { EnrolRequestEvent } from './enrolment-desk.ts';
import type { Link } from './link.ts';
import type { LinkMetrics } from './metrics-damper.ts';
import type { LinkLimits, LinkTimers } from './options.ts';
import type { ReliableSink } from './reliable/index.ts';

/** What a path measured last, undamped. */
export interface PathFigures {
  readonly rtt: { readonly latest: Duration; readonly samples: number };
  /** What the neighbour measured last of the same path; -1 where it does not say. */
  readonly rttTold: number;
  readonly lossOutToldPpm: number;
  readonly loss: { readonly toldPpm: number };
}

import type { ProviderTrouble } from './provider-watch.ts';

export interface LinkIdentity {
  /** Ed25519 seed, 32 bytes. */
  readonly signingSeed: Uint8Array;
  /** X25519 private key, 32 bytes. */
  readonly agreementKey: Uint8Array;
  /** Own certificate chain. */
  readonly chain: Uint8Array;
}

/** Where effects go. Views are valid until the method returns. */
export interface LinkSink extends Partial<ReliableSink> {
  transmit(batch: DatagramBatch): void;
  /** A data frame at [at, end), to the end of its packet. */
  /** `isRepair`: it was lost on the link and came again. */
  data(
    link: Link,
    slab: Uint8Array,
    at: number,
    end: number,
    now: Instant,
    isRepair?: boolean,
  ): void;
  /** A routing frame's body at [at, end). */
  control(
    link: Link,
    frameType: number,
    slab: Uint8Array,
    at: number,
    end: number,
    now: Instant,
  ): void;
  linkUp(neighbour: NodeAddress, member: Member, metrics: LinkMetrics, now: Instant): void;
  /** `silence`: how long nothing had been heard. */
  linkDown(neighbour: NodeAddress, reason: string, silence: Duration, now: Instant): void;
  /** Only what is worth telling: see `metrics-damper.ts`. */
  linkMetrics(neighbour: NodeAddress, metrics: LinkMetrics, now: Instant): void;
  /** A hello came: what the path measures has moved on. For those that follow every sample. */
  roundTrip?(path: PathFigures, neighbour: NodeAddress): void;
  /** Another path to the same neighbour is in use. */
  pathSwitched?(from: Link, to: Link, reason: string): void;
  /** All that leaves by one local socket is silent, or is heard again. */
  provider?(trouble: ProviderTrouble): void;
  enrolRequest(request: EnrolRequestEvent, now: Instant): void;
  /** Rate limited; the counters have every one. */
  refused(
    what: 'handshake' | 'packet' | 'enrolment',
    reason: string,
    remote: string,
    now: Instant,
  ): void;
}

export interface LinkLayerOptions {
  readonly identity: LinkIdentity;
  readonly trust: TrustStore;
  readonly self: Member;
  readonly epoch: number;
  readonly crypto: Crypto;
  readonly entropy: Entropy;
  readonly random: Random;
  readonly timers?: Partial<LinkTimers>;
  readonly limits?: Partial<LinkLimits>;
  /** Whether to take links from members that are not configured. Default 'members'. */
  readonly acceptLinks?: 'members' | 'configured';
  readonly neighbours: readonly NeighbourSpec[];
  /**
   * Expected one-way latency to a destination, which tells recovery how much of a deadline it may use.
   * Absent or undefined: only the link's own is counted.
   */
  readonly latencyTo?: (destination: NodeAddress) => Duration | undefined;
  /** Whether somebody has said what the link to a neighbour carries. Absent: of all; none is measured. */
  readonly isCapacityStated?: (neighbour: NodeAddress) => boolean;
  readonly sink: LinkSink;
}
