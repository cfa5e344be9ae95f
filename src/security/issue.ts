/**
 * Making what `trust.ts` verifies: identities, networks, certificates, manifests, revocations.
 * Subjects may come from a peer that wants to join, so an unfit one is a value with a reason.
 * Nothing here is kept: seeds and results are the caller's to store.
 */
import type { Crypto, Duration, Entropy, NodeAddress, Result, WallTime } from '../kernel/index.ts';
import {
  assert,
  bytesEqual,
  concatBytes,
  fail,
  nodeAddressFromHash,
  ok,
  seconds,
  utf8Encode,
} from '../kernel/index.ts';
import type { Certificate, Manifest, MaximalTopology } from '../wire/index.ts';
import {
  CERTIFICATE_CONTEXT,
  CHAIN_BYTES_MAX,
  decodeCertificate,
  decodeChain,
  encodeCertificate,
  encodeChain,
  encodeManifest,
  encodeManifestBody,
  encodeSignedObject,
  isLabelKey,
  isNodeName,
  MANIFEST_CONTEXT,
  NETWORK_ID_BYTES,
  PREFIX_BYTES,
  REVOKED_MAX,
  ROLE_ISSUER,
  SERIAL_BYTES,
} from '../wire/index.ts';
import { keyId } from './key-id.ts';

const SEED_BYTES = 32;

/**
 * How far a certificate's beginning lies before its issue. Clocks differ between sites, and a fresh
 * member must not be refused by a neighbour whose clock is behind.
 */
export const BACKDATING: Duration = seconds(3_600);
export const CERTIFICATE_LIFETIME_DEFAULT: Duration = seconds(90 * 86_400);

export interface Identity {
  /** Ed25519 seed, 32 bytes. Secret. */
  readonly signingSeed: Uint8Array;
  /** X25519 private key, 32 bytes. Secret. */
  readonly agreementKey: Uint8Array;
  readonly identityPublicKey: Uint8Array;
  readonly agreementPublicKey: Uint8Array;
  readonly address: NodeAddress;
}

export function createIdentity(options: { crypto: Crypto; entropy: Entropy }): Identity {
  const signingSeed = options.entropy.bytes(SEED_BYTES);
  const agreementKey = options.entropy.bytes(SEED_BYTES);
  return restoreIdentity({ crypto: options.crypto, signingSeed, agreementKey });
}

/** The public half of an identity, from the two secrets that its state directory holds. */
export function restoreIdentity(options: {
  crypto: Crypto;
  signingSeed: Uint8Array;
  agreementKey: Uint8Array;
}): Identity {
  const { crypto, signingSeed, agreementKey } = options;
  const identityPublicKey = crypto.signer(signingSeed).publicKey;
  return {
    signingSeed,
    agreementKey,
    identityPublicKey,
    agreementPublicKey: crypto.keyAgreement(agreementKey).publicKey,
    address: addressOfKey(crypto, identityPublicKey),
  };
}

/** The address that a node with this identity key has, in every network. */
export const addressOfKey = (crypto: Crypto, identityKey: Uint8Array): NodeAddress =>
  nodeAddressFromHash(crypto.sha256(identityKey));

export interface NewNetwork {
  /** Ed25519 seed of the root. Whoever has it decides who is a member. */
  readonly rootSeed: Uint8Array;
  readonly rootKey: Uint8Array;
  readonly networkId: Uint8Array;
  /** Signed, version 1. */
  readonly manifest: Uint8Array;
}

/**
 * `name`: as `isNodeName` has it; the caller has told its user when it is not. `rootSeed`: that of a
 * founding which was interrupted; absent, a new one.
 */
