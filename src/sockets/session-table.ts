/**
 * End-to-end sessions with other nodes: made when first needed, renewed by age and volume, dropped when
 * idle and too many. Noise IK (the peer's static key is in its certificate, which routing has already
 * spread): one round trip, and the initiator's first data can follow the answer at once.
 *
 * Per peer there is at most a *current* session to send with, the *previous* ones that are still opened
 * for packets on their way, an *unconfirmed* one that this node answered and has not yet heard on, and one
 * *initiation* under way. Who has just answered does not initiate: two renewals at once would displace what
 * packets are sealed with that wait in queues. A responder sends with an unconfirmed session only when it has no other: an
 * initiation may be a replay, and a replay can displace nothing. Where both ends initiate at once the
 * initiation of the lower address stands. An initiation is sent again as it was until it is answered, and is
 * answered as it was the first time: the round trip may be longer than the wait between tries.
 *
 * The peer's restart shows as a new epoch in an authenticated exchange; its owner is told, because what
 * the old incarnation knew of streams is gone.
 *
 * Longer than most files: what the four places of a peer may hold is decided by every way a session
 * comes and goes, and those are read together.
 */

import type { Counters, Instant, NodeAddress, Random } from '../kernel/index.ts';
import {
  AEAD_COUNTER_BYTES,
  AEAD_TAG_BYTES,
  bytesEqual,
  readU32,
  soonest,
  TokenBucket,
  writeU32,
} from '../kernel/index.ts';
import type { Member, TransportKeys } from '../security/index.ts';
import type { DataHeader, SessionMessage, SessionOffer } from '../wire/index.ts';
import {
  decodeSessionMessage,
  encodeSessionMessage,
  KIND_SEALED,
  KIND_SESSION,
  ROUTE_FLOOD,
  SESSION_INDEX_BYTES,
} from '../wire/index.ts';
import type { Session } from './session.ts';
import { PayloadSealer, ReplayFlows } from './session.ts';
import type { HandshakeParty, Initiation } from './session-handshake.ts';
import {
  answerInitiation,
  beginInitiation,
  readInitiation,
  readResponse,
} from './session-handshake.ts';
import type { FlowPath, PacketOutcome } from './socket-types.ts';
import { everyWay, ownPath } from './socket-types.ts';
import { StoredResponses } from './stored-responses.ts';

export interface SessionLimits {
  /** Peers with a session or one being made. The idle one used longest ago gives way. */
  readonly sessionsMax: number;
  /** Keys are renewed after this time and this many packets. */
  readonly sessionRekeyAfter: number;
  readonly sessionRekeyPackets: number;
  /** An initiation that nobody answers is given up after this. */
  readonly sessionPatience: number;
  /** Incoming initiations answered per second, and in a burst. */
  readonly sessionAnswersPerSecond: number;
  /** Responses kept until their sessions are used. Overflow: `StoredResponses`. */
  readonly sessionResponsesMax: number;
}

export interface SessionEvents {
  sessionReady(peer: NodeAddress, now: Instant): void;
  sessionFailed(peer: NodeAddress, now: Instant): void;
  peerRestarted(peer: NodeAddress, now: Instant): void;
  /** Send the peer something sealed: it uses the new keys once it has seen them used. */
  confirm(peer: NodeAddress, now: Instant): void;
  /** Sends one packet of the given kind; label and sequence of sealed ones are the caller's. */
  sendPacket(
    path: FlowPath,
    packet: { kind: number; flow: number; sequence: number },
    payload: Uint8Array,
    now: Instant,
  ): PacketOutcome;
  /** Next sequence number of the control flow. */
  controlSequence(): number;
}

export interface SessionTableOptions extends HandshakeParty {
  readonly random: Random;
  readonly limits: SessionLimits;
  readonly memberAt: (address: NodeAddress) => Member | undefined;
  readonly counters: Counters;
  readonly events: SessionEvents;
}

