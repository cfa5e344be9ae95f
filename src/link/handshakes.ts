/**
 * All handshakes of a node that are under way, in both roles: Noise XX over datagrams that may be
 * lost, doubled, reordered or forged.
 *
 *   initiator                                    responder
 *   initiate  --- message 1 (1200 B) --->        gate; table entry; answer is never longer
 *             <-- message 2 ------------         (the same again when message 1 comes again)
 *   judge chain
 *   unconfirmed --- message 3 ---------->        judge chain; established
 *             <-- any sealed packet ----         (message 3 again every 250 ms until then)
 *   established
 *
 * The responder keeps no timer of its own: it sends only in answer, so an address that was forged
 * is sent no more than the forger spent. The initiator does not use new keys before it hears the
 * peer use them, so a rekey loses nothing. Retries of message 1 are the dialer's.
 *
 * Who the peer is and whether it may come in is for `judge` to say; what an established session is
 * for, for the owner. Tables are bounded: a full responder table refuses, a full initiator table
 * drops its oldest.
 */
import type {
  AeadAlgorithm,
  Counters,
  Crypto,
  Entropy,
  Instant,
  KeyAgreement,
  Result,
  UnderlayAddress,
} from '../kernel/index.ts';
import { bytesEqual, concatBytes, readU32, soonest, utf8Encode } from '../kernel/index.ts';
import type { Member } from '../security/index.ts';
import { NoiseHandshake } from '../security/index.ts';
import type { HandshakeIntent, HandshakePayload } from '../wire/index.ts';
import {
  decodeCookieReply,
  decodeHandshake1,
  decodeHandshake2,
  decodeHandshake3,
  decodeHandshakePayload,
  encodeHandshake1,
  encodeHandshake2,
  encodeHandshake3,
  encodeHandshakePayload,
  PACKET_COOKIE,
  PACKET_HANDSHAKE_1,
  PACKET_HANDSHAKE_2,
  PACKET_HANDSHAKE_3,
} from '../wire/index.ts';
import { HandshakeGate } from './handshake-gate.ts';
import { Session } from './session.ts';

const PENDING_LIFE = 5_000_000;
const MESSAGE_3_AGAIN = 250_000;
const COOKIE_LIFE = 100_000_000;
const COOKIES_MAX = 64;
/** Times one first message is sent, repeats on a cookie reply included. */
const MESSAGE_1_SENDINGS_MAX = 8;
const NONE = new Uint8Array(0);
/** The reason of a failure that says nothing about the peer. */
export const HANDSHAKE_TIMED_OUT = 'handshake timed out';

/** Who opens: handed back with the outcome, so that the owner knows its own attempt. */
export interface Attempt {
  readonly remote: UnderlayAddress;
  readonly local: number;
}

export interface PeerClaim<Owner> {
  readonly payload: HandshakePayload;
  /** X25519 key that the peer has proved to hold. */
  readonly remoteStatic: Uint8Array;
  readonly remote: UnderlayAddress;
  /** The attempt's owner; absent when the peer opens. */
  readonly owner: Owner | undefined;
}

export interface HandshakesOptions<Owner> {
  readonly crypto: Crypto;
  readonly entropy: Entropy;
  readonly counters: Counters;
  readonly networkId: Uint8Array;
  readonly localStatic: KeyAgreement;
  readonly pendingHandshakesMax: number;
  readonly handshakesPerSecond: number;
  /** What this node shows of itself, at the time of asking. */
  readonly credentials: (owner: Owner | undefined) => {
    intent: HandshakeIntent;
    chain: Uint8Array;
    epoch: number;
    isOneOfSeveral?: boolean;
  };
  /** Whether an index is in use by a session. */
  readonly isIndexTaken: (index: number) => boolean;
  readonly send: (bytes: Uint8Array, to: Attempt) => void;
  /** Ok with the member, or with undefined for a joiner that may enrol. */
  readonly judge: (claim: PeerClaim<Owner>, now: Instant) => Result<Member | undefined, string>;
  /** Keys stand, but only this end is known to have them: sessions to receive on. */
  readonly unconfirmed: (session: Session) => void;
  readonly established: (session: Session, owner: Owner | undefined, now: Instant) => void;
  readonly failed: (reason: string, at: Attempt, owner: Owner | undefined, now: Instant) => void;
  /** The responder refuses an initiator that has proved its address: say so under its keys. */
  readonly sayRefused: (session: Session, reason: string, now: Instant) => void;
  /** Keys that were never confirmed are dropped. */
  readonly abandoned: (session: Session) => void;
}

