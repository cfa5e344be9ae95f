import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { fromHex, toHex } from '../kernel/index.ts';
import type { Receipt, TimedMessage } from './index.ts';
import {
  decodeReceipt,
  decodeTimedMessage,
  encodeReceipt,
  encodeTimedHeader,
  RECEIPT_BYTES,
  receiptCovers,
  TIMED_PART_HEADER_BYTES,
} from './index.ts';

interface Vector<T> {
  readonly name: string;
  readonly value: T;
  readonly hex: string;
}

const vectors = <T>(file: string): readonly Vector<T>[] =>
  JSON.parse(
    readFileSync(new URL(`../../src/wire/vectors/${file}.json`, import.meta.url), 'utf8'),
  ) as Vector<T>[];

const written = (message: TimedMessage, payload: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(TIMED_PART_HEADER_BYTES + payload.length);
  const at = encodeTimedHeader(bytes, 0, message);
  bytes.set(payload, at);
  return bytes.subarray(0, at + payload.length);
};

const receipted = (receipt: Receipt): Uint8Array => {
  const bytes = new Uint8Array(RECEIPT_BYTES);
  encodeReceipt(bytes, 0, receipt);
  return bytes;
};

describe('timed messages', () => {
  for (const { name, value, hex } of vectors<TimedMessage & { payload: string }>('timed-message'))
    test(name, () => {
      const { payload, ...message } = value;
      assert.equal(toHex(written(message, fromHex(payload)!)), hex);
      const bytes = fromHex(hex)!;
      const decoded = decodeTimedMessage(bytes, 0, bytes.length)!;
      const { payloadOffset, ...rest } = decoded;
      assert.deepEqual(rest, message);
      assert.equal(toHex(bytes.subarray(payloadOffset)), payload);
    });
  for (const { name, value, hex } of vectors<Receipt>('receipt'))
    test(`receipt: ${name}`, () => {
      assert.equal(toHex(receipted(value)), hex);
      assert.deepEqual(decodeReceipt(fromHex(hex)!, 0, RECEIPT_BYTES), value);
    });

  test('come back as they went', () => {
    const u16 = fc.integer({ min: 1, max: 65_535 });
    const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
    const common = { fromPort: u16, toPort: u16, conversation: fc.nat(65_535), number: u32 };
    const message = fc.record({
      playout: fc.nat(3),
      wantsReceipt: fc.boolean(),
      ...common,
      timeSent: u32,
      totalBytes: fc.constantFrom(0, 1_000, 65_000),
      offset: fc.nat(900),
    });
    fc.assert(
      fc.property(message, fc.uint8Array({ minLength: 1, maxLength: 100 }), (m, payload) => {
        const whole = { ...m, offset: m.totalBytes === 0 ? 0 : m.offset };
        const bytes = written(whole, payload);
        const { payloadOffset, ...rest } = decodeTimedMessage(bytes, 0, bytes.length)!;
        assert.deepEqual(rest, whole);
        assert.equal(bytes.length - payloadOffset, payload.length);
      }),
    );
    const receipt = fc.record({ verdict: fc.nat(1), ...common, before: fc.tuple(u32, u32) });
    fc.assert(
      fc.property(receipt, (r) => {
        assert.deepEqual(decodeReceipt(receipted(r), 0, RECEIPT_BYTES), { ...r });
      }),
    );
  });

  test('any bytes decode or do not, and never past their end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(64), (bytes, cut) => {
        bytes[0] = 5;
        const end = Math.min(cut, bytes.length);
        const message = decodeTimedMessage(bytes, 0, end);
        assert.ok(message === undefined || message.payloadOffset <= end);
        bytes[0] = 6;
        decodeReceipt(bytes, 0, end);
      }),
    );
  });

  test('a receipt covers its own number and the bits before it', () => {
    const receipt: Receipt = {
      verdict: 0,
      fromPort: 1,
      toPort: 2,
      conversation: 0,
      number: 100,
      before: [0b101, 0x8000_0000],
    };
    const covered = Array.from({ length: 110 }, (_, n) => n).filter((n) =>
      receiptCovers(receipt, n),
    );
    assert.deepEqual(covered, [36, 97, 99, 100]);
    assert.equal(receiptCovers({ ...receipt, verdict: 1 }, 100), false);
  });
});
