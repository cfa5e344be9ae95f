/**
 * The issuing side of membership: invites, and the decision about every request for a certificate.
 * A node issues when it holds the network's root key, or a certificate with the role `issuer`.
 *
 * A newcomer is asked for a token and gets what the token says. A member that renews is known by its
 * certificate: it gets the same name, roles and labels again, and never more.
 */
import type { NetworkLink } from '../host/index.ts';
import type { Crypto, Duration, Entropy, Result, WallTime } from '../kernel/index.ts';
import {
  bytesEqual,
  fail,
  OverlayError,
  ok,
  toHex,
  utf8Encode,
  wallTime,
} from '../kernel/index.ts';
import type { EnrolAnswer } from '../node/index.ts';
import {
  CERTIFICATE_LIFETIME_DEFAULT,
  type Issuer,
  identityMark,
  issueCertificate,
  type Member,
  PermittedLinks,
  replacePolicy,
  replaceTopology,
  revoke,
  type Subject,
  TrustStore,
} from '../security/index.ts';
import type { MaximalTopology, Policy } from '../wire/index.ts';
import {
  decodePolicy,
  encodeMaximalTopology,
  encodePolicy,
  formatInviteToken,
  INVITE_ADDRESSES_MAX,
  INVITE_SECRET_BYTES,
  isNodeName,
  ROLE_ISSUER,
} from '../wire/index.ts';
import type {
  InviteOptions,
  InviteReport,
  InviteStatus,
  NetworkPolicy,
  PolicySetReport,
  RevokeReport,
  TopologySetReport,
  TopologyText,
} from './control-api.ts';
import { InviteBook } from './invites.ts';
import { policyText, unmatchedTerms } from './policy-text.ts';
import { isoTime, NAME_OF_INVITE } from './provision.ts';
import type { IdentityKeys, StateDirectory } from './state-directory.ts';
import { topologyText } from './topology-text.ts';

/** What the issuing side asks of the daemon it is part of. */
export interface IssuingHost {
  members(): readonly Member[];
  /** The own certificate chain and manifest as they are now. */
  chain(): Uint8Array;
  manifest(): Uint8Array;
  /** Takes a newer manifest into use, and keeps it. */
  adoptManifest(manifest: Uint8Array): void;
  /** Where newcomers reach this node, best first. */
  addresses(): readonly string[];
  wall(): WallTime;
}

export interface EnrolRequest {
  readonly tokenSecret: Uint8Array;
  readonly name: string;
  readonly identityKey: Uint8Array;
  readonly agreementKey: Uint8Array;
}

const HOUR = 3_600e6;
const TOKEN_LIFE_DEFAULT = 24 * HOUR;

export class Issuing {
  private readonly host: IssuingHost;
  private readonly crypto: Crypto;
  private readonly entropy: Entropy;
  private readonly identity: IdentityKeys;
  private readonly rootKeys: readonly Uint8Array[];
  private readonly rootSeed: Uint8Array | undefined;
  private readonly book: InviteBook;

  constructor(options: {
    host: IssuingHost;
    state: StateDirectory;
    identity: IdentityKeys;
    rootKeys: readonly Uint8Array[];
    crypto: Crypto;
    entropy: Entropy;
  }) {
    this.host = options.host;
    this.crypto = options.crypto;
    this.entropy = options.entropy;
    this.identity = options.identity;
    this.rootKeys = options.rootKeys;
    this.rootSeed = options.state.rootSeed();
    this.book = new InviteBook(options.state);
  }

  /** Whether this node may issue at all. */
  get isIssuer(): boolean {
    return this.rootSeed !== undefined || this.self().roles.includes(ROLE_ISSUER);
  }

  get hasRoot(): boolean {
    return this.rootSeed !== undefined;
  }

  /** Fails with NOT_AN_ISSUER, BAD_NAME, NAME_TAKEN, TOO_MANY_INVITES, NO_ADDRESS. */
  invite(options: InviteOptions): InviteReport {
    this.assertIssuer();
    const { name } = options;
    if (name !== undefined) this.assertFree(name);
    const roles = options.roles ?? [];
    const labels = options.labels ?? {};
    this.assertSubject(name ?? 'any', roles, labels);
    const addresses = this.host.addresses().slice(0, INVITE_ADDRESSES_MAX);
    if (addresses.length === 0)
      throw new OverlayError(
        'NO_ADDRESS',
        'no address of this host is fit for an invite: set `advertise` to where others reach it',
      );
    const wall = this.host.wall();
    const expires = wallTime(wall + (options.expiresMs ?? TOKEN_LIFE_DEFAULT / 1e3) * 1e3);
    const validity =
      options.validityMs === undefined ? CERTIFICATE_LIFETIME_DEFAULT : options.validityMs * 1e3;
    const secret = this.entropy.bytes(INVITE_SECRET_BYTES);
    const trust = this.trust();
    const token = formatInviteToken({
      networkId: trust.networkId,
      rootKey: trust.manifest.rootKeys[0]!,
      inviterKey: this.self().agreementKey,
      inviterName: this.self().name,
      addresses,
      secret,
      expiry: expires,
    });
    this.book.add(secret, { name, roles, labels, expires, validity }, wall);
    return { token, name, expires: isoTime(expires), addresses };
  }

