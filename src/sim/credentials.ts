/**
 * A network of the simulator's own: root, manifest, and a certified identity for every node, all
 * drawn from the seed.
 */
import type { Crypto, Entropy, NodeAddress, Random } from '../kernel/index.ts';
import { assert, seconds } from '../kernel/index.ts';
import type { NodeIdentity } from '../node/index.ts';
import {
  createMember,
  createNetwork,
  type NewNetwork,
  replacePolicy,
  replaceTopology,
} from '../security/index.ts';
import type { MaximalTopology, Policy } from '../wire/index.ts';
import { decodeManifest, encodePolicy } from '../wire/index.ts';
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
  /** In the manifest: which links may exist. */
  permittedLinks?: MaximalTopology | undefined;
  policy?: Policy | undefined;
}): Credentials {
  const { crypto, names } = options;
  const entropy: Entropy = { bytes: (count) => options.random.bytes(count) };
  const network = createNetwork({ crypto, entropy, name: 'simulated', isLab: true });
  const members = new Map<string, { identity: NodeIdentity; address: NodeAddress }>();
  for (const name of names) {
    const made = createMember({
      crypto,
      entropy,
      network,
      name,
      wall: WALL_START,
      lifetime: LIFETIME,
    });
    assert(made.ok, `cannot certify ${name}`);
    members.set(name, made.value);
  }
  const manifest = manifestWith(network, options);
  return { manifest, rootKeys: [network.rootKey], members };
}

function manifestWith(
  { rootSeed, manifest: founded }: NewNetwork,
  options: Parameters<typeof drawCredentials>[0],
): Uint8Array {
  const { crypto, permittedLinks: topology, policy } = options;
  const decoded = (signed: Uint8Array) => decodeManifest(signed)!.manifest;
  let signed = founded;
  if (topology !== undefined)
    signed = replaceTopology({ crypto, rootSeed, manifest: decoded(signed), topology });
  if (policy !== undefined)
    signed = replacePolicy({
      crypto,
      rootSeed,
      manifest: decoded(signed),
      policy: encodePolicy(policy),
    });
  return signed;
}
