import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromHex, type NodeAddress, toHex, type WallTime } from '../kernel/index.ts';
import {
  type Certificate,
  CHAIN_BYTES_MAX,
  decodeCertificate,
  decodeChain,
  decodeSignedObject,
  encodeCertificate,
  encodeChain,
  encodeSignedObject,
  isNodeName,
} from './index.ts';

interface Vector<T> {
  readonly name: string;
  readonly hex: string;
  readonly value: T;
}

function vectorsOf<T>(file: string): readonly Vector<T>[] {
  const url = new URL(`../../src/wire/vectors/${file}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, 'utf8'));
}

type Spelled = Omit<
  Certificate,
  'serial' | 'networkId' | 'identityKey' | 'agreementKey' | 'issuer'
> &
  Record<'serial' | 'networkId' | 'identityKey' | 'agreementKey' | 'issuer', string>;

const spelled = (c: Certificate): Spelled => ({
  ...c,
  serial: toHex(c.serial),
  networkId: toHex(c.networkId),
  identityKey: toHex(c.identityKey),
  agreementKey: toHex(c.agreementKey),
  issuer: toHex(c.issuer),
  labels: { ...c.labels },
});

const unspelled = (c: Spelled): Certificate => ({
  ...c,
  serial: fromHex(c.serial)!,
  networkId: fromHex(c.networkId)!,
  identityKey: fromHex(c.identityKey)!,
  agreementKey: fromHex(c.agreementKey)!,
  issuer: fromHex(c.issuer)!,
});

const exactly = (count: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: count, maxLength: count });
const key = fc.stringMatching(/^[a-z][a-z0-9._-]{0,23}$/);
const second = fc.nat(4_000_000_000).map((n) => (n * 1_000_000) as WallTime);

const certificate: fc.Arbitrary<Certificate> = fc.record(
  {
    serial: exactly(16),
    networkId: exactly(16),
    name: fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?$/),
    identityKey: exactly(32),
    agreementKey: exactly(32),
    address: fc.integer({ min: 1, max: 0xdfff_ffff }).map((n) => n as NodeAddress),
    roles: fc
      .uniqueArray(fc.stringMatching(/^[a-z]{1,16}$/), { maxLength: 4 })
      .map((roles) => roles.sort()),
    labels: fc
      .dictionary(key, fc.stringMatching(/^[ -~]{0,40}$/), { maxKeys: 8 })
      .map((labels) => ({ ...labels })),
    notBefore: second,
    notAfter: second,
    issuer: exactly(8),
  },
  { noNullPrototype: true },
);

describe('certificate codec', () => {
  for (const { name, hex, value } of vectorsOf<Spelled>('certificate')) {
    it(`golden vector, both ways: ${name}`, () => {
      assert.deepEqual(spelled(decodeCertificate(fromHex(hex)!)!), value);
      assert.equal(toHex(encodeCertificate(unspelled(value))), hex);
    });
  }

  it('decodes what it encodes, whatever order roles and labels come in', () => {
    const property = fc.property(certificate, (c) => {
      const body = encodeCertificate(c);
      const decoded = decodeCertificate(body);
      assert.ok(decoded);
      assert.deepEqual({ ...decoded, labels: { ...decoded.labels } }, c);
      const labels = Object.fromEntries(Object.entries(c.labels).reverse());
      const roles = [...c.roles, ...c.roles].reverse();
      assert.deepEqual(encodeCertificate({ ...c, labels, roles }), body);
    });
    fc.assert(property);
  });

  it('bytes and their mutations never throw, and what is accepted is its one encoding', () => {
    const mutated = fc
      .tuple(certificate, fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 3 }))
      .map(([c, changes]) => {
        const body = encodeCertificate(c);
        for (const [at, byte] of changes) body[at % body.length] = byte;
        return body;
      });
    const property = fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 400 })), (bytes) => {
      const decoded = decodeCertificate(bytes);
      if (decoded !== undefined) assert.deepEqual(encodeCertificate(decoded), bytes);
    });
    fc.assert(property, { numRuns: 2_000 });
  });

  it('names are letters, digits and inner hyphens, up to 32', () => {
    for (const name of ['ATL', 'a', '7', 'new-york-2', 'x'.repeat(32)]) assert.ok(isNodeName(name));
    for (const name of ['', '-a', 'a-', 'a b', 'ä', 'a.b', 'a\n', 'x'.repeat(33)]) {
      assert.ok(!isNodeName(name), name);
    }
  });

  it('refuses label keys that are integers or otherwise not words', () => {
    const [{ value }] = vectorsOf<Spelled>('certificate') as [Vector<Spelled>];
    for (const name of ['7', 'A', '_', 'a b']) {
      const body = encodeCertificate({ ...unspelled(value), labels: { [name]: 'x' } });
      assert.equal(decodeCertificate(body), undefined, name);
    }
  });
});

describe('chain codec', () => {
  for (const { name, hex, value } of vectorsOf<{ body: string; signature: string }[]>(
    'certificate-chain',
  )) {
    it(`golden vector, both ways: ${name}`, () => {
      const links = decodeChain(fromHex(hex)!)!;
      const texts = links.map((l) => ({ body: toHex(l.body), signature: toHex(l.signature) }));
      assert.deepEqual(texts, value);
      assert.equal(toHex(encodeChain(links.map(encodeSignedObject))), hex);
    });
  }

  it('refuses no links, three links, and more bytes than a chain may have', () => {
    const link = encodeSignedObject({ body: Uint8Array.of(1), signature: new Uint8Array(64) });
    assert.equal(decodeChain(encodeChain([])), undefined);
    assert.equal(decodeChain(encodeChain([link]))?.length, 1);
    assert.equal(decodeChain(encodeChain([link, link]))?.length, 2);
    assert.equal(decodeChain(encodeChain([link, link, link])), undefined);
    const body = new Uint8Array(CHAIN_BYTES_MAX);
    const long = encodeSignedObject({ body, signature: new Uint8Array(64) });
    assert.equal(decodeChain(encodeChain([long])), undefined);
  });

  it('arbitrary bytes never throw, and what is accepted is its one encoding', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
      const links = decodeChain(bytes);
      if (links) assert.deepEqual(encodeChain(links.map(encodeSignedObject)), bytes);
      const object = decodeSignedObject(bytes, 100);
      if (object) assert.deepEqual(encodeSignedObject(object), bytes);
    });
    fc.assert(property, { numRuns: 2_000 });
  });
});
