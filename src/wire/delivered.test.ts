import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import type { NodeAddress } from '../kernel/index.ts';
import { fromHex, toHex } from '../kernel/index.ts';
import { SIGNATURE_BYTES } from './certificate.ts';
import type { Delivered, DeliveredFlow } from './delivered.ts';
import {
  DELIVERED_BYTES_MAX,
  DELIVERED_FLOW_BYTES_MAX,
  decodeDelivered,
  deliveredFlowBytes,
  deliveredSigningInput,
  encodeDelivered,
  isDelivered,
} from './delivered.ts';

interface Vector {
  readonly name: string;
  readonly networkId: string;
  readonly signingInput: string;
  readonly hex: string;
  readonly value: Delivered;
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../src/wire/vectors/delivered.json', import.meta.url), 'utf8'),
);

const signed = (content: Uint8Array, fill = 7): Uint8Array => {
  const body = new Uint8Array(content.length + SIGNATURE_BYTES).fill(fill);
  body.set(content);
  return body;
};

for (const { name, networkId, signingInput, hex, value } of vectors)
  test(`golden vector: ${name}`, () => {
    const content = encodeDelivered(value);
    assert.equal(toHex(content), hex);
    assert.equal(toHex(deliveredSigningInput(fromHex(networkId)!, content)), signingInput);
    assert.deepEqual(decodeDelivered(signed(content))?.delivered, value);
  });

const addresses = fc.integer({ min: 1, max: 0xdfff_ffff }).map((n) => n as NodeAddress);
const flows: fc.Arbitrary<DeliveredFlow> = fc.record(
  {
    source: addresses,
    epoch: fc.nat(0xffff_ffff),
    flow: fc.nat(0xffff),
    isSigned: fc.boolean(),
    greatest: fc.integer({ min: 31 * 40, max: 0xffff_ffff }),
    runs: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 31 }),
  },
  { noNullPrototype: true },
);
const all: fc.Arbitrary<Delivered> = fc.record(
  {
    destination: addresses,
    epoch: fc.nat(0xffff_ffff),
    number: fc.nat(0xffff_ffff),
    flows: fc.array(flows, { minLength: 1, maxLength: 13 }),
  },
  { noNullPrototype: true },
);

test('what a destination says survives the wire and fits a frame', () => {
  fc.assert(
    fc.property(all, (value) => {
      const body = signed(encodeDelivered(value));
      assert.ok(body.length <= DELIVERED_BYTES_MAX);
      const decoded = decodeDelivered(body)!;
      assert.deepEqual(decoded.delivered, value);
      assert.ok(decoded.signature.every((byte) => byte === 7));
      const bytes = value.flows.reduce((sum, flow) => sum + deliveredFlowBytes(flow), 0);
      assert.ok(bytes <= DELIVERED_FLOW_BYTES_MAX);
    }),
  );
});

test('whatever the bytes, decoding neither throws nor takes what it would not write', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 60, maxLength: 140 }), (bytes) => {
      const decoded = decodeDelivered(bytes);
      if (decoded !== undefined)
        assert.deepEqual(encodeDelivered(decoded.delivered), decoded.content);
    }),
    { numRuns: 2_000 },
  );
});

test('a packet is delivered when its number falls into a run of those that arrived', () => {
  const flow = {
    source: 1 as NodeAddress,
    epoch: 1,
    flow: 1,
    isSigned: false,
    greatest: 20,
    runs: [3, 2, 5],
  };
  const arrived = Array.from({ length: 30 }, (_, n) => n).filter((n) => isDelivered(flow, n));
  assert.deepEqual(arrived, [11, 12, 13, 14, 15, 18, 19, 20]);
});