  invites(): InviteStatus[] {
    return this.book.list().map(({ id, name, expires, usedBy }) => ({
      id: id.slice(0, 12),
      name,
      expires: isoTime(expires),
      usedBy: usedBy?.name,
    }));
  }

  /** Fails with NOT_AN_ISSUER where the root key is not, UNKNOWN_DESTINATION, LIMIT_REACHED. */
  revoke(name: string): RevokeReport {
    const rootSeed = this.needRoot('revoke');
    const members = this.host.members().filter((member) => member.name === name);
    const serials = members.map((member) => member.serial);
    if (serials.length === 0)
      throw new OverlayError('UNKNOWN_DESTINATION', `no member ${name} is known here`, {
        isRetryable: true,
      });
    const { manifest } = this.trust();
    // The identity too: a member may hold older certificates that have not run out.
    const marks = members.map(({ identityKey }) => identityMark(this.crypto, identityKey));
    const entries = [...serials, ...marks];
    const next = revoke({ crypto: this.crypto, rootSeed, manifest, serials: entries });
    if (!next.ok)
      throw new OverlayError('LIMIT_REACHED', 'the manifest holds as many revocations as it can');
    this.host.adoptManifest(next.value);
    return { name, serials: serials.map(toHex), manifestVersion: manifest.version + 1 };
  }

  /** Puts a policy into the manifest. Fails with NOT_AN_ISSUER where the root key is not. */
  setPolicy(policy: Policy): PolicySetReport {
    const rootSeed = this.needRoot('set the policy');
    const { manifest } = this.trust();
    const bytes = encodePolicy(policy);
    const { crypto } = this;
    this.host.adoptManifest(replacePolicy({ crypto, rootSeed, manifest, policy: bytes }));
    return {
      manifestVersion: manifest.version + 1,
      cliques: policy.cliques.length,
      rules: policy.rules.length,
      bytes: bytes.length,
      unmatched: unmatchedTerms(policy, this.host.members()),
    };
  }

  /** Puts a topology into the manifest, or takes it out. Fails with NOT_AN_ISSUER. */
  setTopology(links: MaximalTopology, present: readonly NetworkLink[]): TopologySetReport {
    const rootSeed = this.needRoot('set the topology');
    const { crypto } = this;
    const { manifest } = this.trust();
    const topology = links.length === 0 ? undefined : links;
    this.host.adoptManifest(replaceTopology({ crypto, rootSeed, manifest, topology }));
    const permitted = new PermittedLinks(topology);
    const known = this.host.members().map(({ name }) => name);
    return {
      manifestVersion: manifest.version + 1,
      links: links.length,
      bytes: topology === undefined ? 0 : encodeMaximalTopology(topology).length,
      unmatched: [...new Set(links.flatMap(({ ends }) => ends))].filter((n) => !known.includes(n)),
      closed: present
        .filter(({ between: [a, b] }) => permitted.latencyMin(a, b) === undefined)
        .map(({ between }) => between.join('-')),
    };
  }

  topology(): TopologyText & { manifestVersion: number } {
    const { manifest } = this.trust();
    return { manifestVersion: manifest.version, ...topologyText(manifest.topology ?? []) };
  }

  policy(): NetworkPolicy {
    const { manifest } = this.trust();
    const policy = decodePolicy(manifest.policy);
    return { manifestVersion: manifest.version, policy: policyText(policy) };
  }

  /** State: a token is marked as used, durably, before its certificate exists. */
  decide(request: EnrolRequest): EnrolAnswer {
    if (!this.isIssuer) return refused('NOT_AN_ISSUER');
    const terms = this.tokenTerms(request);
    if (!terms.ok) return refused(terms.reason);
    return this.issue(terms.value.subject, terms.value.validity);
  }

  /** The next certificate of a member that is known by the one it has. */
  renew(member: Member): EnrolAnswer {
    if (!this.isIssuer) return refused('NOT_AN_ISSUER');
    return this.issue(this.sameAgain(member), lifetimeOf(member));
  }

