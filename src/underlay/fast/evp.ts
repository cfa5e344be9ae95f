/**
 * OpenSSL's ciphers through contexts that are kept, by way of the OpenSSL that Node is linked with
 * and exports.
 *
 * `createCipheriv` costs 4 to 5 us a packet because it makes a context for each. A kept context can be told nonce,
 * additional data, text and end in a call each and asked for the tag, five calls; or it takes a whole TLS record in
 * two: its parameters (`tlsaad`, `tlsivfixed`: provider-cipher(7), EVP_EncryptInit(3)), and EVP_Cipher. Packets have
 * the shape of such records for that reason (kernel/crypto.ts). Where the machine allows it one call through the binding
 * makes the two for all packets of a list (packet-loop.ts).
 *
 * With AES-GCM the record begins with the counter, which is the explicit part of the nonce; with ChaCha20-Poly1305
 * it begins with the text, and the counter comes out of the additional data.
 */
import {
  type AeadAlgorithm,
  assert,
  fail,
  ok,
  type Result,
  utf8Encode,
} from '../../kernel/index.ts';
import { findAll, type Native, type NativeFunction, NativeMemory, POINTER } from './native.ts';
import { type PacketList, RECORD_BYTES, RECORD_NONCE } from './packet-list.ts';
import { type PacketLoop, packetLoop } from './packet-loop.ts';

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

// The scratch memory, in bytes: the record of one packet (packet-list.ts), a key, and parameters of OpenSSL.
// An OSSL_PARAM: 0 name  8 type  16 data  24 size  32 size returned.
const AAD = 0;
const NONCE: number = RECORD_NONCE;
const KEY: number = RECORD_BYTES;
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
  private readonly record: Int32Array;
  private readonly params: number;
  private readonly loop: PacketLoop | undefined;
  /** In words: how often OpenSSL is called through the binding. */
  readonly calling: string;

  /** The reason where this Node does not export what is needed. `hasLoop`: false makes do without machine code. */
  static find(from: Native, hasLoop = true): Result<Evp> {
    const calls = findAll(from, SIGNATURES);
    if (!calls.ok) return fail(`this Node's OpenSSL does not export ${calls.reason}`);
    const loop = hasLoop
      ? packetLoop(from, ['EVP_CIPHER_CTX_set_params', 'EVP_Cipher'])
      : fail('not wanted');
    return ok(new Evp(from, calls.value, loop));
  }

  private constructor(from: Native, calls: Calls, loop: Result<PacketLoop>) {
    this.native = from;
    this.calls = calls;
    this.loop = loop.ok ? loop.value : undefined;
    this.calling = loop.ok ? 'a batch is one call' : `each packet is two calls: ${loop.reason}`;
    this.scratch = new NativeMemory(from, SCRATCH_BYTES);
    this.record = new Int32Array(this.scratch.bytes.buffer, 0, RECORD_BYTES / 4);
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

  /** Parameters that tell a context its record. */
  parameters(algorithm: AeadAlgorithm): number {
    return algorithm === 'aes-128-gcm' ? this.params : this.params + PARAM_BYTES;
  }

  /** Seals or opens packets [from, from + count) in place, each with its tag behind the text. */
  run(list: PacketList, from: number, count: number): void {
    if (count === 0) return;
    if (this.loop !== undefined) this.loop(list.addressOf(from), count, this.scratch.address);
    else for (let i = from; i < from + count; i++) this.one(list, i);
    // What OpenSSL remembers of packets that do not open is of no use to anybody.
    if (list.hasFailed(from, count)) this.calls.ERR_clear_error();
  }

  private one(list: PacketList, i: number): void {
    const { calls } = this;
    list.copyRecord(i, this.record);
    const context = list.context(i);
    const isTold = calls.EVP_CIPHER_CTX_set_params(context, list.parameters(i)) === 1;
    const text = list.text(i);
    list.setResult(i, isTold ? calls.EVP_Cipher(context, text, text, list.bytes(i)) : -1);
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