export function createNetwork(options: {
  crypto: Crypto;
  entropy: Entropy;
  name: string;
  isLab: boolean;
  rootSeed?: Uint8Array | undefined;
}): NewNetwork {
  const { crypto, entropy, name, isLab } = options;
  assert(isNodeName(name), 'a network name is letters, digits and hyphens');
  const rootSeed = options.rootSeed ?? entropy.bytes(SEED_BYTES);
  const rootKey = crypto.signer(rootSeed).publicKey;
  const digest = crypto.sha256(concatBytes(rootKey, utf8Encode(name)));
  const networkId = digest.slice(0, NETWORK_ID_BYTES);
  // Locally assigned unique local addresses (RFC 4193): fd, then bits that nobody else has.
  const prefix = concatBytes(Uint8Array.of(0xfd), digest.slice(0, PREFIX_BYTES - 1));
  const manifest = issueManifest({
    crypto,
    rootSeed,
    manifest: {
      networkId,
      name,
      version: 1,
      prefix,
      isLab,
      rootKeys: [rootKey],
      revoked: [],
      policy: new Uint8Array(0),
    },
  });
  return { rootSeed, rootKey, networkId, manifest };
}

/** Signs a manifest as it is. Its version must exceed that of the one in use. */
export function issueManifest(options: {
  crypto: Crypto;
  rootSeed: Uint8Array;
  manifest: Manifest;
}): Uint8Array {
  const body = encodeManifestBody(options.manifest);
  const signer = options.crypto.signer(options.rootSeed);
  return encodeManifest(body, signer.sign(concatBytes(MANIFEST_CONTEXT, body)));
}

/** The next manifest, with these certificates revoked besides those that already are. */
export function revoke(options: {
  crypto: Crypto;
  rootSeed: Uint8Array;
  manifest: Manifest;
  serials: readonly Uint8Array[];
}): Result<Uint8Array, 'too-many-revocations'> {
  const { manifest } = options;
  const added = options.serials.filter(
    (serial, i, all) =>
      !manifest.revoked.some((known) => bytesEqual(known, serial)) &&
      all.findIndex((other) => bytesEqual(other, serial)) === i,
  );
  const revoked = [...manifest.revoked, ...added];
  if (revoked.length > REVOKED_MAX) return fail('too-many-revocations');
  return ok(
    issueManifest({
      ...options,
      manifest: { ...manifest, version: manifest.version + 1, revoked },
    }),
  );
}

/** The next manifest, with this policy in the place of the one it had. */
export function replacePolicy(options: {
  crypto: Crypto;
  rootSeed: Uint8Array;
  manifest: Manifest;
  policy: Uint8Array;
}): Uint8Array {
  const { manifest, policy } = options;
  return issueManifest({
    ...options,
    manifest: { ...manifest, version: manifest.version + 1, policy },
  });
}

/** The next manifest, with these links permitted in the place of those before; undefined: all links. */
export function replaceTopology(options: {
  crypto: Crypto;
  rootSeed: Uint8Array;
  manifest: Manifest;
  topology: MaximalTopology | undefined;
}): Uint8Array {
  const { manifest, topology } = options;
  return issueManifest({
    ...options,
    manifest: { ...manifest, version: manifest.version + 1, topology },
  });
}

/** Who signs: the root, or a member with the role `issuer` and its own chain. */
export interface Issuer {
  readonly signingSeed: Uint8Array;
  /** The issuer's own chain; absent when `signingSeed` is a root's. */
  readonly chain?: Uint8Array;
}