  private tokenTerms(request: EnrolRequest): Result<Terms> {
    const { tokenSecret: secret } = request;
    const wall = this.host.wall();
    const asked = this.book.nameFor(secret, request.name === NAME_OF_INVITE ? '' : request.name);
    if (asked === undefined) return fail('TOKEN_UNKNOWN');
    if (asked === '') return fail('NAME_NEEDED');
    if (!isNodeName(asked)) return fail('BAD_NAME');
    const by = { secret, name: asked, identityKey: request.identityKey };
    const checked = this.book.check(by, wall);
    if (!checked.ok) return fail(codeOf(checked.reason));
    if (this.trust().isIdentityRevoked(request.identityKey)) return fail('IDENTITY_REVOKED');
    // A name that is taken costs no token: the newcomer may try another.
    if (!this.isFreeFor(asked, request.identityKey)) return fail('NAME_TAKEN');
    const redeemed = this.book.redeem(by, wall);
    if (!redeemed.ok) return fail(codeOf(redeemed.reason));
    const { roles, labels, validity } = redeemed.value;
    const { identityKey, agreementKey } = request;
    const subject = { name: asked, identityKey, agreementKey, roles, labels };
    return ok({ subject, validity });
  }

  /** Only a root can make an issuer, or keep one. */
  private sameAgain({ name, identityKey, agreementKey, roles, labels }: Member): Subject {
    const kept = this.hasRoot ? roles : roles.filter((role) => role !== ROLE_ISSUER);
    return { name, identityKey, agreementKey, roles: kept, labels };
  }

  private issue(subject: Subject, validity: number): EnrolAnswer {
    const issued = issueCertificate({
      crypto: this.crypto,
      entropy: this.entropy,
      networkId: this.trust().networkId,
      issuer: this.issuer(),
      subject,
      wall: this.host.wall(),
      lifetime: validity as Duration,
    });
    if (!issued.ok) return refused(codeOf(issued.reason));
    return { granted: true, chain: issued.value, manifest: this.host.manifest() };
  }

  private issuer(): Issuer {
    if (this.rootSeed !== undefined) return { signingSeed: this.rootSeed };
    return { signingSeed: this.identity.signingSeed, chain: this.host.chain() };
  }

  private trust(): TrustStore {
    const manifest = this.host.manifest();
    return new TrustStore({ crypto: this.crypto, rootKeys: this.rootKeys, manifest });
  }

  private self(): Member {
    const own = this.trust().verifyChain(this.host.chain(), this.host.wall());
    if (own.ok) return own.value;
    throw new OverlayError('NOT_AN_ISSUER', `this node's certificate is ${own.reason}`);
  }

  private assertIssuer(): void {
    if (this.isIssuer) return;
    throw new OverlayError(
      'NOT_AN_ISSUER',
      'this node may not issue certificates: run this on the node that made the network, or one with the role issuer',
    );
  }

  private needRoot(purpose: string): Uint8Array {
    if (this.rootSeed !== undefined) return this.rootSeed;
    throw new OverlayError(
      'NOT_AN_ISSUER',
      `only the node with the root key can ${purpose}: run this on the node that made the network`,
    );
  }

  private assertFree(name: string): void {
    if (!isNodeName(name))
      throw new OverlayError('BAD_NAME', `"${name}" cannot be a node name`, { details: { name } });
    if (this.host.members().some((member) => member.name === name))
      throw new OverlayError('NAME_TAKEN', `a member ${name} exists`, { details: { name } });
  }

  private isFreeFor(name: string, identityKey: Uint8Array): boolean {
    return this.host
      .members()
      .every((member) => member.name !== name || bytesEqual(member.identityKey, identityKey));
  }

  /** Tries the certificate with the node's own keys, so that a bad invite fails now and not later. */
  private assertSubject(
    name: string,
    roles: readonly string[],
    labels: Readonly<Record<string, string>>,
  ): void {
    const { identityKey, agreementKey } = this.self();
    const trial = this.issue({ name, identityKey, agreementKey, roles, labels }, HOUR);
    if (trial.granted) return;
    throw new OverlayError('BAD_ARGUMENT', `such a certificate cannot be issued: ${trial.code}`, {
      details: { reason: trial.code, labelBytes: utf8Encode(JSON.stringify(labels)).length },
    });
  }
}

interface Terms {
  readonly subject: Subject;
  /** Microseconds. */
  readonly validity: number;
}

/** `token-used` on the inside is `TOKEN_USED` to callers. */
const codeOf = (reason: string): string => reason.toUpperCase().replaceAll('-', '_');

const refused = (code: string): EnrolAnswer => ({ granted: false, code });

/** As long as the certificate it follows, without the backdating of its beginning. */
const lifetimeOf = (member: Member): number =>
  Math.max(HOUR / 60, member.notAfter - member.notBefore - HOUR);
