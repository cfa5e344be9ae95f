import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { compareBytes, concatBytes, fromHex, microseconds, toHex } from '../kernel/index.ts';
import {
  decodeManifest,
  decodeManifestBody,
  encodeManifest,
  encodeManifestBody,
  encodeMaximalTopology,
  LATENCY_MIN_MAX,
  MANIFEST_BYTES_MAX,
  type Manifest,
  type MaximalTopology,
  POLICY_BYTES_MAX,
  REVOKED_MAX,
  ROOT_KEYS_MAX,
  TOPOLOGY_BYTES_MAX,
} from './index.ts';

interface Spelled {
  readonly networkId: string;
  readonly name: string;
  readonly version: number;
  readonly prefix: string;
  readonly isLab: boolean;
  readonly rootKeys: readonly string[];
  readonly revoked: readonly string[];
  readonly policy: string;
  /** Ends and least latency of links that may exist. */
  readonly topology?: readonly (readonly [string, string, number])[];
}

const vectors: readonly {
  readonly name: string;
  readonly hex: string;
  readonly value: Spelled & { readonly signature: string };
}[] = JSON.parse(
  readFileSync(new URL('../../src/wire/vectors/manifest.json', import.meta.url), 'utf8'),
);

const spelled = (m: Manifest): Spelled => ({
  networkId: toHex(m.networkId),
  name: m.name,
  version: m.version,
  prefix: toHex(m.prefix),
  isLab: m.isLab,
  rootKeys: m.rootKeys.map(toHex),
  revoked: m.revoked.map(toHex),
  policy: toHex(m.policy),
  ...(m.topology && { topology: m.topology.map(({ ends, latencyMin }) => [...ends, latencyMin]) }),
});

const unspelled = (m: Spelled): Manifest => ({
  networkId: fromHex(m.networkId)!,
  name: m.name,
  version: m.version,
  prefix: fromHex(m.prefix)!,
  isLab: m.isLab,
  rootKeys: m.rootKeys.map((key) => fromHex(key)!),
  revoked: m.revoked.map((serial) => fromHex(serial)!),
  policy: fromHex(m.policy)!,
  ...(m.topology && {
    topology: m.topology.map(([a, b, least]) => ({
      ends: [a, b],
      latencyMin: microseconds(least),
    })),
  }),
});

const exactly = (count: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: count, maxLength: count });

/** As decoding gives it: ends in order, and links in order of their ends. */
const maximalTopology: fc.Arbitrary<MaximalTopology> = fc
  .uniqueArray(fc.tuple(fc.nat(6), fc.nat(6), fc.nat(LATENCY_MIN_MAX)), {
    minLength: 1,
    maxLength: 8,
    selector: ([a, b]) => a * 8 + b,
  })
  .map((drawn) => drawn.filter(([a, b]) => a < b).sort((x, y) => x[0] - y[0] || x[1] - y[1]))
  .filter((drawn) => drawn.length > 0)
  .map((drawn) =>
    drawn.map(([a, b, least]) => ({
      ends: [`n${a}`, `n${b}`] as const,
      latencyMin: microseconds(least),
    })),
  );

const manifest: fc.Arbitrary<Manifest> = fc.record(
  {
    networkId: exactly(16),
    name: fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?$/),
    version: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    prefix: exactly(11).map((rest) => concatBytes(Uint8Array.of(0xfd), rest)),
    isLab: fc.boolean(),
    rootKeys: fc.array(exactly(32), { minLength: 1, maxLength: ROOT_KEYS_MAX }),
    revoked: fc
      .uniqueArray(exactly(16), { maxLength: 10, selector: toHex })
      .map((serials) => serials.sort(compareBytes)),
    policy: fc.uint8Array({ maxLength: 50 }),
    topology: maximalTopology,
  },
  {
    noNullPrototype: true,
    requiredKeys: [
      'networkId',
      'name',
      'version',
      'prefix',
      'isLab',
      'rootKeys',
      'revoked',
      'policy',
    ],
  },
);

