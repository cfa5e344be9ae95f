/**
 * OpenSSL's ciphers through contexts that are kept, by way of the OpenSSL that Node is linked with
 * and exports.
 *
 * `createCipheriv` costs 4 to 5 us a packet because it makes a context for each. A kept context can be told nonce,
 * additional data, text and end in a call each and asked for the tag, five calls; or it takes a whole TLS record in
 * two: its parameters (`tlsaad`, `tlsivfixed`: provider-cipher(7), EVP_EncryptInit(3)), and EVP_Cipher. Packets have
 * the shape of such records for that reason (kernel/crypto.ts): 0.26 instead of 0.45 us for 100 bytes, 0.47 instead of
 * 0.66 for 1200. A call through the binding costs about 35 ns.
 *
 * With AES-GCM the record begins with the counter, which is the explicit part of the nonce; with ChaCha20-Poly1305
 * it begins with the text, and the counter comes out of the additional data.
 *
 * This file trusts its caller for addresses and lengths; `fast-crypto.ts` checks them.
 */
import {
  AEAD_COUNTER_BYTES,
  AEAD_TAG_BYTES,
  type AeadAlgorithm,
  assert,
  fail,
  ok,
  type Result,
  utf8Encode,
  writeU32,
} from '../../kernel/index.ts';
import { type Native, type NativeFunction, NativeMemory, POINTER } from './native.ts';

const SIGNATURES = {
  EVP_CIPHER_CTX_new: [POINTER, []],
  EVP_CIPHER_CTX_free: ['void', [POINTER]],
  EVP_aes_128_gcm: [POINTER, []],
  EVP_chacha20_poly1305: [POINTER, []],
  EVP_CipherInit_ex2: ['int', [POINTER, POINTER, POINTER, POINTER, 'int', POINTER]],
  EVP_CIPHER_CTX_set_params: ['int', [POINTER, POINTER]],
  EVP_Cipher: ['int', [POINTER, POINTER, POINTER, 'uint']],
  ERR_clear_error: ['void', []],
} as const;

type Calls = Readonly<Record<keyof typeof SIGNATURES, NativeFunction>>;

/** One packet to seal or open. Its addresses are of memory that the caller holds. */
export interface EvpPacket {
  algorithm: AeadAlgorithm;
  /** Address of the text, with the counter in front of it and room for the tag behind. */
  text: number;
  length: number;
  /** The counter, as this machine reads the eight bytes as two words. */
  counter0: number;
  counter1: number;
  head: number;
}

/** To be filled for one packet after the other. */
export const blankPacket = (): EvpPacket => ({
  algorithm: 'aes-128-gcm',
  text: 0,
  length: 0,
  counter0: 0,
  counter1: 0,
  head: 0,
});

// The scratch memory, in bytes. An OSSL_PARAM: 0 name  8 type  16 data  24 size  32 size returned.
const AAD = 0;
const NONCE = 16;
const KEY = 32;
const KEY_BYTES_MAX = 32;
const NONCE_NAME = 64;
const AAD_NAME = 80;
const PARAM_BYTES = 40;
/** `tlsivfixed`, `tlsaad`, and the end: a parameter without a name. */
const PARAMS = 96;
const SCRATCH_BYTES = PARAMS + 3 * PARAM_BYTES;
const OSSL_PARAM_OCTET_STRING = 5;
const TLS_AAD_BYTES = 13;
/** As a size: the nonce is told whole, not its fixed part. */
const WHOLE = -1;

export class Evp {
  readonly native: Native;
  private readonly calls: Calls;
  private readonly scratch: NativeMemory;
  private readonly params: number;

  /** The reason where this Node does not export what is needed. */
  static find(from: Native): Result<Evp> {
    const calls: Record<string, NativeFunction> = {};
    for (const [name, [result, args]] of Object.entries(SIGNATURES)) {
      const call = from.find(name, result, args);
      if (call === undefined) return fail(`this Node's OpenSSL does not export ${name}`);
      calls[name] = call;
    }
    return ok(new Evp(from, calls as Calls));
  }