interface Peer {
  readonly address: NodeAddress;
  current: Session | undefined;
  /** Oldest first. */
  previous: Session[];
  unconfirmed: Session | undefined;
  initiation: Initiation | undefined;
  /** When the first of the present run of initiations left; undefined while none runs. */
  tryingSince: Instant | undefined;
  tries: number;
  retryAt: Instant | undefined;
  /** Newest epoch and initiation number accepted: older initiations are replays. */
  heardEpoch: number;
  heardNumber: number;
  lastUsed: Instant;
}

const RETRY_FIRST = 250_000;
const RETRY_MAX = 5_000_000;
/** The same initiation is sent for this long. Then another: the peer may have forgotten its response. */
const INITIATION_KEPT = 5_000_000;
/** A superseded session still opens packets for this long. */
const PREVIOUS_KEPT = 10_000_000;
/** Superseded sessions kept of one peer. Overflow: the oldest is forgotten. */
const PREVIOUS_MAX = 4;
/** The initiator of a session that was answered has used it by then, or never will. */
const CONFIRMED_WITHIN = 5_000_000;
/** A session is not used beyond this many times its rekey age, whatever happens to renewals. */
const AGE_FACTOR_MAX = 5;
const NOTICES_PER_SECOND = 20;
const SCRATCH_BYTES = 2_048;

export class SessionTable {
  /** Plaintext to be sealed is written here, from `scratchOffset` on. */
  readonly scratch: Uint8Array = new Uint8Array(SCRATCH_BYTES);
  readonly scratchOffset: number = AEAD_COUNTER_BYTES;
  private readonly options: SessionTableOptions;
  private readonly sealer: PayloadSealer;
  /** What is sent of `scratch`: of the same length for most packets. */
  private sealed: Uint8Array = new Uint8Array(0);
  private readonly peers = new Map<NodeAddress, Peer>();
  private latest: Peer | undefined;
  /** Of the last sealed packet that came. */
  private opened: Session | undefined;
  private readonly byIndex = new Map<number, Session>();
  private readonly pendingByIndex = new Map<number, Peer>();
  private readonly notices = new TokenBucket({
    perSecond: NOTICES_PER_SECOND,
    burst: NOTICES_PER_SECOND,
  });
  private readonly answers: TokenBucket;
  private readonly responses: StoredResponses;
  private initiations = 0;
  private soonestRetry: Instant | undefined;

  constructor(options: SessionTableOptions) {
    this.options = options;
    this.sealer = new PayloadSealer(options.crypto);
    const perSecond = options.limits.sessionAnswersPerSecond;
    this.answers = new TokenBucket({ perSecond, burst: perSecond });
    const responsesMax = options.limits.sessionResponsesMax;
    this.responses = new StoredResponses({ responsesMax, counters: options.counters });
  }

  get size(): number {
    return this.peers.size;
  }

  /** Whether payloads to the peer can be sealed now. If not, or not for much longer, one is made. */
  isReady(address: NodeAddress, now: Instant): boolean {
    const peer = this.peer(address) ?? this.addPeer(address, now);
    const session = this.sendSession(peer, now);
    if (session === undefined || this.isDue(session, peer, now)) this.initiate(peer, now);
    return session !== undefined;
  }

  /**
   * Seals the first `length` bytes of plaintext in `scratch` and sends them. The caller has asked
   * `isReady` and owns the label; the sequence number is used up whatever the outcome.
   */
  send(
    path: FlowPath,
    name: { flow: number; sequence: number },
    length: number,
    now: Instant,
  ): PacketOutcome {
    const peer = this.peer(path.destination);
    const session = peer === undefined ? undefined : this.sendSession(peer, now);
    if (peer === undefined || session === undefined) return 'unreachable';
    const { scratch, scratchOffset } = this;
    this.sealer.seal(session.send, scratch, { at: scratchOffset, length }, name);
    const payloadAt = scratchOffset - SESSION_INDEX_BYTES;
    writeU32(scratch, payloadAt, session.remoteIndex);
    session.sealed++;
    session.lastUsed = now;
    peer.lastUsed = now;
    const end = scratchOffset + length + AEAD_TAG_BYTES;
    if (this.sealed.length !== end - payloadAt) this.sealed = scratch.subarray(payloadAt, end);
    const packet = { kind: KIND_SEALED, flow: name.flow, sequence: name.sequence };
    return this.options.events.sendPacket(path, packet, this.sealed, now);
  }

