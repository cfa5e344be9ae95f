/**
 * An invite token: all that a newcomer needs to find and recognise a network, in one word that fits
 * a chat message. Whoever holds it may join once before it expires, so it is as secret as a password.
 *
 *   ovl1_<base64url of: deterministic CBOR || CRC-32 of it, 4 bytes big-endian>
 *
 *   map of 7, in this order:
 *     0 network id, 16 bytes        1 root key (Ed25519)     2 inviter's agreement key (X25519)
 *     3 inviter's name              4 underlay addresses     5 secret, 16 bytes
 *     6 expiry, seconds since 1970
 *
 * The checksum tells a token that was cut or mistyped from one that the inviter does not know. It
 * is no protection: the handshake is, which succeeds only with the inviter whose key is in here.
 */
import type { Result, WallTime } from '../kernel/index.ts';
import {
  ByteWriter,
  crc32,
  fail,
  fromBase64url,
  ok,
  readU32,
  toBase64url,
} from '../kernel/index.ts';
import { CborReader, CborWriter } from './cbor.ts';
import {
  isNodeName,
  NETWORK_ID_BYTES,
  NODE_NAME_BYTES_MAX,
  PUBLIC_KEY_BYTES,
} from './certificate.ts';

export const INVITE_TOKEN_PREFIX = 'ovl1_';
export const INVITE_SECRET_BYTES = 16;
export const INVITE_ADDRESSES_MAX = 8;
/** Room for a DNS name of full length with its port. */
export const INVITE_ADDRESS_BYTES_MAX = 260;

const FIELDS = 7;
const CHECKSUM_BYTES = 4;
const TOKEN_CHARACTERS_MAX = 4_096;
const MICROSECONDS = 1_000_000;
const SECONDS_MAX = Math.floor(Number.MAX_SAFE_INTEGER / MICROSECONDS);

export interface InviteToken {
  readonly networkId: Uint8Array;
  readonly rootKey: Uint8Array;
  readonly inviterKey: Uint8Array;
  readonly inviterName: string;
  /** `host:port` or `[ipv6]:port`, in the order to try; a host may be a DNS name. */
  readonly addresses: readonly string[];
  readonly secret: Uint8Array;
  /** Whole seconds in the token; rounded down. */
  readonly expiry: WallTime;
}

/**
 * `not-a-token`: no `ovl` prefix. `unsupported-version`: a later kind. `mistyped`: characters are
 * wrong, missing or too many. `malformed`: intact, but not something this version would print.
 */
export type InviteTokenFault = 'not-a-token' | 'unsupported-version' | 'mistyped' | 'malformed';

export function formatInviteToken(token: InviteToken): string {
  const body = new CborWriter().map(FIELDS);
  body.unsigned(0).bytes(token.networkId);
  body.unsigned(1).bytes(token.rootKey);
  body.unsigned(2).bytes(token.inviterKey);
  body.unsigned(3).text(token.inviterName);
  body.unsigned(4).array(token.addresses.length);
  for (const address of token.addresses) body.text(address);
  body.unsigned(5).bytes(token.secret);
  body.unsigned(6).unsigned(Math.floor(token.expiry / MICROSECONDS));
  const bytes = body.finish();
  const checked = new ByteWriter().raw(bytes).u32(crc32(bytes)).finish();
  return INVITE_TOKEN_PREFIX + toBase64url(checked);
}

/** White space anywhere is ignored: tokens are pasted from mails and terminals that break lines. */
export function parseInviteToken(text: string): Result<InviteToken, InviteTokenFault> {
  if (text.length > TOKEN_CHARACTERS_MAX) return fail('not-a-token');
  const word = text.replace(/\s+/g, '');
  if (!word.startsWith(INVITE_TOKEN_PREFIX)) {
    return fail(/^ovl[0-9]+_/.test(word) ? 'unsupported-version' : 'not-a-token');
  }
  const checked = fromBase64url(word.slice(INVITE_TOKEN_PREFIX.length));
  if (checked === undefined || checked.length <= CHECKSUM_BYTES) return fail('mistyped');
  const end = checked.length - CHECKSUM_BYTES;
  const body = checked.subarray(0, end);
  if (crc32(body) !== readU32(checked, end)) return fail('mistyped');
  const token = decodeBody(body);
  return token === undefined ? fail('malformed') : ok(token);
}

function decodeBody(body: Uint8Array): InviteToken | undefined {
  const input = new CborReader(body);
  if (input.map(FIELDS) !== FIELDS) return undefined;
  input.key(0);
  const networkId = input.fixedBytes(NETWORK_ID_BYTES);
  input.key(1);
  const rootKey = input.fixedBytes(PUBLIC_KEY_BYTES);
  input.key(2);
  const inviterKey = input.fixedBytes(PUBLIC_KEY_BYTES);
  input.key(3);
  const inviterName = input.text(NODE_NAME_BYTES_MAX);
  input.key(4);
  const addresses: string[] = [];
  const count = input.array(INVITE_ADDRESSES_MAX);
  for (let i = 0; i < count && input.ok; i++) addresses.push(input.text(INVITE_ADDRESS_BYTES_MAX));
  input.key(5);
  const secret = input.fixedBytes(INVITE_SECRET_BYTES);
  input.key(6);
  const expiry = (input.unsigned(SECONDS_MAX) * MICROSECONDS) as WallTime;
  if (!input.finish() || !isNodeName(inviterName)) return undefined;
  if (addresses.length === 0 || !addresses.every(isAddress)) return undefined;
  return { networkId, rootKey, inviterKey, inviterName, addresses, secret, expiry };
}

/** The shape only; whether it is reachable is for whoever dials it. */
function isAddress(text: string): boolean {
  const match = /^(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\]):([1-9][0-9]{0,4})$/.exec(text);
  return match !== null && Number(match[1]) <= 0xffff;
}
