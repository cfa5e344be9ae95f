import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { concatBytes, fromHex, toHex } from '../kernel/index.ts';
import type { EnrolAnswerText } from './enrol.ts';
import {
  decodeEnrolAnswerPart,
  decodeEnrolAnswerText,
  decodeEnrolRequest,
  encodeEnrolAnswer,
  encodeEnrolRequest,
} from './enrol.ts';

interface RequestValue {
  secret: string;
  name: string;
  identityKey: string;
  signature: string;
}
type AnswerValue =
  | { granted: true; chain: string; manifest: string }
  | { granted: false; code: string };
type Vector = { name: string; hex: string } & (
  | { frame: 'request'; value: RequestValue | null }
  | { frame: 'answer'; value: AnswerValue }
);

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../src/wire/vectors/enrol.json', import.meta.url), 'utf8'),
);

const textOf = (bodies: readonly Uint8Array[]): Uint8Array =>
  concatBytes(...bodies.map((body) => decodeEnrolAnswerPart(body, 0, body.length)!.piece));

for (const vector of vectors) {
  test(`golden vector: ${vector.name}`, () => {
    const bytes = fromHex(vector.hex)!;
    if (vector.frame === 'request') {
      if (vector.value === null)
        return assert.equal(decodeEnrolRequest(bytes, 0, bytes.length), undefined);
      const { secret, name, identityKey, signature } = vector.value;
      const request = {
        secret: fromHex(secret)!,
        name,
        identityKey: fromHex(identityKey)!,
        signature: fromHex(signature)!,
      };
      assert.equal(toHex(encodeEnrolRequest(request)), vector.hex);
      assert.deepEqual(decodeEnrolRequest(bytes, 0, bytes.length), request);
    } else {
      const { value } = vector;
      const answer: EnrolAnswerText = value.granted
        ? { granted: true, chain: fromHex(value.chain)!, manifest: fromHex(value.manifest)! }
        : value;
      assert.equal(toHex(encodeEnrolAnswer(answer)![0]!), vector.hex);
      assert.deepEqual(decodeEnrolAnswerText(textOf([bytes])), answer);
    }
  });
}

test('an answer of any size comes back whole from its parts', () => {
  const answers = fc.record(
    {
      granted: fc.constant(true as const),
      chain: fc.uint8Array({ maxLength: 800 }),
      manifest: fc.uint8Array({ maxLength: 5_000, size: 'max' }),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(answers, (answer) => {
      assert.deepEqual(decodeEnrolAnswerText(textOf(encodeEnrolAnswer(answer)!)), answer);
    }),
    { numRuns: 50 },
  );
});

test('an answer too long for 64 parts is not encoded', () => {
  const manifest = new Uint8Array(64_000);
  assert.equal(encodeEnrolAnswer({ granted: true, chain: manifest, manifest }), undefined);
});

test('any bytes at all decode to something or nothing, without a throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      decodeEnrolRequest(bytes, 0, bytes.length);
      decodeEnrolAnswerPart(bytes, 0, bytes.length);
      decodeEnrolAnswerText(bytes);
    }),
    { numRuns: 500 },
  );
});