  /**
   * Opens a sealed payload in place. Returns where the plaintext ends (it starts
   * `SESSION_INDEX_BYTES` after `at`), or -1: refused and counted.
   */
  open(header: DataHeader, bytes: Uint8Array, at: number, end: number, now: Instant): number {
    const length = end - at - SESSION_INDEX_BYTES - AEAD_TAG_BYTES;
    if (length < 1) return this.refuse('truncated');
    const index = readU32(bytes, at);
    const session = this.sessionOf(index);
    if (session === undefined || session.peer !== header.source || this.isStale(session, now)) {
      this.sayUnknown(header.source, index, now);
      return this.refuse('unknown-session');
    }
    if (header.epoch !== session.peerEpoch) return this.refuse('wrong-epoch');
    if (!session.replay.check(header.flow, header.sequence)) return this.refuse('replayed');
    const text = { at: at + SESSION_INDEX_BYTES, length };
    if (!this.sealer.open(session.receive, bytes, text, header)) return this.refuse('bad-tag');
    session.replay.accept(header.flow, header.sequence);
    session.lastUsed = now;
    const peer = this.peer(session.peer);
    // With itself a node holds both ends: the one it initiated sends, the one it answered receives.
    const isOwn = session.peer === this.options.self.address;
    if (peer?.unconfirmed === session && !isOwn) this.promote(peer, session, now);
    return at + SESSION_INDEX_BYTES + length;
  }

  /** A packet of kind SESSION for this node. */
  receive(header: DataHeader, bytes: Uint8Array, at: number, end: number, now: Instant): void {
    const message = decodeSessionMessage(bytes, at, end);
    if (message === undefined) {
      this.refuse('malformed');
      return;
    }
    if (message.kind === 'unknown') this.hearUnknown(header, message, now);
    else if (message.kind === 'initiation') this.answer(header, message, now);
    else this.complete(header, message, now);
  }

  nextTimeout(): Instant | undefined {
    return this.soonestRetry;
  }

  timeout(now: Instant): void {
    if (this.soonestRetry === undefined || now < this.soonestRetry) return;
    for (const peer of this.peers.values())
      if (peer.retryAt !== undefined && peer.retryAt <= now) this.retry(peer, now);
    this.findSoonestRetry();
  }

  /** The peer's certificate changed or it is no member any more: its sessions end if its key did. */
  memberChanged(address: NodeAddress): void {
    const peer = this.peers.get(address);
    if (peer === undefined) return;
    const key = this.options.memberAt(address)?.agreementKey;
    const isSame = (s: Session | undefined): boolean =>
      s === undefined || (key !== undefined && bytesEqual(key, s.member.agreementKey));
    if (!isSame(peer.current) || !isSame(peer.unconfirmed)) this.dropPeer(peer);
  }

  /** There is a new way to a peer: what is being tried is tried again soon, not after a long wait. */
  routeChanged(address: NodeAddress, now: Instant): void {
    const peer = this.peers.get(address);
    if (peer?.retryAt === undefined) return;
    peer.tries = Math.min(peer.tries, 1);
    peer.retryAt = Math.min(peer.retryAt, now + RETRY_FIRST) as Instant;
    this.soonestRetry = soonest(this.soonestRetry, peer.retryAt);
  }

  /** Whether this node is to renew a session. */
  private isDue({ madeAt, sealed }: Session, { unconfirmed }: Peer, now: Instant): boolean {
    const { sessionRekeyAfter, sessionRekeyPackets } = this.options.limits;
    if (now - madeAt <= sessionRekeyAfter && sealed <= sessionRekeyPackets) return false;
    return unconfirmed === undefined || now - unconfirmed.madeAt > CONFIRMED_WITHIN;
  }

