/**
 * The manifest: what the root states about the network as a whole. Nodes flood the newest one they
 * have; a greater version replaces a smaller one. It is deterministic CBOR (`cbor.ts`), signed with
 * Ed25519 by a root over `MANIFEST_CONTEXT || body`.
 *
 *   manifest   0x82 (array of 2) | bytes: body | bytes: 64-byte signature
 *
 *   body, map of 9 or 10, in this order:
 *     0 format (1)             1 network id, 16 bytes      2 name
 *     3 version, from 1        4 prefix, 12 bytes (fd..)   5 is it a lab: boolean
 *     6 root keys, 1 to 4      7 revoked serials, ascending
 *     8 policy: bytes that `routing/` gives a meaning
 *     9 maximal topology, maximal-topology.ts, as bytes; absent: none
 *
 * The network id is the first 16 bytes of SHA-256(first root key || name), and stays when roots are
 * rotated: `rootKeys[0]` may then be another key, so only whoever founded the network computes it.
 */
import { compareBytes, utf8Encode } from '../kernel/index.ts';
import { CborReader, CborWriter } from './cbor.ts';
import {
  decodeSignedObject,
  encodeSignedObject,
  isNodeName,
  NETWORK_ID_BYTES,
  NODE_NAME_BYTES_MAX,
  PUBLIC_KEY_BYTES,
  SERIAL_BYTES,
} from './certificate.ts';
import type { MaximalTopology } from './maximal-topology.ts';
import {
  decodeMaximalTopology,
  encodeMaximalTopology,
  TOPOLOGY_BYTES_MAX,
} from './maximal-topology.ts';

export const PREFIX_BYTES = 12;
/** More than one only while the network moves from an old root to a new one. */
export const ROOT_KEYS_MAX = 4;
export const REVOKED_MAX = 1_024;
export const POLICY_BYTES_MAX = 8_192;
/** Largest signed manifest: all lists full. */
export const MANIFEST_BYTES_MAX = 36_864;

export const MANIFEST_CONTEXT: Uint8Array = utf8Encode('overlane manifest 1\n');

const FORMAT = 1;
/** With a topology, one more. */
const FIELDS = 9;

export interface Manifest {
  readonly networkId: Uint8Array;
  readonly name: string;
  readonly version: number;
  /** The upper 96 bits of the network's IPv6 addresses, within fd00::/8 (RFC 4193). */
  readonly prefix: Uint8Array;
  /** Links of a lab may be impaired on purpose; those of any other network may not. */
  readonly isLab: boolean;
  readonly rootKeys: readonly Uint8Array[];
  /** Serials of certificates that no longer hold. */
  readonly revoked: readonly Uint8Array[];
  readonly policy: Uint8Array;
  /** Links that may exist. Absent: all. */
  readonly topology?: MaximalTopology | undefined;
}

/** The body of a manifest; the signature goes over `MANIFEST_CONTEXT` and this. */
export function encodeManifestBody(m: Manifest): Uint8Array {
  const { topology } = m;
  const out = new CborWriter().map(topology === undefined ? FIELDS : FIELDS + 1);
  out.unsigned(0).unsigned(FORMAT);
  out.unsigned(1).bytes(m.networkId);
  out.unsigned(2).text(m.name);
  out.unsigned(3).unsigned(m.version);
  out.unsigned(4).bytes(m.prefix);
  out.unsigned(5).boolean(m.isLab);
  out.unsigned(6).array(m.rootKeys.length);
  for (const key of m.rootKeys) out.bytes(key);
  const revoked = sortedSerials(m.revoked);
  out.unsigned(7).array(revoked.length);
  for (const serial of revoked) out.bytes(serial);
  out.unsigned(8).bytes(m.policy);
  if (topology !== undefined) out.unsigned(9).bytes(encodeMaximalTopology(topology));
  return out.finish();
}

/** Undefined unless the bytes are the one encoding of a manifest within all bounds. */
export function decodeManifestBody(body: Uint8Array): Manifest | undefined {
  const input = new CborReader(body);
  const fields = input.map(FIELDS + 1);
  if (fields < FIELDS) return undefined;
  input.key(0);
  if (input.unsigned() !== FORMAT) return undefined;
  input.key(1);
  const networkId = input.fixedBytes(NETWORK_ID_BYTES);
  input.key(2);
  const name = input.text(NODE_NAME_BYTES_MAX);
  input.key(3);
  const version = input.unsigned();
  input.key(4);
  const prefix = input.fixedBytes(PREFIX_BYTES);
  input.key(5);
  const isLab = input.boolean();
  input.key(6);
  const rootKeys: Uint8Array[] = [];
  const roots = input.array(ROOT_KEYS_MAX);
  for (let i = 0; i < roots && input.ok; i++) rootKeys.push(input.fixedBytes(PUBLIC_KEY_BYTES));
  input.key(7);
  const revoked = readSerials(input);
  input.key(8);
  const policy = input.bytes({ min: 0, max: POLICY_BYTES_MAX });
  const topology = fields > FIELDS ? readTopology(input) : undefined;
  if (!input.finish() || !isNodeName(name) || version < 1) return undefined;
  if (prefix[0] !== 0xfd || rootKeys.length === 0) return undefined;
  const common = { networkId, name, version, prefix, isLab, rootKeys, revoked, policy };
  return topology === undefined ? common : { ...common, topology };
}

export interface SignedManifest {
  readonly manifest: Manifest;
  /** As signed. */
  readonly body: Uint8Array;
  readonly signature: Uint8Array;
}

export const encodeManifest = (body: Uint8Array, signature: Uint8Array): Uint8Array =>
  encodeSignedObject({ body, signature });

/** Form only: whether a root signed it is `security/trust.ts`. */
export function decodeManifest(bytes: Uint8Array): SignedManifest | undefined {
  if (bytes.length > MANIFEST_BYTES_MAX) return undefined;
  const signed = decodeSignedObject(bytes, MANIFEST_BYTES_MAX);
  if (signed === undefined) return undefined;
  const manifest = decodeManifestBody(signed.body);
  return manifest === undefined ? undefined : { manifest, ...signed };
}

function readTopology(input: CborReader): MaximalTopology | undefined {
  input.key(9);
  const topology = decodeMaximalTopology(input.bytes({ min: 1, max: TOPOLOGY_BYTES_MAX }));
  if (topology === undefined) input.reject();
  return topology;
}

function readSerials(input: CborReader): Uint8Array[] {
  const serials: Uint8Array[] = [];
  const count = input.array(REVOKED_MAX);
  for (let i = 0; i < count && input.ok; i++) {
    const serial = input.fixedBytes(SERIAL_BYTES);
    if (i > 0 && compareBytes(serials[i - 1]!, serial) >= 0) input.reject();
    serials.push(serial);
  }
  return serials;
}

function sortedSerials(serials: readonly Uint8Array[]): Uint8Array[] {
  const sorted = [...serials].sort(compareBytes);
  return sorted.filter((serial, i) => i === 0 || compareBytes(sorted[i - 1]!, serial) !== 0);
}
