/**
 * What stands before a handshake's first message, cheapest check first (the scheme of WireGuard,
 * Donenfeld 2017, section 5.3):
 *
 * 1. mac 1, keyed by the network id. Whoever does not know the network gets no answer at all.
 * 2. While messages come faster than the node cares to compute key agreements for, mac 2, keyed by
 *    a cookie that was sent to the address the message claims to come from. Without it the answer
 *    is a 52-byte cookie reply: no state, no key agreement, and an address that cannot receive gets
 *    nowhere. With it, a second and larger budget applies.
 *
 * The cookie is a MAC of the address under a secret that changes every two minutes; it travels
 * sealed with mac 1 as additional data, so it can be read only by who saw the message.
 */
import type { Crypto, Entropy, Instant, UnderlayAddress } from '../kernel/index.ts';
import { bytesEqual, concatBytes, TokenBucket, utf8Encode } from '../kernel/index.ts';
import type { CookieReply } from '../wire/index.ts';
import {
  encodeCookieReply,
  HANDSHAKE_MAC_1_AT,
  HANDSHAKE_MAC_2_AT,
  HANDSHAKE_MAC_BYTES,
} from '../wire/index.ts';

const SECRET_LIFE = 120_000_000;
const NO_COOKIE: Uint8Array = new Uint8Array(HANDSHAKE_MAC_BYTES);

export type GateDecision = 'pass' | 'forged' | 'demand-cookie' | 'overload';

export interface HandshakeGateOptions {
  readonly crypto: Crypto;
  readonly entropy: Entropy;
  readonly networkId: Uint8Array;
  /** First messages a second that are answered without a cookie; with one, four times as many. */
  readonly handshakesPerSecond: number;
}

export class HandshakeGate {
  private readonly crypto: Crypto;
  private readonly entropy: Entropy;
  private readonly macKey: Uint8Array;
  private readonly cookieKey: Uint8Array;
  private readonly budget: TokenBucket;
  private readonly provenBudget: TokenBucket;
  private secret: Uint8Array;
  private formerSecret: Uint8Array;
  private secretSince = 0;

  constructor(options: HandshakeGateOptions) {
    this.crypto = options.crypto;
    this.entropy = options.entropy;
    const { networkId, handshakesPerSecond: rate } = options;
    this.macKey = this.crypto.sha256(concatBytes(utf8Encode('overlane/mac-1'), networkId));
    this.cookieKey = this.crypto.sha256(concatBytes(utf8Encode('overlane/cookie'), networkId));
    this.budget = new TokenBucket({ perSecond: rate, burst: rate });
    this.provenBudget = new TokenBucket({ perSecond: 4 * rate, burst: 4 * rate });
    this.secret = this.entropy.bytes(32);
    this.formerSecret = this.secret;
  }

  /** Fills in both macs of our own first message and returns mac 1. */
  stamp(message: Uint8Array, cookie: Uint8Array | undefined): Uint8Array {
    const mac1 = this.mac(this.macKey, message.subarray(0, HANDSHAKE_MAC_1_AT));
    message.set(mac1, HANDSHAKE_MAC_1_AT);
    const covered = message.subarray(0, HANDSHAKE_MAC_2_AT);
    message.set(cookie === undefined ? NO_COOKIE : this.mac(cookie, covered), HANDSHAKE_MAC_2_AT);
    return mac1;
  }

  /** Judges a first message of full length. `isBusy`: tables are filling, ask for cookies. */
  check(
    message: Uint8Array,
    from: { remote: UnderlayAddress; isBusy: boolean },
    now: Instant,
  ): GateDecision {
    const expected = this.mac(this.macKey, message.subarray(0, HANDSHAKE_MAC_1_AT));
    const mac1 = message.subarray(HANDSHAKE_MAC_1_AT, HANDSHAKE_MAC_2_AT);
    if (!bytesEqual(expected, mac1)) return 'forged';
    if (this.hasCookie(message, from.remote, now))
      return this.provenBudget.take(now) ? 'pass' : 'overload';
    return !from.isBusy && this.budget.take(now) ? 'pass' : 'demand-cookie';
  }

  /** The answer to a message that is to come again with a cookie. */
  cookieReply(
    message: Uint8Array,
    from: { remote: UnderlayAddress; senderIndex: number },
    now: Instant,
  ): Uint8Array {
    this.turnSecret(now);
    const nonce = this.entropy.bytes(12);
    const mac1 = message.slice(HANDSHAKE_MAC_1_AT, HANDSHAKE_MAC_2_AT);
    const key = this.crypto.aeadKey('chacha20-poly1305', this.cookieKey);
    const sealed = key.seal(nonce, this.cookie(this.secret, from.remote), mac1);
    return encodeCookieReply({ receiverIndex: from.senderIndex, nonce, sealed });
  }

  /** The cookie inside a reply to the message that carried `mac1`; undefined when it is not one. */
  openCookie(reply: CookieReply, mac1: Uint8Array): Uint8Array | undefined {
    const key = this.crypto.aeadKey('chacha20-poly1305', this.cookieKey);
    return key.open(reply.nonce, reply.sealed, mac1);
  }

  private hasCookie(message: Uint8Array, remote: UnderlayAddress, now: Instant): boolean {
    const mac2 = message.subarray(HANDSHAKE_MAC_2_AT);
    if (bytesEqual(mac2, NO_COOKIE)) return false;
    this.turnSecret(now);
    const covered = message.subarray(0, HANDSHAKE_MAC_2_AT);
    for (const secret of [this.secret, this.formerSecret])
      if (bytesEqual(mac2, this.mac(this.cookie(secret, remote), covered))) return true;
    return false;
  }

  private turnSecret(now: Instant): void {
    if (now - this.secretSince < SECRET_LIFE) return;
    this.formerSecret = this.secret;
    this.secret = this.entropy.bytes(32);
    this.secretSince = now;
  }

  private cookie(secret: Uint8Array, remote: UnderlayAddress): Uint8Array {
    return this.mac(secret, utf8Encode(remote.key));
  }

  private mac(key: Uint8Array, bytes: Uint8Array): Uint8Array {
    return this.crypto.hmacSha256(key, bytes).slice(0, HANDSHAKE_MAC_BYTES);
  }
}