  /** Superseded long enough ago that nothing sealed with it can still be on its way. */
  private isStale(session: Session, now: Instant): boolean {
    const { supersededAt } = session;
    return supersededAt !== undefined && now - supersededAt > PREVIOUS_KEPT;
  }

  private sendSession(peer: Peer, now: Instant): Session | undefined {
    const session = peer.current ?? peer.unconfirmed;
    if (session === undefined) return undefined;
    const ageMax = this.options.limits.sessionRekeyAfter * AGE_FACTOR_MAX;
    const member = this.options.memberAt(peer.address);
    const isSound =
      now - session.madeAt <= ageMax &&
      member !== undefined &&
      (member === session.member || bytesEqual(member.agreementKey, session.member.agreementKey));
    if (isSound) return session;
    this.forget(session);
    if (peer.current === session) peer.current = undefined;
    else peer.unconfirmed = undefined;
    return undefined;
  }

  private initiate(peer: Peer, now: Instant): void {
    if (peer.tryingSince !== undefined) return;
    peer.tryingSince = now;
    peer.tries = 0;
    this.sendInitiation(peer, now);
  }

  private sendInitiation(peer: Peer, now: Instant): void {
    const { options } = this;
    peer.tries++;
    const backoff = Math.min(RETRY_MAX, RETRY_FIRST * 2 ** (peer.tries - 1));
    peer.retryAt = (now + backoff + options.random.below(backoff >> 2)) as Instant;
    this.soonestRetry = soonest(this.soonestRetry, peer.retryAt);
    const member = options.memberAt(peer.address);
    if (member === undefined) return this.dropInitiation(peer);
    const { message: noise } = this.presentInitiation(peer, member, now);
    // A captured node may stand on the best way: what was not answered goes every way.
    const path = peer.tries > 1 ? everyWay(peer.address) : ownPath(peer.address);
    this.sendSessionMessage(path, { kind: 'initiation', receiverIndex: 0, noise }, now);
    options.counters.add('session.initiations');
  }

  /** What is under way, or a new one. */
  private presentInitiation(peer: Peer, member: Member, now: Instant): Initiation {
    const { initiation } = peer;
    const isGood =
      initiation !== undefined &&
      now - initiation.begunAt < INITIATION_KEPT &&
      bytesEqual(initiation.member.agreementKey, member.agreementKey);
    if (isGood) return initiation;
    this.dropInitiation(peer);
    const name = { index: this.freshIndex(), number: ++this.initiations, begunAt: now };
    this.pendingByIndex.set(name.index, peer);
    peer.initiation = beginInitiation(this.options, member, name);
    return peer.initiation;
  }

  private retry(peer: Peer, now: Instant): void {
    const since = peer.tryingSince;
    if (since !== undefined && now - since < this.options.limits.sessionPatience)
      return this.sendInitiation(peer, now);
    this.stopTrying(peer);
    this.options.counters.add('session.gave-up');
    this.options.events.sessionFailed(peer.address, now);
  }

