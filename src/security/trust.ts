/**
 * Who is a member. The root signs the manifest; the root, or an issuer that the root certified,
 * signs certificates. This store holds the newest manifest it has seen and answers whether a chain
 * of certificates leads to one of its roots now.
 *
 *   root key ──signs──> manifest (roots, revocations)
 *       └─────signs──> issuer's certificate ──issuer signs──> member's certificate
 *
 * Verifying a signature costs about 120 us, so chains that verified are remembered. Only those: a
 * stranger can make up bad chains without end, but not one good one. Times and revocations change
 * while a chain is remembered, and are checked at every call.
 *
 * It does not enforce that names are unique, and keeps no clock: the caller says what time it is.
 */
import type { Crypto, NodeAddress, Result, WallTime } from '../kernel/index.ts';
import {
  bytesEqual,
  compareBytes,
  concatBytes,
  fail,
  nodeAddressFromHash,
  OverlayError,
  ok,
  toHex,
} from '../kernel/index.ts';
import type { Certificate, Manifest, SignedManifest, SignedObject } from '../wire/index.ts';
import {
  CERTIFICATE_CONTEXT,
  decodeCertificate,
  decodeChain,
  decodeManifest,
  MANIFEST_CONTEXT,
  ROLE_ISSUER,
} from '../wire/index.ts';
import { identityMark, keyId } from './key-id.ts';
import { PermittedLinks } from './permitted-links.ts';

/** Why a chain makes nobody a member. */
export type TrustRefusal =
  | 'malformed'
  | 'bad-signature'
  | 'not-yet-valid'
  | 'expired'
  | 'revoked'
  | 'foreign-network'
  | 'unknown-issuer'
  | 'issuer-not-allowed'
  | 'bad-address';

export type ManifestRefusal = 'malformed' | 'bad-signature' | 'foreign-network';

export interface Member {
  readonly address: NodeAddress;
  readonly name: string;
  /** Ed25519, 32 bytes. */
  readonly identityKey: Uint8Array;
  /** X25519, 32 bytes. */
  readonly agreementKey: Uint8Array;
  readonly roles: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** The time in which every certificate of the chain is valid. */
  readonly notBefore: WallTime;
  readonly notAfter: WallTime;
  /** Of the member's own certificate. */
  readonly serial: Uint8Array;
  readonly chain: Uint8Array;
}

/** Members remembered as verified; the oldest gives way. */
export const VERIFIED_CHAINS_MAX = 512;

interface Verified {
  readonly member: Member;
  /** What a manifest may revoke of it: serial and identity mark of each certificate of the chain. */
  readonly serials: readonly string[];
}

export interface TrustOptions {
  readonly crypto: Crypto;
  /** Keys one of which must have signed `manifest`. Later ones are trusted through the manifest. */
  readonly rootKeys: readonly Uint8Array[];
  readonly manifest: Uint8Array;
  readonly verifiedChainsMax?: number;
}

export class TrustStore {
  private readonly crypto: Crypto;
  private readonly verifiedChainsMax: number;
  private readonly verified = new Map<string, Verified>();
  private current: SignedManifest;
  private currentBytes: Uint8Array;
  private revoked: ReadonlySet<string>;
  /** Key id in hexadecimal to root key. */
  private roots: ReadonlyMap<string, Uint8Array>;
  private links: PermittedLinks;
  /** Chains that had to give way to others. */
  evictions = 0;

  /** Throws `OverlayError` MANIFEST_INVALID: the manifest is this node's own, from its state. */
  constructor(options: TrustOptions) {
    this.crypto = options.crypto;
    this.verifiedChainsMax = options.verifiedChainsMax ?? VERIFIED_CHAINS_MAX;
    const signed = decodeManifest(options.manifest);
    if (signed === undefined) throw manifestInvalid('malformed');
    if (!this.isSignedBy(options.rootKeys, signed)) throw manifestInvalid('bad-signature');
    this.current = signed;
    this.currentBytes = options.manifest.slice();
    this.revoked = serialSet(signed.manifest);
    this.roots = this.rootMap(signed.manifest);
    this.links = new PermittedLinks(signed.manifest.topology);
  }

  /** Which links the present manifest lets exist. */
  get permittedLinks(): PermittedLinks {
    return this.links;
  }

  get manifest(): Manifest {
    return this.current.manifest;
  }

  get manifestBytes(): Uint8Array {
    return this.currentBytes;
  }

  get networkId(): Uint8Array {
    return this.current.manifest.networkId;
  }

  isRevoked(serial: Uint8Array): boolean {
    return this.revoked.has(toHex(serial));
  }

  /** Whether every certificate of this key is revoked, those issued later included. */
  isIdentityRevoked(identityKey: Uint8Array): boolean {
    return this.isRevoked(identityMark(this.crypto, identityKey));
  }

  /** Whether `bytes`, as received from a peer, make their owner a member at `wall`, and which. */
  verifyChain(bytes: Uint8Array, wall: WallTime): Result<Member, TrustRefusal> {
    const key = rawKey(this.crypto.sha256(bytes));
    let found = this.verified.get(key);
    if (found === undefined) {
      const outcome = this.verify(bytes);
      if (!outcome.ok) return outcome;
      found = outcome.value;
      this.remember(key, found);
    }
    const { member, serials } = found;
    for (const serial of serials) if (this.revoked.has(serial)) return fail('revoked');
    if (wall < member.notBefore) return fail('not-yet-valid');
    if (wall >= member.notAfter) return fail('expired');
    return ok(member);
  }

