/**
 * OpenSSL's ciphers through contexts that are kept, by way of the OpenSSL that Node is linked with
 * and exports. Only what its manual documents (EVP_EncryptInit(3)) is called.
 *
 * `createCipheriv` costs 4 to 5 us a packet because it makes a context for each; a kept one is told
 * the next nonce in 0.1 us. Sealing is five calls: nonce, additional data, text, end, tag; opening
 * four, because the tag goes in with the nonce. A call through the binding costs about 35 ns.
 *
 * Opening works in place and so has changed the text before the tag is known to be wrong. Then the
 * same key stream is laid over it once more, which gives back what came: forgeries pay for it.
 *
 * This file trusts its caller for addresses and lengths; `evp-aead.ts` checks them.
 */
import {
  AEAD_TAG_BYTES,
  type AeadAlgorithm,
  assert,
  fail,
  ok,
  type Result,
} from '../../kernel/index.ts';
import { type Native, type NativeFunction, NativeMemory, POINTER } from './native.ts';

const FIVE: readonly string[] = [POINTER, POINTER, POINTER, POINTER, POINTER];
const UPDATE: readonly string[] = [POINTER, POINTER, POINTER, POINTER, 'int'];
const THREE: readonly string[] = [POINTER, POINTER, POINTER];

const SIGNATURES = {
  EVP_CIPHER_CTX_new: [POINTER, []],
  EVP_CIPHER_CTX_free: ['void', [POINTER]],
  EVP_aes_128_gcm: [POINTER, []],
  EVP_chacha20_poly1305: [POINTER, []],
  EVP_EncryptInit_ex2: ['int', FIVE],
  EVP_EncryptUpdate: ['int', UPDATE],
  EVP_EncryptFinal_ex: ['int', THREE],
  EVP_DecryptInit_ex2: ['int', FIVE],
  EVP_DecryptUpdate: ['int', UPDATE],
  EVP_DecryptFinal_ex: ['int', THREE],
  EVP_CIPHER_CTX_get_params: ['int', [POINTER, POINTER]],
  ERR_clear_error: ['void', []],
} as const;

type Calls = Readonly<Record<keyof typeof SIGNATURES, NativeFunction>>;

/** What one sealing or opening covers: addresses of memory that the caller holds. */
export interface EvpPacket {
  nonce: number;
  aad: number;
  aadLength: number;
  text: number;
  length: number;
}

// The scratch memory, in bytes: a length that OpenSSL writes, a place for the text that the end of a
// stream cipher does not have, a key while a context is made, and `OSSL_PARAM tag[2]`:
//    0 name   8 type   16 data   24 size   32 size returned   40 name of the end (none)
const OUT_LENGTH = 0;
const OUT_FINAL = 16;
const KEY = 48;
const TAG_NAME = 80;
const TAG = 96;
const TAG_DATA_WORD = (TAG + 16) / 4;
const SCRATCH_BYTES = TAG + 80;
const OSSL_PARAM_OCTET_STRING = 5;

export class Evp {
  readonly native: Native;
  private readonly calls: Calls;
  private readonly scratch: NativeMemory;
  private readonly outLength: number;
  private readonly outFinal: number;
  private readonly tag: number;

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
    const { scratch } = this;
    this.outLength = scratch.address + OUT_LENGTH;
    this.outFinal = scratch.address + OUT_FINAL;
    this.tag = scratch.address + TAG;
    scratch.bytes.set([0x74, 0x61, 0x67, 0], TAG_NAME);
    scratch.writeWord64(TAG, scratch.address + TAG_NAME);
    scratch.words[(TAG + 8) / 4] = OSSL_PARAM_OCTET_STRING;
    scratch.writeWord64(TAG + 24, AEAD_TAG_BYTES);
  }

  /** Makes a context for one direction; 0 where OpenSSL refuses the algorithm. */
  context(algorithm: AeadAlgorithm, key: Uint8Array, direction: 'seal' | 'open'): number {
    assert(key.length <= TAG_NAME - KEY, 'an AEAD key of the wrong length');
    const { calls, scratch } = this;
    const cipher =
      algorithm === 'aes-128-gcm' ? calls.EVP_aes_128_gcm() : calls.EVP_chacha20_poly1305();
    const context = calls.EVP_CIPHER_CTX_new();
    if (context === 0) return 0;
    const init = direction === 'seal' ? calls.EVP_EncryptInit_ex2 : calls.EVP_DecryptInit_ex2;
    scratch.bytes.set(key, KEY);
    const made = init(context, cipher, scratch.address + KEY, 0, 0);
    scratch.bytes.fill(0, KEY, TAG_NAME);
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
  seal(context: number, packet: EvpPacket): boolean {
    const { calls, outLength } = this;
    const { text, length } = packet;
    this.pointTag(text + length);
    return (
      calls.EVP_EncryptInit_ex2(context, 0, 0, packet.nonce, 0) === 1 &&
      (packet.aadLength === 0 ||
        calls.EVP_EncryptUpdate(context, 0, outLength, packet.aad, packet.aadLength) === 1) &&
      (length === 0 || calls.EVP_EncryptUpdate(context, text, outLength, text, length) === 1) &&
      calls.EVP_EncryptFinal_ex(context, this.outFinal, outLength) === 1 &&
      calls.EVP_CIPHER_CTX_get_params(context, this.tag) === 1
    );
  }

  /** Opens in place; false where the tag behind the text is wrong, and the text is as it was. */
  open(context: number, packet: EvpPacket): boolean {
    const { calls, outLength } = this;
    const { text, length } = packet;
    this.pointTag(text + length);
    const isRead =
      calls.EVP_DecryptInit_ex2(context, 0, 0, packet.nonce, this.tag) === 1 &&
      (packet.aadLength === 0 ||
        calls.EVP_DecryptUpdate(context, 0, outLength, packet.aad, packet.aadLength) === 1) &&
      (length === 0 || calls.EVP_DecryptUpdate(context, text, outLength, text, length) === 1);
    assert(isRead, 'OpenSSL refused a packet that was asked for rightly');
    if (calls.EVP_DecryptFinal_ex(context, this.outFinal, outLength) === 1) return true;
    calls.ERR_clear_error();
    if (length > 0) {
      const isBack =
        calls.EVP_DecryptInit_ex2(context, 0, 0, packet.nonce, 0) === 1 &&
        calls.EVP_DecryptUpdate(context, text, outLength, text, length) === 1;
      assert(isBack, 'OpenSSL refused to give a text back');
    }
    return false;
  }

  /** Says where the tag is read from or written to. */
  private pointTag(address: number): void {
    const { words } = this.scratch;
    words[TAG_DATA_WORD] = address >>> 0;
    words[TAG_DATA_WORD + 1] = Math.floor(address / 0x1_0000_0000);
  }
}
