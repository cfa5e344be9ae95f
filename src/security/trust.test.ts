import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type Crypto,
  concatBytes,
  OverlayError,
  Random,
  type Result,
  seconds,
  type WallTime,
  wallLater,
  wallTime,
} from '../kernel/index.ts';
import { simCrypto, simEntropy } from '../sim/index.ts';
import { nodeCrypto } from '../underlay/index.ts';
import {
  CERTIFICATE_CONTEXT,
  CHAIN_BYTES_MAX,
  decodeCertificate,
  decodeChain,
  encodeCertificate,
  encodeChain,
  encodeSignedObject,
} from '../wire/index.ts';
import {
  BACKDATING,
  CERTIFICATE_LIFETIME_DEFAULT,
  type CertificateOrder,
  createIdentity,
  createNetwork,
  type Identity,
  isIdentityProven,
  issueCertificate,
  issueManifest,
  type NewNetwork,
  proveIdentity,
  revoke,
  TrustStore,
} from './index.ts';

const NOW = wallTime(1_750_000_000_000_000);

/** A network with an issuer and a member, each certified the way the names say. */
class Fixture {
  readonly crypto: Crypto;
  readonly entropy = simEntropy(new Random(11));
  readonly network: NewNetwork;
  readonly trust: TrustStore;
  readonly issuer: Identity;
  readonly issuerChain: Uint8Array;
  readonly node: Identity;

  constructor(crypto: Crypto, verifiedChainsMax = 8) {
    this.crypto = crypto;
    this.network = createNetwork({ crypto, entropy: this.entropy, name: 'test', isLab: true });
    this.trust = new TrustStore({
      crypto,
      rootKeys: [this.network.rootKey],
      manifest: this.network.manifest,
      verifiedChainsMax,
    });
    this.issuer = createIdentity({ crypto, entropy: this.entropy });
    this.node = createIdentity({ crypto, entropy: this.entropy });
    this.issuerChain = this.issue({ name: 'ATL', identity: this.issuer, roles: ['issuer'] });
  }

  order(options: {
    name?: string;
    identity?: Identity;
    roles?: string[];
    labels?: Record<string, string>;
    isByIssuer?: boolean;
  }): CertificateOrder {
    const identity = options.identity ?? this.node;
    return {
      crypto: this.crypto,
      entropy: this.entropy,
      networkId: this.trust.networkId,
      issuer: options.isByIssuer
        ? { signingSeed: this.issuer.signingSeed, chain: this.issuerChain }
        : { signingSeed: this.network.rootSeed },
      subject: {
        name: options.name ?? 'LAX',
        identityKey: identity.identityPublicKey,
        agreementKey: identity.agreementPublicKey,
        ...(options.roles === undefined ? {} : { roles: options.roles }),
        ...(options.labels === undefined ? {} : { labels: options.labels }),
      },
      wall: NOW,
    };
  }

  issue(options: Parameters<Fixture['order']>[0]): Uint8Array {
    return unwrap(issueCertificate(this.order(options)));
  }

  refusal(chain: Uint8Array, wall: WallTime = NOW): string {
    const outcome = this.trust.verifyChain(chain, wall);
    return outcome.ok ? 'accepted' : outcome.reason;
  }

  /** A chain whose leaf is signed anew with `seed` after `change`. */
  resigned(
    chain: Uint8Array,
    seed: Uint8Array,
    change: (c: NonNullable<ReturnType<typeof decodeCertificate>>) => typeof c,
  ): Uint8Array {
    const links = decodeChain(chain)!;
    const body = encodeCertificate(change(decodeCertificate(links[0]!.body)!));
    const signature = this.crypto.signer(seed).sign(concatBytes(CERTIFICATE_CONTEXT, body));
    const rest = links.slice(1).map(encodeSignedObject);
    return encodeChain([encodeSignedObject({ body, signature }), ...rest]);
  }
}

function unwrap<T>(result: Result<T, string>): T {
  assert.ok(result.ok, result.ok ? '' : result.reason);
  return result.value;
}