export interface Subject {
  readonly name: string;
  readonly identityKey: Uint8Array;
  readonly agreementKey: Uint8Array;
  readonly roles?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

export type IssueRefusal =
  | 'bad-name'
  | 'bad-labels'
  | 'bad-subject'
  | 'issuer-not-allowed'
  | 'chain-too-long';

export interface CertificateOrder {
  readonly crypto: Crypto;
  readonly entropy: Entropy;
  readonly networkId: Uint8Array;
  readonly issuer: Issuer;
  readonly subject: Subject;
  /** Now; the certificate begins `BACKDATING` earlier. */
  readonly wall: WallTime;
  readonly lifetime?: Duration;
}

/** An encoded chain: the subject's new certificate and, where a member issued it, the issuer's. */
export function issueCertificate(order: CertificateOrder): Result<Uint8Array, IssueRefusal> {
  const { crypto, subject, issuer } = order;
  if (!isNodeName(subject.name)) return fail('bad-name');
  if (!Object.keys(subject.labels ?? {}).every(isLabelKey)) return fail('bad-labels');
  const issuerLinks = ownLinks(issuer);
  if (issuerLinks === undefined) return fail('issuer-not-allowed');
  if (issuerLinks.length > 0 && subject.roles?.includes(ROLE_ISSUER)) {
    return fail('issuer-not-allowed');
  }
  const signer = crypto.signer(issuer.signingSeed);
  const body = encodeCertificate(certificateFor(order, signer.publicKey));
  // What was encoded must be what a decoder accepts: all bounds are checked there, once.
  if (decodeCertificate(body) === undefined) return fail('bad-subject');
  const signature = signer.sign(concatBytes(CERTIFICATE_CONTEXT, body));
  const chain = encodeChain([encodeSignedObject({ body, signature }), ...issuerLinks]);
  return chain.length > CHAIN_BYTES_MAX ? fail('chain-too-long') : ok(chain);
}

export interface NewMember {
  readonly address: NodeAddress;
  readonly identity: {
    readonly signingSeed: Uint8Array;
    readonly agreementKey: Uint8Array;
    readonly chain: Uint8Array;
  };
}

/** A new identity and the root's certificate for it, for whoever holds the root's seed: labs, simulations. */
export function createMember(
  order: Omit<CertificateOrder, 'networkId' | 'issuer' | 'subject'> & {
    readonly network: Pick<NewNetwork, 'rootSeed' | 'networkId'>;
    readonly name: string;
  },
): Result<NewMember, IssueRefusal> {
  const { network, name } = order;
  const { address, signingSeed, agreementKey, ...keys } = createIdentity(order);
  const chain = issueCertificate({
    ...order,
    networkId: network.networkId,
    issuer: { signingSeed: network.rootSeed },
    subject: {
      name,
      identityKey: keys.identityPublicKey,
      agreementKey: keys.agreementPublicKey,
    },
  });
  return chain.ok
    ? ok({ address, identity: { signingSeed, agreementKey, chain: chain.value } })
    : chain;
}

function certificateFor(order: CertificateOrder, issuerKey: Uint8Array): Certificate {
  const { crypto, entropy, subject, wall } = order;
  const lifetime = order.lifetime ?? CERTIFICATE_LIFETIME_DEFAULT;
  return {
    serial: entropy.bytes(SERIAL_BYTES),
    networkId: order.networkId,
    name: subject.name,
    identityKey: subject.identityKey,
    agreementKey: subject.agreementKey,
    address: addressOfKey(crypto, subject.identityKey),
    roles: subject.roles ?? [],
    labels: subject.labels ?? {},
    notBefore: Math.max(0, wall - BACKDATING) as WallTime,
    notAfter: (wall + lifetime) as WallTime,
    issuer: keyId(crypto, issuerKey),
  };
}

/** What goes behind the new certificate: nothing for a root, the issuer's own for a member. */
function ownLinks(issuer: Issuer): readonly Uint8Array[] | undefined {
  if (issuer.chain === undefined) return [];
  const links = decodeChain(issuer.chain);
  const own = links?.length === 1 ? decodeCertificate(links[0]!.body) : undefined;
  if (!own?.roles.includes(ROLE_ISSUER)) return undefined;
  return [encodeSignedObject(links![0]!)];
}

const ENROLMENT_CONTEXT = utf8Encode('overlane enrolment 1\n');

/**
 * Shows that whoever ran this handshake also holds the identity key it asks a certificate for.
 * Without it, a newcomer could be certified with another node's identity key, hence its address.
 */
export function proveIdentity(options: {
  crypto: Crypto;
  signingSeed: Uint8Array;
  handshakeHash: Uint8Array;
}): Uint8Array {
  const signer = options.crypto.signer(options.signingSeed);
  return signer.sign(concatBytes(ENROLMENT_CONTEXT, options.handshakeHash));
}

export const isIdentityProven = (options: {
  crypto: Crypto;
  identityKey: Uint8Array;
  handshakeHash: Uint8Array;
  proof: Uint8Array;
}): boolean =>
  options.crypto.verify(
    options.identityKey,
    concatBytes(ENROLMENT_CONTEXT, options.handshakeHash),
    options.proof,
  );
