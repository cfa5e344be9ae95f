/**
 * The joining side of enrolment: a node that has an invite and keys of its own but no certificate
 * runs the link handshake with its inviter, asks, and checks what it gets. Nothing else is allowed
 * on such a session, so this is all that a joiner runs before its node starts.
 *
 * The inviter is pinned by its key in the invite; the certificate must lead to the invite's root and
 * hold this node's own keys. The inviter's addresses are tried in turn until the time is up.
 */
import type {
  Counters,
  Crypto,
  DatagramBatch,
  Duration,
  Entropy,
  Instant,
  Random,
  Result,
  UnderlayAddress,
  WallTime,
} from '../kernel/index.ts';
import {
  AEAD_TAG_BYTES,
  bytesEqual,
  Counters as CounterSet,
  fail,
  ok,
  seconds,
  soonest,
} from '../kernel/index.ts';
import { proveIdentity, TrustStore } from '../security/index.ts';
import type { EnrolAnswerText } from '../wire/index.ts';
import {
  CONTROL_FRAME_HEADER_BYTES,
  decodeEnrolAnswerPart,
  decodeGoodbye,
  encodeEnrolRequest,
  FRAME_ENROL_ANSWER,
  FRAME_ENROL_REQUEST,
  FRAME_GOODBYE,
  SEALED_HEADER_BYTES,
} from '../wire/index.ts';
import type { LinkIdentity } from './contract.ts';
import type { NeighbourSpec, Slot } from './dialer.ts';
import { Dialer } from './dialer.ts';
import { EnrolAnswerAssembly } from './enrol-answer-assembly.ts';
import { bodyEnd } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import { Handshakes } from './handshakes.ts';
import { Incoming } from './incoming.ts';
import { LINK_LIMITS, LINK_TIMERS } from './options.ts';
import { Outgoing } from './outgoing.ts';
import type { Session } from './session.ts';

export interface EnrolmentClientOptions {
  /** From the invite, its addresses resolved. */
  readonly invite: {
    readonly networkId: Uint8Array;
    readonly rootKey: Uint8Array;
    readonly inviterKey: Uint8Array;
    readonly secret: Uint8Array;
  };
  readonly remotes: readonly UnderlayAddress[];
  readonly local?: number;
  readonly name: string;
  readonly identity: Omit<LinkIdentity, 'chain'>;
  readonly wall: WallTime;
  readonly crypto: Crypto;
  readonly entropy: Entropy;
  readonly random: Random;
  /** When to give up. Default 30 s. */
  readonly giveUpAfter?: Duration;
  readonly transmit: (batch: DatagramBatch) => void;
}

export interface Enrolment {
  readonly chain: Uint8Array;
  readonly manifest: Uint8Array;
}

/**
 * `refused`: the inviter's code. `bad-answer`: a certificate or manifest that is not what the invite
 * promises. `no-answer`: nobody with the inviter's key answered in time.
 */
export type EnrolmentFailure =
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'bad-answer'; readonly detail: string }
  | { readonly kind: 'no-answer'; readonly detail: string };

const ASK_AGAIN: Duration = 500_000 as Duration;
const NONE = new Uint8Array(0);

export class EnrolmentClient {
  readonly counters: Counters = new CounterSet();
  /** Set once, when it is over. */
  outcome: Result<Enrolment, EnrolmentFailure> | undefined;
  private readonly options: EnrolmentClientOptions;
  private readonly handshakes: Handshakes<Slot>;
  private readonly dialer: Dialer;
  private readonly incoming: Incoming;
  private readonly outgoing: Outgoing;
  private readonly writer: FrameWriter;
  private readonly sessions = new Map<number, Session>();
  private readonly assembly = new EnrolAnswerAssembly();
  private readonly giveUpAt: Instant;
  private session: Session | undefined;
  private askAt: Instant | undefined;
  private lastFailure = 'no answer';

  constructor(options: EnrolmentClientOptions, now: Instant) {
    this.options = options;
    const { crypto, entropy, random, remotes, local } = options;
    this.giveUpAt = (now + (options.giveUpAfter ?? seconds(30))) as Instant;
    this.outgoing = new Outgoing({
      crypto,
      packets: 8,
      datagramBytesMax: LINK_LIMITS.mtuMax,
      transmit: options.transmit,
    });
    this.writer = new FrameWriter({ outgoing: this.outgoing, mtuMin: LINK_LIMITS.mtuMin });
    this.incoming = new Incoming({
      crypto,
      counters: this.counters,
      packets: 64,
      sessions: this.sessions,
      sink: {
        handshake: (batch, i, at) => {
          const from = { remote: batch.remotes[i]!, local: batch.locals[i]! };
          this.handshakes.receive(batch.view(i), from, at);
        },
        packet: (session, batch, i, _gap, at) => this.receivePacket(session, batch, i, at),
      },
    });
    this.dialer = new Dialer({ timers: LINK_TIMERS, random: random.split('enrolment') });
    const spec: NeighbourSpec = local === undefined ? { remotes } : { remotes, local };
    this.dialer.configure([spec], now);
    this.handshakes = this.createHandshakes(entropy);
  }

  receive(batch: DatagramBatch, now: Instant): void {
    if (this.outcome === undefined) this.incoming.receive(batch, now);
    this.outgoing.flush();
  }

  timeout(now: Instant): void {
    if (this.outcome !== undefined) return;
    if (now >= this.giveUpAt)
      return this.end(fail({ kind: 'no-answer', detail: this.lastFailure }));
    this.handshakes.timeout(now);
    for (const slot of this.dialer.slots) if (this.dialer.due(slot, now)) this.dial(slot, now);
    if (this.askAt !== undefined && this.askAt <= now) this.ask(now);
    this.outgoing.flush();
  }

