import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Duration, Instant } from '../../kernel/index.ts';
import { fromHex, toHex } from '../../kernel/index.ts';
import type { ParityHead } from '../../wire/index.ts';
import {
  blankParityHead,
  CONTROL_FRAME_HEADER_BYTES,
  decodeParityHead,
  encodeParity,
  parityOverhead,
} from '../../wire/index.ts';
import { addToParity, frameOfShard, solve } from './erasure-code.ts';
import { ParityReceiver } from './parity-receiver.ts';
import { ParitySender } from './parity-sender.ts';

interface Vector {
  readonly name: string;
  readonly hex: string;
  readonly frames: readonly string[];
  readonly head: ParityHead;
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../../src/wire/vectors/parity-frame.json', import.meta.url), 'utf8'),
);

function parityOf(frames: readonly Uint8Array[], index: number): Uint8Array {
  const parity = new Uint8Array(2 + Math.max(...frames.map((frame) => frame.length)));
  frames.forEach((frame, shard) => {
    addToParity(parity, { parity: index, shard }, frame);
  });
  return parity;
}

for (const { name, hex, frames, head } of vectors) {
  test(`golden vector: ${name}`, () => {
    const parity = parityOf(
      frames.map((frame) => fromHex(frame)!),
      head.index,
    );
    const whole = new Uint8Array(parityOverhead(frames.length) + parity.length);
    encodeParity(whole, 0, head, parity);
    assert.equal(toHex(whole), hex);
    const decoded = blankParityHead();
    const at = decodeParityHead(decoded, whole, CONTROL_FRAME_HEADER_BYTES, whole.length);
    assert.equal(at, whole.length - parity.length);
    assert.deepEqual(decoded, head);
  });
}

const frames = fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), {
  minLength: 1,
  maxLength: 16,
});

test('any as many parities as frames are missing give the frames back', () => {
  fc.assert(
    fc.property(frames, fc.infiniteStream(fc.nat(1_000)), (all, draws) => {
      const draw = (): number => draws.next().value;
      const order = all.map((_, i) => ({ i, by: draw() })).sort((a, b) => a.by - b.by);
      const count = 1 + (draw() % Math.min(8, all.length));
      const missing = order.slice(0, count).map(({ i }) => i);
      const indices = Array.from({ length: 8 }, (_, i) => ({ i, by: draw() }))
        .sort((a, b) => a.by - b.by)
        .slice(0, count)
        .map(({ i }) => i);
      const parities = indices.map((index) => ({ index, bytes: parityOf(all, index) }));
      for (const { index, bytes } of parities)
        all.forEach((frame, shard) => {
          if (!missing.includes(shard)) addToParity(bytes, { parity: index, shard }, frame);
        });
      const shards = solve(missing, parities);
      missing.forEach((shard, n) => {
        assert.deepEqual(frameOfShard(shards[n]!), all[shard]);
      });
    }),
    { numRuns: 500 },
  );
});

test('what a sender protects a receiver gets back, with its age', () => {
  const receiver = new ParityReceiver();
  const regained = new Map<number, { frame: Uint8Array; held: Duration; at: number }>();
  const sender = new ParitySender({
    loss: () => ({ out: 0.1, burst: 3_000 as Duration }),
    send: (head, parity, now) => {
      for (const { counter, frame, held } of receiver.parity(head, parity, now))
        regained.set(counter, { frame, held, at: now });
    },
  });
  const wanted = 20_000 as Duration;
  let lost = 0;
  for (let counter = 0; counter < 400; counter++) {
    const now = (1_000 * counter) as Instant;
    sender.timeout(now);
    const frame = new Uint8Array(20 + (counter % 7)).fill(counter & 255);
    sender.add({ session: 1, counter, frame, wanted }, now);
    const isLost = counter > 50 && counter % 40 < 3;
    if (isLost) lost++;
    else receiver.keep({ session: 1, counter, bytes: frame, at: 0, length: frame.length }, now);
  }
  sender.timeout(500_000 as Instant);
  assert.equal(regained.size, lost);
  for (const [counter, { frame, held, at }] of regained) {
    assert.equal(frame.length, 20 + (counter % 7));
    assert.ok(frame.every((byte) => byte === (counter & 255)));
    assert.ok(Math.abs(held - (at - 1_000 * counter)) <= 1_000);
    assert.ok(held <= wanted + 1_000, `${held}`);
  }
});

test('any bytes as a parity bring no throw and no frame that was never sent twice', () => {
  const receiver = new ParityReceiver();
  const head = blankParityHead();
  let now = 0;
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 120 }), fc.nat(20), (bytes, counter) => {
      now += 100;
      const at = now as Instant;
      const frame = { session: 1, counter, bytes, at: 0, length: bytes.length };
      receiver.keep(frame, at);
      const parity = decodeParityHead(head, bytes, 0, bytes.length);
      if (parity < 0) return;
      assert.ok(parity < bytes.length && head.counters.length <= 16);
      for (const session of [1, head.session])
        receiver.parity({ ...head, session }, bytes.subarray(parity), at);
    }),
    { numRuns: 3_000 },
  );
});