for (const [name, crypto] of [
  ['node', nodeCrypto()],
  ['sim', simCrypto()],
] as const) {
  describe(`trust over ${name} crypto`, () => {
    it('a certificate of the root, or of an issuer of the root, makes a member', () => {
      const f = new Fixture(crypto);
      for (const isByIssuer of [false, true]) {
        const chain = f.issue({ isByIssuer, labels: { region: 'west' }, roles: ['relay'] });
        const member = unwrap(f.trust.verifyChain(chain, NOW));
        assert.equal(member.name, 'LAX');
        assert.equal(member.address, f.node.address);
        assert.deepEqual(member.identityKey, f.node.identityPublicKey);
        assert.deepEqual(member.agreementKey, f.node.agreementPublicKey);
        assert.deepEqual(member.roles, ['relay']);
        assert.equal(member.labels['region'], 'west');
        assert.deepEqual(member.chain, chain);
        assert.equal(unwrap(f.trust.verifyChain(chain, NOW)), member, 'remembered');
      }
    });

    it('a member counts from an hour before its issue until its certificate ends', () => {
      const f = new Fixture(crypto);
      const chain = f.issue({});
      const end = wallLater(NOW, CERTIFICATE_LIFETIME_DEFAULT);
      assert.equal(f.refusal(chain, wallTime(NOW - BACKDATING)), 'accepted');
      assert.equal(f.refusal(chain, wallTime(NOW - BACKDATING - 1)), 'not-yet-valid');
      assert.equal(f.refusal(chain, wallTime(end - 1)), 'accepted');
      assert.equal(f.refusal(chain, end), 'expired');
    });

    it("an issuer's end is the end of those it certified", () => {
      const f = new Fixture(crypto);
      const longer = { ...f.order({ isByIssuer: true }), lifetime: seconds(900 * 86_400) };
      const chain = unwrap(issueCertificate(longer));
      const end = wallLater(NOW, CERTIFICATE_LIFETIME_DEFAULT);
      assert.equal(unwrap(f.trust.verifyChain(chain, NOW)).notAfter, end);
      assert.equal(f.refusal(chain, end), 'expired');
    });

    it('a changed, resigned, foreign or unissued certificate is refused with its reason', () => {
      const f = new Fixture(crypto);
      const stranger = new Random(12).bytes(32);
      const chain = f.issue({ isByIssuer: true });
      const direct = f.issue({});
      const byIssuer = f.issuer.signingSeed;
      const byRoot = f.network.rootSeed;
      const refused = (bytes: Uint8Array, reason: string): void =>
        assert.equal(f.refusal(bytes), reason);
      refused(
        f.resigned(chain, stranger, (c) => c),
        'bad-signature',
      );
      refused(
        f.resigned(direct, stranger, (c) => c),
        'bad-signature',
      );
      refused(
        f.resigned(direct, stranger, (c) => ({ ...c, name: 'ATL' })),
        'bad-signature',
      );
      const other = { networkId: new Uint8Array(16) };
      refused(
        f.resigned(direct, byRoot, (c) => ({ ...c, ...other })),
        'foreign-network',
      );
      const address = f.issuer.address;
      refused(
        f.resigned(direct, byRoot, (c) => ({ ...c, address })),
        'bad-address',
      );
      const issuer = new Uint8Array(8);
      refused(
        f.resigned(direct, byRoot, (c) => ({ ...c, issuer })),
        'unknown-issuer',
      );
      refused(
        f.resigned(chain, byIssuer, (c) => ({ ...c, issuer })),
        'unknown-issuer',
      );
      const roles = ['issuer'];
      refused(
        f.resigned(chain, byIssuer, (c) => ({ ...c, roles })),
        'issuer-not-allowed',
      );
      refused(new Uint8Array(0), 'malformed');
      refused(direct.slice(0, -1), 'malformed');
    });

    it('who is no issuer certifies nobody', () => {
      const f = new Fixture(crypto);
      const plain = createIdentity({ crypto, entropy: f.entropy });
      const plainChain = f.issue({ name: 'DFW', identity: plain });
      const issuer = { signingSeed: plain.signingSeed, chain: plainChain };
      const refused = issueCertificate({ ...f.order({}), issuer });
      assert.deepEqual(refused, { ok: false, reason: 'issuer-not-allowed' });
      // The same without asking: a leaf signed by the plain member, chained behind its certificate.
      const leaf = unwrap(
        issueCertificate({ ...f.order({}), issuer: { signingSeed: plain.signingSeed } }),
      );
      const links = [...decodeChain(leaf)!, ...decodeChain(plainChain)!].map(encodeSignedObject);
      assert.equal(f.refusal(encodeChain(links)), 'issuer-not-allowed');
      assert.equal(f.refusal(leaf), 'unknown-issuer');
    });

    it('an issuer makes no issuers', () => {
      const f = new Fixture(crypto);
      const refused = issueCertificate(f.order({ isByIssuer: true, roles: ['issuer'] }));
      assert.deepEqual(refused, { ok: false, reason: 'issuer-not-allowed' });
    });

    it('revocation ends a member, and an issuer with all whom it certified', () => {
      const f = new Fixture(crypto);
      const direct = f.issue({ name: 'DFW' });
      const issued = f.issue({ isByIssuer: true });
      const serial = unwrap(f.trust.verifyChain(direct, NOW)).serial;
      const { rootSeed } = f.network;
      const step = (serials: Uint8Array[]): Uint8Array =>
        unwrap(revoke({ crypto, rootSeed, manifest: f.trust.manifest, serials }));
      assert.equal(unwrap(f.trust.adoptManifest(step([serial, serial]))), 'newer');
      assert.equal(f.trust.manifest.revoked.length, 1);
      assert.ok(f.trust.isRevoked(serial));
      assert.equal(f.refusal(direct), 'revoked');
      assert.equal(f.refusal(issued), 'accepted');
      const issuerSerial = unwrap(f.trust.verifyChain(f.issuerChain, NOW)).serial;
      assert.equal(unwrap(f.trust.adoptManifest(step([issuerSerial]))), 'newer');
      assert.equal(f.refusal(issued), 'revoked');
    });

    it('the newest manifest wins, a forged or foreign one is refused', () => {
      const f = new Fixture(crypto);
      const { rootSeed } = f.network;
      const first = f.trust.manifestBytes;
      const signed = (version: number, seed: Uint8Array, policy = 0): Uint8Array =>
        issueManifest({
          crypto,
          rootSeed: seed,
          manifest: { ...f.trust.manifest, version, policy: Uint8Array.of(policy) },
        });
      const stranger = new Random(13).bytes(32);
      assert.deepEqual(f.trust.adoptManifest(signed(2, stranger)), {
        ok: false,
        reason: 'bad-signature',
      });
      const foreign = createNetwork({ crypto, entropy: f.entropy, name: 'other', isLab: false });
      assert.deepEqual(f.trust.adoptManifest(foreign.manifest), {
        ok: false,
        reason: 'foreign-network',
      });
      assert.deepEqual(f.trust.adoptManifest(first.slice(1)), { ok: false, reason: 'malformed' });
      assert.equal(unwrap(f.trust.adoptManifest(signed(5, rootSeed, 1))), 'newer');
      assert.equal(unwrap(f.trust.adoptManifest(first)), 'same-or-older');
      assert.equal(unwrap(f.trust.adoptManifest(f.trust.manifestBytes)), 'same-or-older');
      assert.equal(f.trust.manifest.version, 5);
      // Two of one version: whichever arrives first, the same one stays.
      assert.equal(unwrap(f.trust.adoptManifest(signed(5, rootSeed, 2))), 'newer');
      assert.equal(unwrap(f.trust.adoptManifest(signed(5, rootSeed, 1))), 'same-or-older');
    });

    it('roots overlap while they are rotated', () => {
      const f = new Fixture(crypto);
      const oldMember = f.issue({});
      const nextSeed = new Random(14).bytes(32);
      const nextKey = crypto.signer(nextSeed).publicKey;
      const step = (version: number, rootSeed: Uint8Array, rootKeys: Uint8Array[]): Uint8Array =>
        issueManifest({
          crypto,
          rootSeed,
          manifest: { ...f.trust.manifest, version, rootKeys },
        });
      const early = f.trust.adoptManifest(step(2, nextSeed, [nextKey]));
      assert.deepEqual(early, { ok: false, reason: 'bad-signature' });
      const both = step(2, f.network.rootSeed, [f.network.rootKey, nextKey]);
      assert.equal(unwrap(f.trust.adoptManifest(both)), 'newer');
      const newMember = unwrap(
        issueCertificate({ ...f.order({ name: 'DFW' }), issuer: { signingSeed: nextSeed } }),
      );
      assert.equal(f.refusal(oldMember), 'accepted');
      assert.equal(f.refusal(newMember), 'accepted');
      assert.equal(unwrap(f.trust.adoptManifest(step(3, nextSeed, [nextKey]))), 'newer');
      assert.equal(f.refusal(oldMember), 'unknown-issuer');
      assert.equal(f.refusal(newMember), 'accepted');
      const late = f.trust.adoptManifest(step(4, f.network.rootSeed, [f.network.rootKey]));
      assert.deepEqual(late, { ok: false, reason: 'bad-signature' });
    });

    it('remembers a bounded number of chains and still verifies all', () => {
      const f = new Fixture(crypto, 2);
      const chains = ['A', 'B', 'C'].map((label) => f.issue({ name: label }));
      for (const chain of [...chains, ...chains]) assert.equal(f.refusal(chain), 'accepted');
      assert.ok(f.trust.evictions > 0);
    });

    it('an unfit subject is refused with its reason', () => {
      const f = new Fixture(crypto);
      const reason = (order: CertificateOrder): string => {
        const outcome = issueCertificate(order);
        return outcome.ok ? 'issued' : outcome.reason;
      };
      assert.equal(reason(f.order({ name: 'no spaces' })), 'bad-name');
      assert.equal(reason(f.order({ name: '' })), 'bad-name');
      assert.equal(reason(f.order({ name: '-' })), 'bad-name');
      assert.equal(reason(f.order({ labels: { '7': 'x' } })), 'bad-labels');
      assert.equal(reason(f.order({ labels: { region: 'x'.repeat(41) } })), 'bad-subject');
      assert.equal(reason(f.order({ roles: ['a', 'b', 'c', 'd', 'e'] })), 'bad-subject');
      const long = Object.fromEntries(
        [...'abcdefgh'].map((key) => [key.repeat(24), 'x'.repeat(40)]),
      );
      assert.equal(reason(f.order({ labels: long })), 'issued');
      assert.equal(reason(f.order({ labels: long, isByIssuer: true })), 'chain-too-long');
      const subject = { ...f.order({}).subject, identityKey: new Uint8Array(31) };
      assert.equal(reason({ ...f.order({}), subject }), 'bad-subject');
    });

    it('whoever enrols shows that the identity key is its own', () => {
      const f = new Fixture(crypto);
      const handshakeHash = new Random(15).bytes(32);
      const proof = proveIdentity({ crypto, signingSeed: f.node.signingSeed, handshakeHash });
      const { identityPublicKey } = f.node;
      const check = (identityKey: Uint8Array, hash: Uint8Array): boolean =>
        isIdentityProven({ crypto, identityKey, handshakeHash: hash, proof });
      assert.equal(check(identityPublicKey, handshakeHash), true);
      assert.equal(check(f.issuer.identityPublicKey, handshakeHash), false);
      assert.equal(check(identityPublicKey, new Uint8Array(32)), false);
    });
  });
}