  /**
   * Takes a manifest over if it is newer and a present root signed it. Where a root signed two of one
   * version, every node keeps the one whose body is greater, so that all end up with the same.
   * State: unchanged unless the value is `newer`; then every member has to be verified again.
   */
  adoptManifest(bytes: Uint8Array): Result<'newer' | 'same-or-older', ManifestRefusal> {
    if (bytesEqual(bytes, this.currentBytes)) return ok('same-or-older');
    const signed = decodeManifest(bytes);
    if (signed === undefined) return fail('malformed');
    const { manifest } = signed;
    if (!bytesEqual(manifest.networkId, this.networkId)) return fail('foreign-network');
    if (!this.isSignedBy([...this.roots.values()], signed)) return fail('bad-signature');
    const order =
      manifest.version - this.manifest.version || compareBytes(signed.body, this.current.body);
    if (order <= 0) return ok('same-or-older');
    this.current = signed;
    this.currentBytes = bytes.slice();
    this.revoked = serialSet(manifest);
    this.roots = this.rootMap(manifest);
    this.links = new PermittedLinks(manifest.topology);
    this.verified.clear();
    return ok('newer');
  }

  private verify(bytes: Uint8Array): Result<Verified, TrustRefusal> {
    const links = decodeChain(bytes);
    if (links === undefined) return fail('malformed');
    const leafLink = links[0]!;
    const leaf = decodeCertificate(leafLink.body);
    if (leaf === undefined) return fail('malformed');
    if (!bytesEqual(leaf.networkId, this.networkId)) return fail('foreign-network');
    if (leaf.address !== nodeAddressFromHash(this.crypto.sha256(leaf.identityKey))) {
      return fail('bad-address');
    }
    const issuerLink = links[1];
    if (issuerLink === undefined) {
      const refusal = this.checkRootSigned(leaf, leafLink);
      return refusal === undefined ? ok(this.asVerified(bytes, [leaf])) : fail(refusal);
    }
    const issuer = decodeCertificate(issuerLink.body);
    if (issuer === undefined) return fail('malformed');
    const refusal = this.checkIssued({ leaf, leafLink, issuer, issuerLink });
    return refusal === undefined ? ok(this.asVerified(bytes, [leaf, issuer])) : fail(refusal);
  }

  private asVerified(bytes: Uint8Array, certificates: readonly Certificate[]): Verified {
    const leaf = certificates[0]!;
    const member: Member = {
      address: leaf.address,
      name: leaf.name,
      identityKey: leaf.identityKey,
      agreementKey: leaf.agreementKey,
      roles: leaf.roles,
      labels: leaf.labels,
      notBefore: Math.max(...certificates.map((c) => c.notBefore)) as WallTime,
      notAfter: Math.min(...certificates.map((c) => c.notAfter)) as WallTime,
      serial: leaf.serial,
      chain: bytes.slice(),
    };
    const serials = certificates.flatMap((c) => [
      toHex(c.serial),
      toHex(identityMark(this.crypto, c.identityKey)),
    ]);
    return { member, serials };
  }

  private checkRootSigned(certificate: Certificate, link: SignedObject): TrustRefusal | undefined {
    const root = this.roots.get(toHex(certificate.issuer));
    if (root === undefined) return 'unknown-issuer';
    return this.isSigned(root, link) ? undefined : 'bad-signature';
  }

  private checkIssued(chain: {
    leaf: Certificate;
    leafLink: SignedObject;
    issuer: Certificate;
    issuerLink: SignedObject;
  }): TrustRefusal | undefined {
    const { leaf, leafLink, issuer, issuerLink } = chain;
    if (!bytesEqual(issuer.networkId, this.networkId)) return 'foreign-network';
    if (!bytesEqual(leaf.issuer, keyId(this.crypto, issuer.identityKey))) return 'unknown-issuer';
    if (!issuer.roles.includes(ROLE_ISSUER)) return 'issuer-not-allowed';
    // Only a root makes issuers; otherwise one issuer's key would be worth as much as the root's.
    if (leaf.roles.includes(ROLE_ISSUER)) return 'issuer-not-allowed';
    const refusal = this.checkRootSigned(issuer, issuerLink);
    if (refusal !== undefined) return refusal;
    return this.isSigned(issuer.identityKey, leafLink) ? undefined : 'bad-signature';
  }

  private isSigned(key: Uint8Array, link: SignedObject): boolean {
    return this.crypto.verify(key, concatBytes(CERTIFICATE_CONTEXT, link.body), link.signature);
  }

  private isSignedBy(keys: readonly Uint8Array[], signed: SignedManifest): boolean {
    const message = concatBytes(MANIFEST_CONTEXT, signed.body);
    return keys.some((key) => this.crypto.verify(key, message, signed.signature));
  }

  private remember(key: string, verified: Verified): void {
    if (this.verified.size >= this.verifiedChainsMax) {
      this.verified.delete(this.verified.keys().next().value!);
      this.evictions++;
    }
    this.verified.set(key, verified);
  }

  private rootMap(manifest: Manifest): Map<string, Uint8Array> {
    return new Map(manifest.rootKeys.map((key) => [toHex(keyId(this.crypto, key)), key]));
  }
}

const serialSet = (manifest: Manifest): Set<string> => new Set(manifest.revoked.map(toHex));

/** A map key; one character a byte, since hexadecimal would double it for nothing. */
const rawKey = (hash: Uint8Array): string => String.fromCharCode(...hash);

const manifestInvalid = (reason: ManifestRefusal): OverlayError =>
  new OverlayError('MANIFEST_INVALID', `the network's manifest is not acceptable: ${reason}`, {
    details: { reason },
  });