  nextTimeout(): Instant | undefined {
    if (this.outcome !== undefined) return undefined;
    const dialing = soonest(this.dialer.nextTimeout(), this.handshakes.nextTimeout());
    return soonest(soonest(dialing, this.askAt), this.giveUpAt);
  }

  private createHandshakes(entropy: Entropy): Handshakes<Slot> {
    const { crypto, invite, identity } = this.options;
    return new Handshakes<Slot>({
      crypto,
      entropy,
      counters: this.counters,
      networkId: invite.networkId,
      localStatic: crypto.keyAgreement(identity.agreementKey),
      pendingHandshakesMax: 16,
      handshakesPerSecond: 1,
      credentials: () => ({ intent: 'enrol', chain: NONE, epoch: 0 }),
      isIndexTaken: (index) => this.sessions.has(index),
      send: (bytes, to) => this.outgoing.plain(bytes, to),
      judge: ({ remoteStatic, owner }) => {
        if (owner === undefined) return fail('not a member');
        return bytesEqual(remoteStatic, invite.inviterKey)
          ? ok(undefined)
          : fail('not the inviter');
      },
      unconfirmed: (session) => {
        this.sessions.set(session.localIndex, session);
        this.session = session;
        this.askAt = session.establishedAt;
      },
      established: () => undefined,
      failed: (reason, _at, owner, now) => {
        this.lastFailure = reason;
        if (owner !== undefined && this.session === undefined)
          this.dialer.refused(owner, reason, now);
      },
      sayRefused: () => undefined,
      abandoned: (session) => this.abandon(session),
    });
  }

  private dial(slot: Slot, now: Instant): void {
    if (slot.attempt !== undefined && !this.handshakes.repeat(slot.attempt, now))
      this.dialer.nextPlace(slot);
    const to = this.dialer.take(slot, now);
    if (slot.attempt === undefined && this.session === undefined)
      slot.attempt = this.handshakes.initiate(to, slot, now);
  }

  /** Sends the request on the newest session, whether or not the inviter is known to have it yet. */
  private ask(now: Instant): void {
    this.askAt = (now + ASK_AGAIN) as Instant;
    if (this.session === undefined) return;
    const { crypto, identity, name, invite } = this.options;
    const { signingSeed } = identity;
    const { handshakeHash } = this.session;
    const body = encodeEnrolRequest({
      secret: invite.secret,
      name,
      identityKey: crypto.signer(signingSeed).publicKey,
      signature: proveIdentity({ crypto, signingSeed, handshakeHash }),
    });
    this.writer.alone(this.session, FRAME_ENROL_REQUEST, body);
  }

  private receivePacket(session: Session, batch: DatagramBatch, i: number, now: Instant): void {
    const { slab } = batch;
    const at = batch.offsets[i]! + SEALED_HEADER_BYTES;
    const body = at + CONTROL_FRAME_HEADER_BYTES;
    const end = bodyEnd(slab, at, batch.offsets[i]! + batch.lengths[i]! - AEAD_TAG_BYTES);
    if (end >= 0 && slab[at] === FRAME_GOODBYE) {
      const detail = decodeGoodbye(slab, body, end)?.detail ?? '';
      return this.handshakes.refusedByPeer(session, detail, now);
    }
    this.handshakes.confirm(session, now);
    if (slab[at] !== FRAME_ENROL_ANSWER || end < 0 || this.outcome !== undefined) return;
    const part = decodeEnrolAnswerPart(slab, body, end);
    const answer = part === undefined ? undefined : this.assembly.add(part);
    if (answer === 'malformed') this.end(fail({ kind: 'bad-answer', detail: 'malformed' }));
    else if (answer !== undefined) this.end(this.checked(answer));
  }

  private checked(answer: EnrolAnswerText): Result<Enrolment, EnrolmentFailure> {
    if (!answer.granted) return fail({ kind: 'refused', code: answer.code });
    const { chain, manifest } = answer;
    const { crypto, invite, identity, wall } = this.options;
    const bad = (detail: string): Result<Enrolment, EnrolmentFailure> =>
      fail({ kind: 'bad-answer', detail });
    let trust: TrustStore;
    try {
      trust = new TrustStore({ crypto, rootKeys: [invite.rootKey], manifest });
    } catch {
      // The store throws because a node's own manifest cannot be wrong; an inviter's can.
      return bad('manifest not signed by the root');
    }
    if (!bytesEqual(trust.manifest.networkId, invite.networkId)) return bad('another network');
    const verdict = trust.verifyChain(chain, wall);
    if (!verdict.ok) return bad(`certificate ${verdict.reason}`);
    const member = verdict.value;
    const identityKey = crypto.signer(identity.signingSeed).publicKey;
    const agreementKey = crypto.keyAgreement(identity.agreementKey).publicKey;
    if (!bytesEqual(member.identityKey, identityKey)) return bad('not for this identity');
    if (!bytesEqual(member.agreementKey, agreementKey)) return bad('not for this key');
    return ok({ chain, manifest });
  }

  private abandon(session: Session): void {
    session.isClosed = true;
    this.sessions.delete(session.localIndex);
    if (this.session === session) {
      this.session = undefined;
      this.askAt = undefined;
    }
  }

  private end(outcome: Result<Enrolment, EnrolmentFailure>): void {
    this.outcome = outcome;
    this.handshakes.clear();
  }
}
