/**
 * The inviting side of enrolment: takes requests from joiners, under a session that may do nothing
 * else, hands them to the owner, who decides, and sends the answer, again whenever the request comes
 * again. Members renew elsewhere: at an issuer, over an overlay stream.
 */
import type { Counters, Crypto, Instant } from '../kernel/index.ts';
import { soonest } from '../kernel/index.ts';
import { isIdentityProven } from '../security/index.ts';
import type { EnrolAnswerText } from '../wire/index.ts';
import { decodeEnrolRequest, encodeEnrolAnswer } from '../wire/index.ts';
import type { Session } from './session.ts';

export interface EnrolRequestEvent {
  readonly request: number;
  readonly tokenSecret: Uint8Array;
  readonly name: string;
  readonly identityKey: Uint8Array;
  readonly agreementKey: Uint8Array;
  readonly remote: string;
}

export interface EnrolmentEntry {
  readonly request: number;
  readonly session: Session;
  readonly expiresAt: Instant;
  answer: readonly Uint8Array[] | undefined;
}

const LIFE = 60_000_000;

export interface EnrolmentDeskOptions {
  readonly crypto: Crypto;
  readonly counters: Counters;
  readonly enrolmentsMax: number;
  readonly ask: (event: EnrolRequestEvent, now: Instant) => void;
  readonly send: (session: Session, body: Uint8Array, now: Instant) => void;
  readonly refused: (reason: string, remote: string, now: Instant) => void;
  /** A joiner's session has served. */
  readonly drop: (session: Session) => void;
}

export class EnrolmentDesk {
  private readonly options: EnrolmentDeskOptions;
  private readonly entries = new Map<number, EnrolmentEntry>();
  private readonly guests = new Map<Session, Instant>();
  private nextRequest = 1;

  constructor(options: EnrolmentDeskOptions) {
    this.options = options;
  }

  get hasRoom(): boolean {
    return this.guests.size < this.options.enrolmentsMax;
  }

  /** A joiner's handshake is done. */
  admit(session: Session, now: Instant): void {
    this.guests.set(session, (now + LIFE) as Instant);
  }

  /** A request frame's body, from a joiner. */
  request(session: Session, bytes: Uint8Array, at: number, end: number, now: Instant): void {
    const { crypto } = this.options;
    const known = session.enrolment;
    if (known !== undefined) {
      for (const body of known.answer ?? []) this.options.send(session, body, now);
      return;
    }
    const asked = decodeEnrolRequest(bytes, at, end);
    if (asked === undefined) return this.refuse(session, 'malformed', now);
    const { identityKey, signature: proof } = asked;
    const { handshakeHash } = session;
    if (!isIdentityProven({ crypto, identityKey, handshakeHash, proof }))
      return this.refuse(session, 'identity-not-proven', now);
    if (this.entries.size >= this.options.enrolmentsMax)
      return this.refuse(session, 'too-many-enrolments', now);
    const request = this.nextRequest++;
    const expiresAt = (now + LIFE) as Instant;
    const entry: EnrolmentEntry = { request, session, expiresAt, answer: undefined };
    session.enrolment = entry;
    this.entries.set(request, entry);
    const remote = session.remote.key;
    const { name, secret: tokenSecret } = asked;
    const agreementKey = session.remoteStatic;
    const event = { request, tokenSecret, name, identityKey, agreementKey, remote };
    this.options.ask(event, now);
  }

  /** The owner's decision. False when the request is gone. */
  answer(request: number, answer: EnrolAnswerText, now: Instant): boolean {
    const entry = this.entries.get(request);
    if (entry === undefined) return false;
    entry.answer =
      encodeEnrolAnswer(answer) ?? encodeEnrolAnswer({ granted: false, code: 'ANSWER_TOO_LONG' });
    if (!answer.granted) {
      this.options.counters.add(`link.enrol.${reasonOf(answer.code)}`);
      this.options.refused(answer.code, entry.session.remote.key, now);
    }
    for (const body of entry.answer ?? []) this.options.send(entry.session, body, now);
    return true;
  }

  timeout(now: Instant): void {
    for (const entry of this.entries.values()) {
      if (entry.expiresAt > now) continue;
      this.entries.delete(entry.request);
      entry.session.enrolment = undefined;
    }
    for (const [session, expiresAt] of this.guests) {
      if (expiresAt > now) continue;
      this.guests.delete(session);
      this.options.drop(session);
    }
  }

  nextTimeout(): Instant | undefined {
    let next: Instant | undefined;
    for (const entry of this.entries.values()) next = soonest(next, entry.expiresAt);
    for (const expiresAt of this.guests.values()) next = soonest(next, expiresAt);
    return next;
  }

  private refuse(session: Session, reason: string, now: Instant): void {
    this.options.counters.add(`link.enrol.${reason}`);
    this.options.refused(reason, session.remote.key, now);
    const bodies = encodeEnrolAnswer({ granted: false, code: codeOf(reason) });
    for (const body of bodies ?? []) this.options.send(session, body, now);
  }
}

const codeOf = (reason: string): string => `ENROL_${reason.replaceAll('-', '_').toUpperCase()}`;

const reasonOf = (code: string): string => code.replaceAll('_', '-').toLowerCase();
