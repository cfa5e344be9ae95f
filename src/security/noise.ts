/**
 * Noise handshakes (revision 34): two ends agree on keys and learn who the other is. Patterns XX,
 * where neither knows the other's static key beforehand, for links; and IK, where the initiator
 * knows the responder's from its certificate, for end-to-end sessions. Always
 * Noise_{XX,IK}_25519_ChaChaPoly_SHA256.
 *
 *   XX:  -> e                          IK:  <- s (beforehand)
 *        <- e, ee, s, es                    -> e, es, s, ss
 *        -> s, se                           <- e, ee, se
 *
 * A message is its keys, sealed where a key is already agreed, then its payload, likewise. Whoever
 * reads a payload must know what protects it at that point: the payload of XX message 1 is neither
 * secret nor authentic, that of IK message 1 can be replayed, and no payload proves the peer's
 * static key before a message that mixes it has been read (section 7.7 of the Noise specification).
 *
 * Datagrams can be forged, so a message that fails changes nothing: the handshake goes on waiting
 * for the right one. This core keeps no time; retries, cookies and limits belong to its owner. It
 * does not check certificates: `remoteStatic` is a key that the peer holds, and no more than that.
 */
import type {
  AeadAlgorithm,
  AeadKey,
  Crypto,
  Entropy,
  KeyAgreement,
  Result,
} from '../kernel/index.ts';
import { AEAD_TAG_BYTES, aeadKeyBytes, assert, concatBytes, fail, ok } from '../kernel/index.ts';
import { SymmetricState } from './symmetric-state.ts';

export type NoisePattern = 'XX' | 'IK';
export type NoiseRole = 'initiator' | 'responder';

/**
 * `out-of-turn`: it is not this end's turn to read, or all messages are through. `truncated`: too
 * short for its keys. `bad-tag`: not sealed with the keys agreed. `low-order-key`: the peer's key
 * makes every shared secret zero (RFC 7748, section 6.1).
 */
export type NoiseRefusal = 'out-of-turn' | 'truncated' | 'bad-tag' | 'low-order-key';

export const NOISE_KEY_BYTES = 32;

type Token = 'e' | 's' | 'ee' | 'es' | 'se' | 'ss';

const MESSAGES: Readonly<Record<NoisePattern, readonly (readonly Token[])[]>> = {
  XX: [['e'], ['e', 'ee', 's', 'es'], ['s', 'se']],
  IK: [
    ['e', 'es', 's', 'ss'],
    ['e', 'ee', 'se'],
  ],
};

export interface NoiseOptions {
  readonly pattern: NoisePattern;
  readonly role: NoiseRole;
  /** Both ends must use the same, or the first sealed message fails. */
  readonly prologue: Uint8Array;
  readonly localStatic: KeyAgreement;
  /** The responder's key, as the initiator of IK knows it. Required there, not allowed elsewhere. */
  readonly remoteStatic?: Uint8Array;
  /** Private key; for known-answer tests only. Drawn from `entropy` otherwise. */
  readonly ephemeralPrivate?: Uint8Array;
  readonly crypto: Crypto;
  readonly entropy: Entropy;
}

/** One direction each; both ends call the keys by what they do with them. */
export interface TransportKeys {
  readonly send: AeadKey;
  readonly receive: AeadKey;
}

export class NoiseHandshake {
  private readonly crypto: Crypto;
  private readonly entropy: Entropy;
  private readonly messages: readonly (readonly Token[])[];
  private readonly isInitiator: boolean;
  private readonly localStatic: KeyAgreement;
  private readonly localEphemeral: KeyAgreement;
  private symmetric: SymmetricState;
  private remoteEphemeral: Uint8Array | undefined;
  private remoteStaticKey: Uint8Array | undefined;
  /** Messages through so far, in both directions. */
  private step = 0;
  /** The peer's key allowed no shared secret while writing: this handshake can never complete. */
  private isDead = false;

  constructor(options: NoiseOptions) {
    this.crypto = options.crypto;
    this.entropy = options.entropy;
    this.messages = MESSAGES[options.pattern];
    this.isInitiator = options.role === 'initiator';
    this.localStatic = options.localStatic;
    this.localEphemeral = options.crypto.keyAgreement(
      options.ephemeralPrivate ?? options.entropy.bytes(NOISE_KEY_BYTES),
    );
    const isRemoteKnown = options.remoteStatic !== undefined;
    assert(
      isRemoteKnown === (options.pattern === 'IK' && this.isInitiator),
      'the initiator of IK, and nobody else, starts with the remote static key',
    );
    this.remoteStaticKey = options.remoteStatic?.slice();
    const name = `Noise_${options.pattern}_25519_ChaChaPoly_SHA256`;
    this.symmetric = new SymmetricState(options.crypto, name);
    this.symmetric.mixHash(options.prologue);
    if (options.pattern === 'IK') {
      this.symmetric.mixHash(this.remoteStaticKey ?? this.localStatic.publicKey);
    }
  }

