/**
 * A network of the simulator's own: root, manifest, and a certified identity for every node, all
 * drawn from the seed.
 */
import type { Crypto, Entropy, NodeAddress, Random } from '../kernel/index.ts';
import { assert, seconds } from '../kernel/index.ts';
import type { NodeIdentity } from '../node/index.ts';
import { createIdentity, createNetwork, issueCertificate } from '../security/index.ts';
import { decodeManifest } from '../wire/index.ts';
import { WALL_START } from './clock.ts';

export interface Credentials {
  readonly manifest: Uint8Array;
  readonly rootKeys: readonly Uint8Array[];
  readonly members: ReadonlyMap<
    string,
    { readonly identity: NodeIdentity; readonly address: NodeAddress }
  >;
}

const LIFETIME = seconds(365 * 86_400);

export function drawCredentials(options: {
  names: readonly string[];
  crypto: Crypto;
  random: Random;
}): Credentials {
  const { crypto, names } = options;
  const entropy: Entropy = { bytes: (count) => options.random.bytes(count) };
  const network = createNetwork({ crypto, entropy, name: 'simulated', isLab: true });
  const manifest = decodeManifest(network.manifest)?.manifest;
  assert(manifest !== undefined, 'a manifest just issued does not decode');
  const members = new Map<string, { identity: NodeIdentity; address: NodeAddress }>();
  for (const name of names) {
    const identity = createIdentity({ crypto, entropy });
    const chain = issueCertificate({
      crypto,
      entropy,
      networkId: manifest.networkId,
      issuer: { signingSeed: network.rootSeed },
      subject: {
        name,
        identityKey: identity.identityPublicKey,
        agreementKey: identity.agreementPublicKey,
      },
      wall: WALL_START,
      lifetime: LIFETIME,
    });
    assert(chain.ok, `cannot certify ${name}`);
    const { signingSeed, agreementKey, address } = identity;
    members.set(name, { identity: { signingSeed, agreementKey, chain: chain.value }, address });
  }
  return { manifest: network.manifest, rootKeys: [network.rootKey], members };
}