describe('manifest codec', () => {
  for (const { name, hex, value } of vectors) {
    it(`golden vector, both ways: ${name}`, () => {
      const signed = decodeManifest(fromHex(hex)!)!;
      const { signature, ...fields } = value;
      assert.deepEqual(spelled(signed.manifest), fields);
      assert.equal(toHex(signed.signature), signature);
      const body = encodeManifestBody(unspelled(fields));
      assert.equal(toHex(encodeManifest(body, fromHex(signature)!)), hex);
    });
  }

  it('decodes what it encodes, whatever order revocations come in', () => {
    const property = fc.property(manifest, (m) => {
      const body = encodeManifestBody(m);
      assert.deepEqual(decodeManifestBody(body), m);
      const revoked = [...m.revoked, ...m.revoked].reverse();
      assert.deepEqual(encodeManifestBody({ ...m, revoked }), body);
    });
    fc.assert(property);
  });

  it('bytes and their mutations never throw, and what is accepted is its one encoding', () => {
    const mutated = fc
      .tuple(manifest, fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 3 }))
      .map(([m, changes]) => {
        const body = encodeManifestBody(m);
        for (const [at, byte] of changes) body[at % body.length] = byte;
        return body;
      });
    const property = fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 300 })), (bytes) => {
      const decoded = decodeManifestBody(bytes);
      if (decoded) assert.deepEqual(encodeManifestBody(decoded), bytes);
      decodeManifest(bytes);
    });
    fc.assert(property, { numRuns: 2_000 });
  });

  it('the largest manifest fits its bound, and a larger one is refused', () => {
    const base = unspelled(vectors[0]!.value);
    const serial = (i: number): Uint8Array => {
      const bytes = new Uint8Array(16);
      bytes[0] = i >> 8;
      bytes[1] = i;
      return bytes;
    };
    const line = Array.from({ length: 800 }, (_, i) => ({
      ends: [`a${i % 120}`, `b${(i * 7) % 130}`] as const,
      latencyMin: LATENCY_MIN_MAX,
    }));
    const fitting = Array.from({ length: line.length }, (_, i) => line.slice(i)).find(
      (links) => encodeMaximalTopology(links).length <= TOPOLOGY_BYTES_MAX,
    )!;
    const full = (revocations: number, policyBytes: number, topology = fitting): Uint8Array =>
      encodeManifest(
        encodeManifestBody({
          ...base,
          version: Number.MAX_SAFE_INTEGER,
          name: 'x'.repeat(32),
          rootKeys: new Array<Uint8Array>(ROOT_KEYS_MAX).fill(new Uint8Array(32)),
          revoked: Array.from({ length: revocations }, (_, i) => serial(i)),
          policy: new Uint8Array(policyBytes),
          topology,
        }),
        new Uint8Array(64),
      );
    const largest = full(REVOKED_MAX, POLICY_BYTES_MAX);
    assert.ok(largest.length <= MANIFEST_BYTES_MAX, `${largest.length}`);
    assert.ok(decodeManifest(largest));
    assert.equal(decodeManifest(full(REVOKED_MAX + 1, 0)), undefined);
    assert.equal(decodeManifest(full(0, POLICY_BYTES_MAX + 1)), undefined);
    assert.ok(fitting.length < line.length, 'no topology was too large');
    assert.equal(decodeManifest(full(0, 0, line)), undefined);
  });

  it('refuses no root, a prefix outside fd00::/8, version 0, and a bad name', () => {
    const base = unspelled(vectors[0]!.value);
    const refused = (change: Partial<Manifest>): void =>
      assert.equal(decodeManifestBody(encodeManifestBody({ ...base, ...change })), undefined);
    refused({ rootKeys: [] });
    refused({ prefix: new Uint8Array(12).fill(0xfe) });
    refused({ version: 0 });
    refused({ name: 'two words' });
  });
});
