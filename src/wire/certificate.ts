/**
 * A member's certificate: what a root, or an issuer that a root certified, states about a node. It
 * is deterministic CBOR (`cbor.ts`), signed with Ed25519 over `CERTIFICATE_CONTEXT || body`, the
 * context keeping a signature from meaning anything as another kind of object.
 *
 *   signed object   0x82 (array of 2) | bytes: body | bytes: 64-byte signature
 *   chain           array of 1 or 2 signed objects' byte strings: leaf, then its issuer's
 *
 *   body, map of 11, in this order:
 *     0 version (1)            1 network id, 16 bytes      2 serial, 16 bytes
 *     3 name                   4 identity key (Ed25519)    5 agreement key (X25519)
 *     6 address (u32)          7 roles, ascending          8 labels, text to text
 *     9 not before, not after: seconds since 1970         10 issuer: key id, 8 bytes
 *
 * Everything has one encoding; the decoder accepts no other. It checks form only: signatures, times
 * and who may issue are `security/trust.ts`.
 */
import type { NodeAddress, WallTime } from '../kernel/index.ts';
import { compareBytes, isNodeAddress, utf8Encode } from '../kernel/index.ts';
import { CborReader, CborWriter } from './cbor.ts';

export const NETWORK_ID_BYTES = 16;
export const SERIAL_BYTES = 16;
export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;
/** First bytes of the SHA-256 of an issuer's identity key: names it without carrying it. */
export const KEY_ID_BYTES = 8;
/** The longest chain: it has to fit a handshake message beside everything else there. */
export const CHAIN_BYTES_MAX = 800;
export const NODE_NAME_BYTES_MAX = 32;
export const ROLES_MAX = 4;
export const ROLE_BYTES_MAX = 16;
export const LABELS_MAX = 8;
export const LABEL_KEY_BYTES_MAX = 24;
export const LABEL_VALUE_BYTES_MAX = 40;
/** The role that lets a member certify others. */
export const ROLE_ISSUER = 'issuer';

export const CERTIFICATE_CONTEXT: Uint8Array = utf8Encode('overlane certificate 1\n');

const BODY_VERSION = 1;
const BODY_FIELDS = 11;
const MICROSECONDS = 1_000_000;
const NAME = /^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$/;

export interface Certificate {
  /** Names this certificate in the manifest's list of revocations. 16 bytes. */
  readonly serial: Uint8Array;
  readonly networkId: Uint8Array;
  readonly name: string;
  /** Ed25519, 32 bytes. */
  readonly identityKey: Uint8Array;
  /** X25519, 32 bytes. */
  readonly agreementKey: Uint8Array;
  readonly address: NodeAddress;
  readonly roles: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** Whole seconds on the wire; both rounded down. */
  readonly notBefore: WallTime;
  readonly notAfter: WallTime;
  /** Key id of the signing key, 8 bytes. */
  readonly issuer: Uint8Array;
}

/** An object's body as it was signed, and the signature over it. */
export interface SignedObject {
  readonly body: Uint8Array;
  readonly signature: Uint8Array;
}

/** Letters, digits and inner hyphens, up to 32: fit for a host name and a command line. */
export const isNodeName = (name: string): boolean =>
  name.length <= NODE_NAME_BYTES_MAX && NAME.test(name);

/** A lower-case word with digits, dots, underscores and hyphens, up to 24 bytes. */
export const isLabelKey = (key: string): boolean =>
  key.length <= LABEL_KEY_BYTES_MAX && LABEL_KEY.test(key);

/** The body of a certificate; the signature goes over `CERTIFICATE_CONTEXT` and this. */
export function encodeCertificate(c: Certificate): Uint8Array {
  const out = new CborWriter().map(BODY_FIELDS);
  out.unsigned(0).unsigned(BODY_VERSION);
  out.unsigned(1).bytes(c.networkId);
  out.unsigned(2).bytes(c.serial);
  out.unsigned(3).text(c.name);
  out.unsigned(4).bytes(c.identityKey);
  out.unsigned(5).bytes(c.agreementKey);
  out.unsigned(6).unsigned(c.address);
  const roles = [...new Set(c.roles)].sort(compareRoles);
  out.unsigned(7).array(roles.length);
  for (const role of roles) out.text(role);
  out.unsigned(8).textMap(c.labels);
  out.unsigned(9).array(2);
  out.unsigned(Math.floor(c.notBefore / MICROSECONDS));
  out.unsigned(Math.floor(c.notAfter / MICROSECONDS));
  return out.unsigned(10).bytes(c.issuer).finish();
}

