/**
 * Keeps the node's certificate from running out. At two thirds of its life the next one is asked
 * for: from the own root key where it is here, otherwise over the overlay from any member with the
 * role `issuer`, one after the other. A member is known to the issuer by the end-to-end session, so
 * nothing but the connection needs to be shown. A failure is repeated after 5 s, then after twice as
 * long each time, up to six hours or a tenth of the time left. Warnings are logged at 30, 7 and 1
 * days before the end.
 *
 * The service is an overlay stream to `MEMBERSHIP_PORT`: the issuer answers with one JSON document,
 * the chain in base64url, and ends the stream.
 */
import { once } from 'node:events';
import type { OverlayNodeHandle, OverlayStream, StreamServer } from '../host/index.ts';
import { OverlayError } from '../kernel/index.ts';
import type { EnrolAnswer } from '../node/index.ts';
import { BACKDATING, type Member } from '../security/index.ts';
import { ROLE_ISSUER } from '../wire/index.ts';
import type { CertificateHealth } from './control-api.ts';
import type { Logger } from './log.ts';
import { isoTime } from './provision.ts';

/** Overlay port of the renewal service. */
export const MEMBERSHIP_PORT = 1;

const ANSWER_BYTES_MAX = 8 * 1024;
const ANSWER_MS = 10_000;
const DAY = 86_400e6;
const MINUTE_MS = 60_000;
const RETRY_MS_MAX = 6 * 3_600_000;
/** A node that has just started has no links yet, so nobody to ask: its first look waits a little. */
const FIRST_LOOK_MS = 5_000;
/** setTimeout's own bound is 24.8 days; a look once a day costs nothing. */
const LOOK_MS_MAX = 24 * 3_600_000;

export interface CertificateKeeperOptions {
  readonly node: OverlayNodeHandle;
  /** The own certificate as it is now. */
  readonly self: () => Member;
  readonly members: () => readonly Member[];
  /** Issues for oneself, where the root key is here. */
  readonly renewSelf: (() => EnrolAnswer) | undefined;
  /** Takes a new chain into use and keeps it; a reason when it does not stand up. */
  readonly adopt: (chain: Uint8Array) => string | undefined;
  readonly wall: () => number;
  readonly log: Logger;
}

export class CertificateKeeper {
  private readonly options: CertificateKeeperOptions;
  private timer: NodeJS.Timeout | undefined;
  private retryMs = FIRST_LOOK_MS / 2;
  private warnedAt: CertificateHealth['state'] = 'good';
  private readonly closing = new AbortController();

  constructor(options: CertificateKeeperOptions) {
    this.options = options;
  }

  start(): void {
    this.warn();
    this.lookAgain(FIRST_LOOK_MS);
  }

  close(): void {
    clearTimeout(this.timer);
    this.closing.abort();
  }

  health(): CertificateHealth {
    const { notAfter } = this.options.self();
    const left = notAfter - this.options.wall();
    return {
      ends: isoTime(notAfter),
      daysLeft: Math.floor(left / DAY),
      state: healthAt(left),
      renewsAt: isoTime(this.renewsAt()),
    };
  }

  /** Asks for the next certificate now. Resolves with whether there is one. */
  async renew(): Promise<boolean> {
    const { renewSelf, log } = this.options;
    if (renewSelf !== undefined) return this.accept(renewSelf(), 'the root key here');
    const { address } = this.options.self();
    const issuers = this.options
      .members()
      .filter((member) => member.address !== address && member.roles.includes(ROLE_ISSUER));
    for (const issuer of issuers) {
      try {
        const answer = await askIssuer(this.options.node, issuer.name, this.closing.signal);
        if (this.accept(answer, issuer.name)) return true;
      } catch (error) {
        if (!(error instanceof OverlayError)) throw error;
        log.info({ issuer: issuer.name, code: error.code }, 'no answer to a renewal');
      }
    }
    return false;
  }

  private accept(answer: EnrolAnswer, from: string): boolean {
    const { log } = this.options;
    if (!answer.granted) {
      log.warn({ from, code: answer.code }, 'renewal refused');
      return false;
    }
    const problem = this.options.adopt(answer.chain);
    if (problem !== undefined) log.warn({ from, problem }, 'renewal answered with a bad chain');
    else log.info({ from, ends: this.health().ends }, 'certificate renewed');
    return problem === undefined;
  }