interface Initiation<Owner> {
  readonly index: number;
  readonly attempt: Attempt;
  readonly owner: Owner;
  readonly noise: NoiseHandshake;
  readonly message: Uint8Array;
  mac1: Uint8Array;
  sendings: number;
  readonly expiresAt: number;
}

interface Response {
  readonly index: number;
  readonly attempt: Attempt;
  readonly peerIndex: number;
  readonly peerEphemeral: Uint8Array;
  readonly noise: NoiseHandshake;
  readonly message: Uint8Array;
  readonly expiresAt: number;
}

interface Unconfirmed<Owner> {
  readonly session: Session;
  readonly attempt: Attempt;
  readonly owner: Owner;
  readonly message: Uint8Array;
  readonly expiresAt: number;
  againAt: number;
}

export class Handshakes<Owner> {
  private readonly options: HandshakesOptions<Owner>;
  private readonly gate: HandshakeGate;
  private readonly prologue: Uint8Array;
  private readonly initiations = new Map<number, Initiation<Owner>>();
  private readonly responses = new Map<number, Response>();
  private readonly unconfirmed = new Map<number, Unconfirmed<Owner>>();
  private readonly cookies = new Map<string, { cookie: Uint8Array; at: number }>();

  constructor(options: HandshakesOptions<Owner>) {
    this.options = options;
    this.gate = new HandshakeGate(options);
    this.prologue = concatBytes(utf8Encode('overlane/1'), options.networkId);
  }

  /** Handshakes under way as responder; grows only with what passed the gate. */
  get pendingResponses(): number {
    return this.responses.size;
  }

  /** Sends a first message and returns the attempt's index, for `repeat` and `cancel`. */
  initiate(attempt: Attempt, owner: Owner, now: Instant): number {
    const index = this.freshIndex();
    const noise = this.noise('initiator');
    const message = encodeHandshake1(index, noise.writeMessage(NONE));
    const initiation: Initiation<Owner> = {
      index,
      attempt,
      owner,
      noise,
      message,
      mac1: NONE,
      sendings: 0,
      expiresAt: now + PENDING_LIFE,
    };
    if (this.initiations.size >= this.options.pendingHandshakesMax) {
      const oldest = this.initiations.keys().next().value;
      if (oldest !== undefined) this.initiations.delete(oldest);
      this.options.counters.add('link.handshake.initiations-overflow');
    }
    this.initiations.set(index, initiation);
    this.sendFirst(initiation, now);
    return index;
  }

  /** Sends the first message again; false when that attempt is over and a new one is due. */
  repeat(index: number, now: Instant): boolean {
    const initiation = this.initiations.get(index);
    if (initiation === undefined) return this.unconfirmed.has(index);
    if (initiation.sendings >= 3) return false;
    this.sendFirst(initiation, now);
    return true;
  }

  /** Gives up an attempt that has had no answer yet. */
  cancel(index: number): void {
    this.initiations.delete(index);
  }

  /** One datagram that is not a sealed packet. `bytes` is a view and is not kept. */
  receive(bytes: Uint8Array, from: Attempt, now: Instant): void {
    const type = bytes[0];
    if (type === PACKET_HANDSHAKE_1) this.receiveFirst(bytes, from, now);
    else if (type === PACKET_HANDSHAKE_2) this.receiveSecond(bytes, from, now);
    else if (type === PACKET_HANDSHAKE_3) this.receiveThird(bytes, from, now);
    else if (type === PACKET_COOKIE) this.receiveCookie(bytes, now);
    else this.refuse('unknown-type');
  }