/** Undefined unless the bytes are the one encoding of a certificate within all bounds. */
export function decodeCertificate(body: Uint8Array): Certificate | undefined {
  const input = new CborReader(body);
  if (input.map(BODY_FIELDS) !== BODY_FIELDS) return undefined;
  input.key(0);
  if (input.unsigned() !== BODY_VERSION) return undefined;
  input.key(1);
  const networkId = input.fixedBytes(NETWORK_ID_BYTES);
  input.key(2);
  const serial = input.fixedBytes(SERIAL_BYTES);
  input.key(3);
  const name = input.text(NODE_NAME_BYTES_MAX);
  input.key(4);
  const identityKey = input.fixedBytes(PUBLIC_KEY_BYTES);
  input.key(5);
  const agreementKey = input.fixedBytes(PUBLIC_KEY_BYTES);
  input.key(6);
  const address = input.unsigned();
  input.key(7);
  const roles = readRoles(input);
  input.key(8);
  const labels = input.textMap(LABEL_BOUNDS);
  input.key(9);
  if (input.array(2) !== 2) return undefined;
  const notBefore = readSeconds(input);
  const notAfter = readSeconds(input);
  input.key(10);
  const issuer = input.fixedBytes(KEY_ID_BYTES);
  if (!input.finish() || !isNodeName(name) || !isNodeAddress(address)) return undefined;
  if (!Object.keys(labels).every(isLabelKey)) return undefined;
  return {
    serial,
    networkId,
    name,
    identityKey,
    agreementKey,
    address,
    roles,
    labels,
    notBefore,
    notAfter,
    issuer,
  };
}

export function encodeSignedObject(object: SignedObject): Uint8Array {
  return new CborWriter().array(2).bytes(object.body).bytes(object.signature).finish();
}

export function decodeSignedObject(
  bytes: Uint8Array,
  bodyBytesMax: number,
): SignedObject | undefined {
  const input = new CborReader(bytes);
  if (input.array(2) !== 2) return undefined;
  const body = input.bytes({ min: 1, max: bodyBytesMax });
  const signature = input.fixedBytes(SIGNATURE_BYTES);
  return input.finish() ? { body, signature } : undefined;
}

/** `links`: encoded signed objects; the leaf first, then its issuer's where that is not a root. */
export function encodeChain(links: readonly Uint8Array[]): Uint8Array {
  const out = new CborWriter().array(links.length);
  for (const link of links) out.bytes(link);
  return out.finish();
}

/** One or two signed objects, or undefined. */
export function decodeChain(bytes: Uint8Array): readonly SignedObject[] | undefined {
  if (bytes.length > CHAIN_BYTES_MAX) return undefined;
  const input = new CborReader(bytes);
  const count = input.array(2);
  const links: SignedObject[] = [];
  for (let i = 0; i < count; i++) {
    const link = decodeSignedObject(input.bytes({ min: 1, max: CHAIN_BYTES_MAX }), CHAIN_BYTES_MAX);
    if (link === undefined) return undefined;
    links.push(link);
  }
  return input.finish() && count > 0 ? links : undefined;
}

/** Label keys are lower-case words, so that none of them is an integer or empty. */
const LABEL_KEY = /^[a-z][a-z0-9._-]*$/;

const LABEL_BOUNDS = {
  countMax: LABELS_MAX,
  keyBytesMax: LABEL_KEY_BYTES_MAX,
  valueBytesMax: LABEL_VALUE_BYTES_MAX,
} as const;

function readRoles(input: CborReader): string[] {
  const roles: string[] = [];
  const count = input.array(ROLES_MAX);
  for (let i = 0; i < count && input.ok; i++) {
    const role = input.text(ROLE_BYTES_MAX);
    const isInOrder = i === 0 || compareRoles(roles[i - 1]!, role) < 0;
    if (!isInOrder || role === '') input.reject();
    roles.push(role);
  }
  return roles;
}

/** Seconds whose microseconds stay an exact number. */
const SECONDS_MAX = Math.floor(Number.MAX_SAFE_INTEGER / MICROSECONDS);

const readSeconds = (input: CborReader): WallTime =>
  (input.unsigned(SECONDS_MAX) * MICROSECONDS) as WallTime;

const compareRoles = (a: string, b: string): number => compareBytes(utf8Encode(a), utf8Encode(b));