describe('trust against hostile bytes', () => {
  const f = new Fixture(simCrypto());
  const chain = f.issue({ isByIssuer: true, labels: { region: 'west' } });

  it('no single changed byte of a chain or manifest is accepted', () => {
    for (let at = 0; at < chain.length; at++) {
      const changed = chain.slice();
      changed[at]! ^= 0x21;
      assert.notEqual(f.refusal(changed), 'accepted', `byte ${at}`);
    }
    const next = issueManifest({
      crypto: f.crypto,
      rootSeed: f.network.rootSeed,
      manifest: { ...f.trust.manifest, version: 9 },
    });
    for (let at = 0; at < next.length; at++) {
      const changed = next.slice();
      changed[at]! ^= 0x21;
      assert.equal(f.trust.adoptManifest(changed).ok, false, `byte ${at}`);
    }
  });

  it('arbitrary bytes never throw', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 900 }), (bytes) => {
      assert.notEqual(f.refusal(bytes), 'accepted');
      assert.equal(f.trust.adoptManifest(bytes).ok, false);
    });
    fc.assert(property, { numRuns: 500 });
  });

  it('a chain with ordinary labels leaves room in its 800 bytes', () => {
    assert.ok(chain.length < 600, `${chain.length}`);
    assert.ok(chain.length < CHAIN_BYTES_MAX);
  });

  it('a node does not start on a manifest that its roots did not sign', () => {
    const options = { crypto: f.crypto, rootKeys: [new Uint8Array(32)] };
    assert.throws(
      () => new TrustStore({ ...options, manifest: f.network.manifest }),
      (error: unknown) => error instanceof OverlayError && error.code === 'MANIFEST_INVALID',
    );
    assert.throws(() => new TrustStore({ ...options, manifest: chain }), OverlayError);
  });
});