  /** The peer was heard under keys of ours that waited for it. */
  confirm(session: Session, now: Instant): void {
    const entry = this.unconfirmed.get(session.localIndex);
    if (entry === undefined) return;
    this.unconfirmed.delete(session.localIndex);
    this.options.established(session, entry.owner, now);
  }

  /** The peer said under those keys that it will not have us. */
  refusedByPeer(session: Session, reason: string, now: Instant): void {
    const entry = this.unconfirmed.get(session.localIndex);
    if (entry === undefined) return;
    this.unconfirmed.delete(session.localIndex);
    this.options.abandoned(session);
    this.options.failed(`refused by the peer: ${reason}`, entry.attempt, entry.owner, now);
  }

  timeout(now: Instant): void {
    for (const entry of this.initiations.values())
      if (entry.expiresAt <= now) this.initiations.delete(entry.index);
    for (const entry of this.responses.values())
      if (entry.expiresAt <= now) this.responses.delete(entry.index);
    for (const entry of this.unconfirmed.values()) {
      if (entry.expiresAt <= now) {
        this.unconfirmed.delete(entry.session.localIndex);
        this.options.abandoned(entry.session);
        this.options.failed(HANDSHAKE_TIMED_OUT, entry.attempt, entry.owner, now);
      } else if (entry.againAt <= now) {
        entry.againAt = now + MESSAGE_3_AGAIN;
        this.options.send(entry.message, entry.attempt);
      }
    }
  }

  nextTimeout(): Instant | undefined {
    let next: Instant | undefined;
    for (const entry of this.initiations.values()) next = soonest(next, entry.expiresAt as Instant);
    for (const entry of this.responses.values()) next = soonest(next, entry.expiresAt as Instant);
    for (const entry of this.unconfirmed.values())
      next = soonest(next, Math.min(entry.againAt, entry.expiresAt) as Instant);
    return next;
  }

  /** Forgets everything under way. */
  clear(): void {
    this.initiations.clear();
    this.responses.clear();
    this.unconfirmed.clear();
  }

  private sendFirst(initiation: Initiation<Owner>, now: Instant): void {
    if (initiation.sendings >= MESSAGE_1_SENDINGS_MAX) return;
    initiation.sendings++;
    const kept = this.cookies.get(initiation.attempt.remote.key);
    const cookie = kept !== undefined && now - kept.at < COOKIE_LIFE ? kept.cookie : undefined;
    initiation.mac1 = this.gate.stamp(initiation.message, cookie);
    this.options.send(initiation.message, initiation.attempt);
  }

  private receiveFirst(bytes: Uint8Array, from: Attempt, now: Instant): void {
    const first = decodeHandshake1(bytes);
    if (first === undefined) return this.refuse('malformed');
    const { counters, pendingHandshakesMax } = this.options;
    const isBusy = this.responses.size * 2 >= pendingHandshakesMax;
    const decision = this.gate.check(bytes, { remote: from.remote, isBusy }, now);
    if (decision === 'forged' || decision === 'overload') return this.refuse(decision);
    if (decision === 'demand-cookie') {
      counters.add('link.handshake.cookies-demanded');
      const whom = { remote: from.remote, senderIndex: first.senderIndex };
      this.options.send(this.gate.cookieReply(bytes, whom, now), from);
      return;
    }
    const known = this.responseTo(first.noise, from);
    if (known !== undefined) {
      this.options.send(known.message, from);
      return;
    }
    if (this.responses.size >= pendingHandshakesMax) return this.refuse('table-full');
    const noise = this.noise('responder');
    if (!noise.readMessage(first.noise).ok) return this.refuse('bad-message');
    const index = this.freshIndex();
    const second = noise.writeMessage(this.payload());
    const message = encodeHandshake2({ sender: index, receiver: first.senderIndex }, second);
    if (message.length > bytes.length) return this.refuse('chain-too-long');
    this.responses.set(index, {
      index,
      attempt: from,
      peerIndex: first.senderIndex,
      peerEphemeral: first.noise,
      noise,
      message,
      expiresAt: now + PENDING_LIFE,
    });
    this.options.send(message, from);
  }