  private answer(header: DataHeader, message: SessionMessage, now: Instant): void {
    const { options } = this;
    const { source } = header;
    const member = options.memberAt(source);
    if (member === undefined) return void this.refuse('stranger');
    if (!this.answers.take(now)) return void this.refuse('too-many-initiations');
    const known = this.peers.get(source);
    // Both initiated: the lower address's initiation stands, and this is not it.
    if (known?.initiation !== undefined && options.self.address < source)
      return void this.refuse('initiation-crossed');
    const response = this.responses.to(known?.unconfirmed, message.noise);
    if (response !== undefined) {
      options.counters.add('session.answered-again');
      return this.respond(header, known!.unconfirmed!, response, now);
    }
    const sound = readInitiation(options, member, header, message.noise);
    if (!sound.ok) return void this.refuse(sound.reason);
    const { offer } = sound.value;
    const peer = known ?? this.addPeer(source, now);
    if (!isNewer(peer, offer)) return void this.refuse('stale-initiation');
    peer.heardEpoch = offer.epoch;
    peer.heardNumber = offer.number;
    const localIndex = this.freshIndex();
    const answer = answerInitiation(options, sound.value, localIndex);
    if (!answer.ok) return void this.refuse(answer.reason);
    if (source === options.self.address) this.retire(peer, peer.unconfirmed, now);
    else if (peer.unconfirmed !== undefined) this.forget(peer.unconfirmed);
    const { keys } = answer.value;
    peer.unconfirmed = this.remember(peer, member, keys, offer, localIndex, now);
    if (source !== options.self.address) this.stopTrying(peer);
    this.responses.keep(peer.unconfirmed, message.noise, answer.value.message);
    this.respond(header, peer.unconfirmed, answer.value.message, now);
    options.counters.add('session.answered');
    if (peer.current === undefined) options.events.sessionReady(source, now);
  }

  /** To where the initiation came from, the way it came. */
  private respond(header: DataHeader, session: Session, noise: Uint8Array, now: Instant): void {
    const { source, routeForm } = header;
    const path = routeForm === ROUTE_FLOOD ? everyWay(source) : ownPath(source);
    const receiverIndex = session.remoteIndex;
    this.sendSessionMessage(path, { kind: 'response', receiverIndex, noise }, now);
  }

  private complete(header: DataHeader, message: SessionMessage, now: Instant): void {
    const peer = this.pendingByIndex.get(message.receiverIndex);
    const initiation = peer?.initiation;
    if (peer === undefined || initiation === undefined || peer.address !== header.source)
      return void this.refuse('unexpected-response');
    const read = readResponse(this.options, initiation, header, message.noise);
    if (!read.ok) return void this.refuse(read.reason);
    const { keys, offer } = read.value;
    const { member, index } = initiation;
    if (offer.epoch > peer.heardEpoch) {
      peer.heardEpoch = offer.epoch;
      peer.heardNumber = 0;
    }
    this.pendingByIndex.delete(index);
    peer.initiation = undefined;
    this.stopTrying(peer);
    const session = this.remember(peer, member, keys, offer, index, now);
    this.promote(peer, session, now);
    this.options.events.confirm(peer.address, now);
  }

  /** Makes a session the one to send with. State: the one before opens packets for a while longer. */
  private promote(peer: Peer, session: Session, now: Instant): void {
    if (peer.unconfirmed === session) peer.unconfirmed = undefined;
    this.responses.forget(session);
    const old = peer.current;
    peer.current = session;
    if (peer.address !== this.options.self.address) this.retire(peer, old, now);
    else if (old !== undefined) this.forget(old);
    if (old !== undefined && old.peerEpoch !== session.peerEpoch) {
      for (const one of peer.previous) this.forget(one);
      peer.previous = [];
      this.options.counters.add('session.peer-restarts');
      this.options.events.peerRestarted(peer.address, now);
    }
    this.options.counters.add('session.made');
    this.options.events.sessionReady(peer.address, now);
  }

  /** Keeps a session for packets on their way; those kept for long are forgotten. */
  private retire(peer: Peer, session: Session | undefined, now: Instant): void {
    if (session === undefined) return;
    session.supersededAt = now;
    peer.previous.push(session);
    while (peer.previous.length > PREVIOUS_MAX || this.isStale(peer.previous[0]!, now))
      this.forget(peer.previous.shift()!);
  }

  private remember(
    peer: Peer,
    member: Member,
    keys: TransportKeys,
    offer: SessionOffer,
    localIndex: number,
    now: Instant,
  ): Session {
    const session: Session = {
      peer: peer.address,
      member,
      peerEpoch: offer.epoch,
      localIndex,
      remoteIndex: offer.index,
      send: keys.send,
      receive: keys.receive,
      madeAt: now,
      replay: new ReplayFlows(),
      supersededAt: undefined,
      sealed: 0,
      lastUsed: now,
    };
    this.byIndex.set(localIndex, session);
    return session;
  }

