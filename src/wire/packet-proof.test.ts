import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex } from '../kernel/index.ts';
import {
  asSigned,
  blankDataHeader,
  DATA_HEADER_BYTES,
  decodeProof,
  encodeDataHeader,
  encodeProof,
  NO_ROUTE,
  PROOF_BYTES_MAX,
  PROOF_DEPTH_MAX,
} from './index.ts';

const vectors: readonly {
  readonly name: string;
  readonly hex: string;
  readonly value: { siblings: string[]; signature: string; place: number };
}[] = JSON.parse(
  readFileSync(new URL('../../src/wire/vectors/packet-proof.json', import.meta.url), 'utf8'),
);

for (const { name, hex, value } of vectors)
  test(`golden vector, both ways: ${name}`, () => {
    const bytes = fromHex(hex)!;
    const proof = decodeProof(bytes, 0, bytes.length)!;
    const spelled = { siblings: proof.siblings.map(toHex), signature: toHex(proof.signature) };
    assert.deepEqual({ ...spelled, place: proof.place }, value);
    assert.equal(toHex(encodeProof(proof)), hex);
  });

test('any proof survives the wire, and any bytes are read within their bounds or refused', () => {
  const hash = fc.uint8Array({ minLength: 16, maxLength: 16 });
  const proofs = fc.array(hash, { maxLength: PROOF_DEPTH_MAX }).chain((siblings) =>
    fc.record(
      {
        siblings: fc.constant(siblings),
        signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
        place: fc.nat((1 << siblings.length) - 1),
      },
      { noNullPrototype: true },
    ),
  );
  const copied = (bytes: Uint8Array) => {
    const proof = decodeProof(bytes, 0, bytes.length);
    return (
      proof && {
        siblings: proof.siblings.map((s) => s.slice()),
        signature: proof.signature.slice(),
        place: proof.place,
      }
    );
  };
  fc.assert(fc.property(proofs, (proof) => assert.deepEqual(copied(encodeProof(proof)), proof)));
  const any = fc.uint8Array({ maxLength: PROOF_BYTES_MAX + 8 });
  fc.assert(
    fc.property(any, (bytes) => {
      const proof = decodeProof(bytes, 0, bytes.length);
      if (proof !== undefined) assert.deepEqual(encodeProof(proof), bytes);
    }),
    { numRuns: 1_000 },
  );
});

test('what nodes change on the way is not signed, everything else is, and the frame stays as it was', () => {
  const frame = new Uint8Array(DATA_HEADER_BYTES + 20);
  const header = { ...blankDataHeader(), hopLimit: 9, age: 500, lap: 3, source: 1, destination: 2 };
  encodeDataHeader(frame, 0, header as ReturnType<typeof blankDataHeader>, NO_ROUTE);
  const before = frame.slice();
  const signed = (bytes: Uint8Array): string => asSigned(bytes, 0, bytes.length, toHex);
  const own = signed(frame);
  assert.deepEqual(frame, before);
  const mutable = new Set([1, 19, 28, 29, 30]);
  for (let at = 0; at < frame.length; at++) {
    const changed = frame.slice();
    changed[at]! ^= 0x40;
    assert.equal(signed(changed) === own, mutable.has(at), `byte ${at}`);
  }
});