  private constructor(from: Native, calls: Calls) {
    this.native = from;
    this.calls = calls;
    this.scratch = new NativeMemory(from, SCRATCH_BYTES);
    this.params = this.scratch.address + PARAMS;
    this.writeParam(PARAMS, { name: 'tlsivfixed', at: NONCE_NAME, data: NONCE, size: WHOLE });
    const aad = { name: 'tlsaad', at: AAD_NAME, data: AAD, size: TLS_AAD_BYTES };
    this.writeParam(PARAMS + PARAM_BYTES, aad);
  }

  /** Makes a context for one direction; 0 where OpenSSL refuses the algorithm. */
  context(algorithm: AeadAlgorithm, key: Uint8Array, direction: 'seal' | 'open'): number {
    assert(key.length <= KEY_BYTES_MAX, 'an AEAD key of the wrong length');
    const { calls, scratch } = this;
    const { address } = scratch;
    const cipher =
      algorithm === 'aes-128-gcm' ? calls.EVP_aes_128_gcm() : calls.EVP_chacha20_poly1305();
    const context = calls.EVP_CIPHER_CTX_new();
    if (context === 0) return 0;
    scratch.bytes.set(key, KEY);
    scratch.bytes.fill(0, NONCE, KEY);
    const isSealing = direction === 'seal' ? 1 : 0;
    const made = calls.EVP_CipherInit_ex2(
      context,
      cipher,
      address + KEY,
      address + NONCE,
      isSealing,
      0,
    );
    scratch.bytes.fill(0, KEY, KEY + KEY_BYTES_MAX);
    if (made === 1) return context;
    calls.ERR_clear_error();
    this.free(context);
    return 0;
  }

  /** Erases the context with its key. */
  free(context: number): void {
    this.calls.EVP_CIPHER_CTX_free(context);
  }

  /** Seals in place and writes the tag behind the text. */
  seal(context: number, packet: Readonly<EvpPacket>): boolean {
    return this.record(context, packet, 0);
  }

  /** Opens in place; false where the tag behind the text is wrong. */
  open(context: number, packet: Readonly<EvpPacket>): boolean {
    if (this.record(context, packet, AEAD_TAG_BYTES)) return true;
    this.calls.ERR_clear_error();
    return false;
  }

  /** `tagBytes`: of the tag where that is there already. OpenSSL takes it off the length that it is told. */
  private record(context: number, packet: Readonly<EvpPacket>, tagBytes: number): boolean {
    const { calls, scratch, params } = this;
    const { words } = scratch;
    const isGcm = packet.algorithm === 'aes-128-gcm';
    const front = isGcm ? AEAD_COUNTER_BYTES : 0;
    const size = front + packet.length;
    words[AAD / 4] = packet.counter0;
    words[AAD / 4 + 1] = packet.counter1;
    writeU32(scratch.bytes, AAD + 8, (packet.head << 8) | ((size + tagBytes) >> 8));
    scratch.bytes[AAD + 12] = size + tagBytes;
    if (isGcm) {
      words[NONCE / 4 + 1] = packet.counter0;
      words[NONCE / 4 + 2] = packet.counter1;
    }
    const isTold = calls.EVP_CIPHER_CTX_set_params(context, isGcm ? params : params + PARAM_BYTES);
    assert(isTold === 1, 'OpenSSL refused a packet that was asked for rightly');
    const at = packet.text - front;
    return calls.EVP_Cipher(context, at, at, size + AEAD_TAG_BYTES) >= 0;
  }

  private writeParam(
    to: number,
    param: { name: string; at: number; data: number; size: number },
  ): void {
    const { scratch } = this;
    scratch.bytes.set(utf8Encode(param.name), param.at);
    scratch.writeWord64(to, scratch.address + param.at);
    scratch.words[(to + 8) / 4] = OSSL_PARAM_OCTET_STRING;
    scratch.writeWord64(to + 16, scratch.address + param.data);
    scratch.words[(to + 24) / 4] = param.size;
    scratch.words[(to + 28) / 4] = param.size < 0 ? WHOLE : 0;
  }
}