  private hearUnknown(header: DataHeader, message: SessionMessage, now: Instant): void {
    const peer = this.peers.get(header.source);
    const session = peer?.current ?? peer?.unconfirmed;
    if (peer === undefined || session?.remoteIndex !== message.receiverIndex)
      return void this.refuse('unexpected-notice');
    // The notice proves nothing: the session stays in use until another one stands.
    this.options.counters.add('session.unknown-at-peer');
    this.initiate(peer, now);
  }

  private sayUnknown(to: NodeAddress, index: number, now: Instant): void {
    if (index === 0 || !this.notices.take(now)) return;
    const message: SessionMessage = {
      kind: 'unknown',
      receiverIndex: index,
      noise: new Uint8Array(0),
    };
    this.sendSessionMessage(ownPath(to), message, now);
  }

  private sendSessionMessage(path: FlowPath, message: SessionMessage, now: Instant): void {
    const { events } = this.options;
    const packet = { kind: KIND_SESSION, flow: 0, sequence: events.controlSequence() };
    events.sendPacket(path, packet, encodeSessionMessage(message), now);
  }

  /** Of a packet. Packets come in runs; an address is no small integer, and a map slow to find it. */
  private peer(address: NodeAddress): Peer | undefined {
    if (this.latest?.address !== address) this.latest = this.peers.get(address);
    return this.latest;
  }

  private sessionOf(index: number): Session | undefined {
    if (this.opened?.localIndex !== index) this.opened = this.byIndex.get(index);
    return this.opened;
  }

  private addPeer(address: NodeAddress, now: Instant): Peer {
    if (this.peers.size >= this.options.limits.sessionsMax) this.evict();
    const peer: Peer = {
      address,
      current: undefined,
      previous: [],
      unconfirmed: undefined,
      initiation: undefined,
      tryingSince: undefined,
      tries: 0,
      retryAt: undefined,
      heardEpoch: 0,
      heardNumber: 0,
      lastUsed: now,
    };
    this.peers.set(address, peer);
    return peer;
  }

  private evict(): void {
    let oldest: Peer | undefined;
    for (const peer of this.peers.values())
      if (oldest === undefined || peer.lastUsed < oldest.lastUsed) oldest = peer;
    if (oldest === undefined) return;
    this.options.counters.add('session.evicted');
    this.dropPeer(oldest);
  }

  private dropPeer(peer: Peer): void {
    for (const session of [peer.current, ...peer.previous, peer.unconfirmed])
      if (session !== undefined) this.forget(session);
    this.stopTrying(peer);
    this.peers.delete(peer.address);
    this.latest = undefined;
  }

  private stopTrying(peer: Peer): void {
    this.dropInitiation(peer);
    peer.tryingSince = undefined;
    peer.retryAt = undefined;
    this.findSoonestRetry();
  }

  private dropInitiation(peer: Peer): void {
    if (peer.initiation !== undefined) this.pendingByIndex.delete(peer.initiation.index);
    peer.initiation = undefined;
  }

  private findSoonestRetry(): void {
    this.soonestRetry = undefined;
    for (const peer of this.peers.values())
      this.soonestRetry = soonest(this.soonestRetry, peer.retryAt);
  }

  private forget(session: Session): void {
    this.byIndex.delete(session.localIndex);
    this.opened = undefined;
    this.responses.forget(session);
  }

  private freshIndex(): number {
    for (;;) {
      const index = readU32(this.options.entropy.bytes(4), 0);
      if (index !== 0 && !this.byIndex.has(index) && !this.pendingByIndex.has(index)) return index;
    }
  }

  private refuse(reason: string): -1 {
    this.options.counters.add(`session.refused.${reason}`);
    return -1;
  }
}

const isNewer = (peer: Peer, offer: SessionOffer): boolean =>
  offer.epoch > peer.heardEpoch ||
  (offer.epoch === peer.heardEpoch && offer.number > peer.heardNumber);