  private renewsAt(): number {
    const { notBefore, notAfter } = this.options.self();
    const issuedAt = notBefore + BACKDATING;
    return issuedAt + ((notAfter - issuedAt) * 2) / 3;
  }

  private look(): void {
    this.warn();
    const wait = (this.renewsAt() - this.options.wall()) / 1_000;
    if (wait > 0) return this.lookAgain(wait);
    void this.renew().then((isRenewed) => {
      if (this.closing.signal.aborted) return;
      const wall = this.options.wall();
      if (isRenewed) {
        this.retryMs = FIRST_LOOK_MS / 2;
        return this.lookAgain(Math.max(MINUTE_MS, (this.renewsAt() - wall) / 1_000));
      }
      const left = (this.options.self().notAfter - wall) / 1_000;
      this.retryMs = Math.min(2 * this.retryMs, RETRY_MS_MAX);
      this.lookAgain(Math.max(FIRST_LOOK_MS, Math.min(this.retryMs, left / 10)));
    });
  }

  private lookAgain(ms: number): void {
    this.timer = setTimeout(() => this.look(), Math.min(ms, LOOK_MS_MAX)).unref();
  }

  /** Once for each step towards the end. */
  private warn(): void {
    const { state, ends, daysLeft } = this.health();
    if (state === this.warnedAt) return;
    this.warnedAt = state;
    if (state === 'good') return;
    const level = state === 'notice' ? 'warn' : 'error';
    this.options.log[level]({ ends, daysLeft }, 'the certificate ends soon');
  }
}

/** Answers renewals of members that reach this node. */
export function serveRenewals(options: {
  node: OverlayNodeHandle;
  members: () => readonly Member[];
  renew: (member: Member) => EnrolAnswer;
  log: Logger;
}): Promise<StreamServer> {
  const { node, members, renew, log } = options;
  return node.listen({ port: MEMBERSHIP_PORT }, (stream) => {
    stream.on('error', () => {}).resume();
    const member = members().find(({ name }) => name === stream.remote.node);
    const answer: EnrolAnswer =
      member === undefined ? { granted: false, code: 'MEMBER_UNKNOWN' } : renew(member);
    log.info({ member: stream.remote.node, isGranted: answer.granted }, 'renewal asked for');
    const chain = answer.granted ? Buffer.from(answer.chain).toString('base64url') : undefined;
    const code = answer.granted ? undefined : answer.code;
    stream.end(JSON.stringify({ granted: answer.granted, chain, code }));
  });
}

/** Fails as `connect` does, and with DAEMON_PROTOCOL. */
export async function askIssuer(
  node: OverlayNodeHandle,
  issuer: string,
  closing: AbortSignal,
): Promise<EnrolAnswer> {
  const signal = AbortSignal.any([closing, AbortSignal.timeout(ANSWER_MS)]);
  const stream = await node.connect({ node: issuer, port: MEMBERSHIP_PORT }, { signal });
  const text = await readAll(stream, signal);
  try {
    const told = JSON.parse(text) as { granted?: unknown; chain?: unknown; code?: unknown };
    if (told.granted === true && typeof told.chain === 'string') {
      const chain = new Uint8Array(Buffer.from(told.chain, 'base64url'));
      return { granted: true, chain, manifest: new Uint8Array(0) };
    }
    return { granted: false, code: String(told.code) };
  } catch (cause) {
    throw new OverlayError('DAEMON_PROTOCOL', `${issuer} answered no certificate`, { cause });
  }
}

async function readAll(stream: OverlayStream, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  const tooLong = (): OverlayError => new OverlayError('DAEMON_PROTOCOL', 'the answer is too long');
  stream.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > ANSWER_BYTES_MAX) stream.destroy(tooLong());
    else chunks.push(chunk);
  });
  try {
    await once(stream, 'end', { signal });
  } catch (cause) {
    if (cause instanceof OverlayError) throw cause;
    throw new OverlayError('TIMED_OUT', 'the answer did not come', { isRetryable: true, cause });
  } finally {
    stream.on('error', () => {}).destroy();
  }
  return Buffer.concat(chunks).toString('utf8');
}

function healthAt(left: number): CertificateHealth['state'] {
  if (left <= 0) return 'expired';
  if (left <= DAY) return 'critical';
  if (left <= 7 * DAY) return 'warning';
  return left <= 30 * DAY ? 'notice' : 'good';
}