  private receiveSecond(bytes: Uint8Array, from: Attempt, now: Instant): void {
    const second = decodeHandshake2(bytes);
    if (second === undefined) return this.refuse('malformed');
    const waiting = this.unconfirmed.get(second.receiverIndex);
    if (waiting !== undefined) {
      // The peer has not had message 3, or this is a copy: one more costs less than waiting.
      if (waiting.session.remoteIndex === second.senderIndex)
        this.options.send(waiting.message, waiting.attempt);
      return;
    }
    const initiation = this.initiations.get(second.receiverIndex);
    if (initiation === undefined) return this.refuse('unknown-index');
    const { noise, owner } = initiation;
    const read = noise.readMessage(second.noise);
    if (!read.ok) return this.refuse(read.reason);
    this.initiations.delete(initiation.index);
    const payload = decodeHandshakePayload(read.value);
    const remoteStatic = noise.remoteStatic;
    if (payload === undefined || remoteStatic === undefined) return this.refuse('malformed');
    const attempt = { remote: from.remote, local: from.local };
    const verdict = this.options.judge({ payload, remoteStatic, remote: from.remote, owner }, now);
    if (!verdict.ok) {
      const refusal = noise.writeMessage(this.payload(verdict.reason));
      this.options.send(encodeHandshake3(second.senderIndex, refusal), attempt);
      this.options.failed(verdict.reason, attempt, owner, now);
      return;
    }
    const message = encodeHandshake3(
      second.senderIndex,
      noise.writeMessage(this.payload(undefined, owner)),
    );
    if (!noise.isComplete) return this.refuse('low-order-key');
    const indices = {
      local: initiation.index,
      remote: second.senderIndex,
      isInitiator: true,
    };
    const several = this.options.credentials(owner).isOneOfSeveral === true;
    const session = this.session(noise, indices, payload, verdict.value, attempt, now, several);
    this.unconfirmed.set(session.localIndex, {
      session,
      attempt,
      owner,
      message,
      againAt: now + MESSAGE_3_AGAIN,
      expiresAt: now + PENDING_LIFE,
    });
    this.options.unconfirmed(session);
    this.options.send(message, attempt);
  }

  private receiveThird(bytes: Uint8Array, from: Attempt, now: Instant): void {
    const third = decodeHandshake3(bytes);
    if (third === undefined) return this.refuse('malformed');
    const response = this.responses.get(third.receiverIndex);
    if (response === undefined) {
      const isCopy = this.options.isIndexTaken(third.receiverIndex);
      return this.refuse(isCopy ? 'duplicate' : 'unknown-index');
    }
    const { noise } = response;
    const read = noise.readMessage(third.noise);
    if (!read.ok) return this.refuse(read.reason);
    this.responses.delete(response.index);
    const payload = decodeHandshakePayload(read.value);
    const remoteStatic = noise.remoteStatic;
    if (payload === undefined || remoteStatic === undefined) return this.refuse('malformed');
    const attempt = { remote: from.remote, local: from.local };
    if (payload.intent === 'refuse') {
      const reason = `refused by the peer: ${payload.reason}`;
      return this.options.failed(reason, attempt, undefined, now);
    }
    const claim = { payload, remoteStatic, remote: from.remote, owner: undefined };
    const verdict = this.options.judge(claim, now);
    const member = verdict.ok ? verdict.value : undefined;
    const indices = { local: response.index, remote: response.peerIndex, isInitiator: false };
    const session = this.session(noise, indices, payload, member, attempt, now);
    if (verdict.ok) return this.options.established(session, undefined, now);
    this.options.sayRefused(session, verdict.reason, now);
    this.options.failed(verdict.reason, attempt, undefined, now);
  }

