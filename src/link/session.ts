/**
 * One set of keys between two nodes, from one handshake: what seals and opens the packets that name
 * its index. A link has one session it sends on and may have an older one it still receives on.
 */
import type { AeadAlgorithm, AeadKey, Instant, UnderlayAddress } from '../kernel/index.ts';
import type { Member } from '../security/index.ts';
import { ReplayWindow } from '../security/index.ts';
import type { EnrolmentEntry } from './enrolment-desk.ts';
import type { Link } from './link.ts';

export interface SessionOptions {
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly send: AeadKey;
  readonly receive: AeadKey;
  readonly algorithm: AeadAlgorithm;
  readonly isInitiator: boolean;
  readonly handshakeHash: Uint8Array;
  /** X25519 key that the peer proved to hold. */
  readonly remoteStatic: Uint8Array;
  /** Absent for a joiner that has no certificate yet. */
  readonly member: Member | undefined;
  readonly peerEpoch: number;
  readonly remote: UnderlayAddress;
  readonly local: number;
  readonly establishedAt: Instant;
  /** Of several paths to the same neighbour. */
  readonly isOneOfSeveral: boolean;
}

export class Session {
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly send: AeadKey;
  readonly receive: AeadKey;
  readonly algorithm: AeadAlgorithm;
  readonly isInitiator: boolean;
  readonly handshakeHash: Uint8Array;
  readonly remoteStatic: Uint8Array;
  readonly member: Member | undefined;
  readonly peerEpoch: number;
  readonly remote: UnderlayAddress;
  readonly local: number;
  readonly establishedAt: Instant;
  readonly isOneOfSeveral: boolean;
  readonly replay: ReplayWindow = new ReplayWindow();
  /** Counter of the next packet out; never reused, which is what the nonce rests on. */
  nextCounter = 0;
  lastHeardAt: Instant;
  /** The greatest counter of what came in its order: all but urgent packets that came past others. */
  inOrder = -1;
  /** Packets beyond `inOrder` that came past others or were dropped unopened: no loss of the link's. */
  accounted = 0;
  /** The link that uses these keys, once both ends have them. */
  link: Link | undefined;
  /** The enrolment going on under these keys. */
  enrolment: EnrolmentEntry | undefined;
  isClosed = false;

  constructor(options: SessionOptions) {
    this.localIndex = options.localIndex;
    this.remoteIndex = options.remoteIndex;
    this.send = options.send;
    this.receive = options.receive;
    this.algorithm = options.algorithm;
    this.isInitiator = options.isInitiator;
    this.handshakeHash = options.handshakeHash;
    this.remoteStatic = options.remoteStatic;
    this.member = options.member;
    this.peerEpoch = options.peerEpoch;
    this.remote = options.remote;
    this.local = options.local;
    this.establishedAt = options.establishedAt;
    this.isOneOfSeveral = options.isOneOfSeveral;
    this.lastHeardAt = options.establishedAt;
  }
}