  /** All messages are through and `split` may be called. */
  get isComplete(): boolean {
    return !this.isDead && this.step === this.messages.length;
  }

  /** Whether the next thing this end does is to write a message. */
  get isTurnToWrite(): boolean {
    return this.step < this.messages.length && (this.step % 2 === 0) === this.isInitiator;
  }

  /** The peer's X25519 key, once a message has carried it. */
  get remoteStatic(): Uint8Array | undefined {
    return this.remoteStaticKey;
  }

  /** Names this handshake uniquely; equal at both ends when complete. 32 bytes. */
  get handshakeHash(): Uint8Array {
    return this.symmetric.h;
  }

  /**
   * The next message. Where the peer's key is of low order no secret can be shared: the message is
   * then sealed under a key that nobody knows, and `isComplete` stays false.
   */
  writeMessage(payload: Uint8Array): Uint8Array {
    assert(this.isTurnToWrite, 'writing a handshake message out of turn');
    const parts: Uint8Array[] = [];
    for (const token of this.messages[this.step]!) {
      if (token === 'e') {
        this.symmetric.mixHash(this.localEphemeral.publicKey);
        parts.push(this.localEphemeral.publicKey);
      } else if (token === 's') {
        parts.push(this.symmetric.encryptAndHash(this.localStatic.publicKey));
      } else {
        const shared = this.agree(token);
        if (shared === undefined) this.isDead = true;
        this.symmetric.mixKey(shared ?? this.entropy.bytes(NOISE_KEY_BYTES));
      }
    }
    parts.push(this.symmetric.encryptAndHash(payload));
    this.step++;
    return concatBytes(...parts);
  }

  /** The payload of the peer's next message. State: unchanged unless the result is ok. */
  readMessage(message: Uint8Array): Result<Uint8Array, NoiseRefusal> {
    if (this.isDead || this.isTurnToWrite || this.isComplete) return fail('out-of-turn');
    const before = this.symmetric.copy();
    const { remoteEphemeral, remoteStaticKey } = this;
    const outcome = this.readTokens(message);
    if (outcome.ok) {
      this.step++;
      return outcome;
    }
    this.symmetric = before;
    this.remoteEphemeral = remoteEphemeral;
    this.remoteStaticKey = remoteStaticKey;
    return outcome;
  }

  /**
   * Keys for sealing packets with `algorithm`; AES-128-GCM takes the first 16 of the 32 bytes. The
   * two ends must have agreed on the algorithm inside the handshake's payloads.
   */
  split(algorithm: AeadAlgorithm): TransportKeys {
    assert(this.isComplete, 'splitting an unfinished handshake');
    const [first, second] = this.symmetric.split();
    const bytes = aeadKeyBytes(algorithm);
    const forward = this.crypto.aeadKey(algorithm, first.slice(0, bytes));
    const backward = this.crypto.aeadKey(algorithm, second.slice(0, bytes));
    return this.isInitiator
      ? { send: forward, receive: backward }
      : { send: backward, receive: forward };
  }

  private readTokens(message: Uint8Array): Result<Uint8Array, NoiseRefusal> {
    let at = 0;
    for (const token of this.messages[this.step]!) {
      if (token === 'e') {
        if (message.length - at < NOISE_KEY_BYTES) return fail('truncated');
        this.remoteEphemeral = message.slice(at, at + NOISE_KEY_BYTES);
        at += NOISE_KEY_BYTES;
        this.symmetric.mixHash(this.remoteEphemeral);
      } else if (token === 's') {
        const bytes = NOISE_KEY_BYTES + (this.symmetric.hasKey ? AEAD_TAG_BYTES : 0);
        if (message.length - at < bytes) return fail('truncated');
        const key = this.symmetric.decryptAndHash(message.slice(at, at + bytes));
        if (key === undefined) return fail('bad-tag');
        this.remoteStaticKey = key;
        at += bytes;
      } else {
        const shared = this.agree(token);
        if (shared === undefined) return fail('low-order-key');
        this.symmetric.mixKey(shared);
      }
    }
    if (this.symmetric.hasKey && message.length - at < AEAD_TAG_BYTES) return fail('truncated');
    const payload = this.symmetric.decryptAndHash(message.slice(at));
    return payload === undefined ? fail('bad-tag') : ok(payload);
  }

  /** The first letter names the initiator's key, the second the responder's. */
  private agree(token: 'ee' | 'es' | 'se' | 'ss'): Uint8Array | undefined {
    const [own, peers] = this.isInitiator ? [token[0], token[1]] : [token[1], token[0]];
    const local = own === 'e' ? this.localEphemeral : this.localStatic;
    const remote = peers === 'e' ? this.remoteEphemeral : this.remoteStaticKey;
    assert(remote !== undefined, 'a handshake token before its key');
    return local.agree(remote);
  }
}