  private receiveCookie(bytes: Uint8Array, now: Instant): void {
    const reply = decodeCookieReply(bytes);
    if (reply === undefined) return this.refuse('malformed');
    const initiation = this.initiations.get(reply.receiverIndex);
    if (initiation === undefined) return this.refuse('unknown-index');
    const cookie = this.gate.openCookie(reply, initiation.mac1);
    if (cookie === undefined) return this.refuse('bad-cookie');
    const { key } = initiation.attempt.remote;
    this.cookies.delete(key);
    if (this.cookies.size >= COOKIES_MAX) {
      const oldest = this.cookies.keys().next().value;
      if (oldest !== undefined) this.cookies.delete(oldest);
    }
    this.cookies.set(key, { cookie, at: now });
    this.sendFirst(initiation, now);
  }

  private session(
    noise: NoiseHandshake,
    indices: { local: number; remote: number; isInitiator: boolean },
    payload: HandshakePayload,
    member: Member | undefined,
    attempt: Attempt,
    now: Instant,
    isOneOfSeveral: boolean = payload.isOneOfSeveral === true,
  ): Session {
    const algorithm = chooseAead(this.options.crypto.aeadPreference, payload.aeads);
    const keys = noise.split(algorithm);
    return new Session({
      localIndex: indices.local,
      remoteIndex: indices.remote,
      send: keys.send,
      receive: keys.receive,
      algorithm,
      isInitiator: indices.isInitiator,
      handshakeHash: noise.handshakeHash,
      remoteStatic: noise.remoteStatic ?? NONE,
      member,
      peerEpoch: payload.epoch,
      remote: attempt.remote,
      local: attempt.local,
      establishedAt: now,
      isOneOfSeveral,
    });
  }

  /** The table entry that this very message made, if any: copies and repeats meet it again. */
  private responseTo(ephemeral: Uint8Array, from: Attempt): Response | undefined {
    for (const response of this.responses.values()) {
      if (response.attempt.remote.key !== from.remote.key) continue;
      if (bytesEqual(response.peerEphemeral, ephemeral)) return response;
    }
    return undefined;
  }

  private payload(refusal?: string, owner?: Owner): Uint8Array {
    const { intent, chain, epoch, isOneOfSeveral } = this.options.credentials(owner);
    const aeads = this.options.crypto.aeadPreference;
    if (refusal === undefined)
      return encodeHandshakePayload({
        intent,
        chain,
        epoch,
        aeads,
        reason: '',
        ...(isOneOfSeveral === true ? { isOneOfSeveral } : {}),
      });
    return encodeHandshakePayload({ intent: 'refuse', chain: NONE, epoch, aeads, reason: refusal });
  }

  private noise(role: 'initiator' | 'responder'): NoiseHandshake {
    const { localStatic, crypto, entropy } = this.options;
    return new NoiseHandshake({
      pattern: 'XX',
      role,
      prologue: this.prologue,
      localStatic,
      crypto,
      entropy,
    });
  }

  /** Of 31 bits, which V8 keeps without memory of their own: every packet is found by its index. */
  private freshIndex(): number {
    for (;;) {
      const index = readU32(this.options.entropy.bytes(4), 0) >>> 1;
      const isFree =
        index !== 0 &&
        !this.initiations.has(index) &&
        !this.responses.has(index) &&
        !this.options.isIndexTaken(index);
      if (isFree) return index;
    }
  }

  private refuse(reason: string): void {
    this.options.counters.add(`link.handshake.${reason}`);
  }
}

/**
 * The algorithm whose worse place in the two lists is best: neither end is made to run what it runs
 * badly. Both ends compute the same; ChaCha20-Poly1305, which everyone has, breaks ties.
 */
export function chooseAead(
  ours: readonly AeadAlgorithm[],
  theirs: readonly AeadAlgorithm[],
): AeadAlgorithm {
  let best: AeadAlgorithm = 'chacha20-poly1305';
  let bestPlace = Number.POSITIVE_INFINITY;
  for (const algorithm of ['chacha20-poly1305', 'aes-128-gcm'] as const) {
    if (!ours.includes(algorithm) || !theirs.includes(algorithm)) continue;
    const place = Math.max(ours.indexOf(algorithm), theirs.indexOf(algorithm));
    if (place < bestPlace) {
      best = algorithm;
      bestPlace = place;
    }
  }
  return best;
}
