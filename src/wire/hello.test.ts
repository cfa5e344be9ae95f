import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex } from '../kernel/index.ts';
import type { Hello } from './hello.ts';
import {
  blankHello,
  decodeHello,
  encodeHello,
  HELLO_BODY_BYTES,
  HELLO_FRAME_BYTES,
  HELLO_FULL_FRAME_BYTES,
  HELLO_HOLD_NONE,
  HELLO_PACED_FRAME_BYTES,
  helloFrameBytes,
} from './hello.ts';
import { CONTROL_FRAME_HEADER_BYTES, FRAME_HELLO } from './packet-types.ts';

const vectors: readonly { name: string; hex: string; value: Partial<Hello> }[] = JSON.parse(
  readFileSync(new URL('../../src/wire/vectors/hello.json', import.meta.url), 'utf8'),
);

function frameOf(hello: Hello): Uint8Array {
  const frame = new Uint8Array(helloFrameBytes(hello.pace, hello.hasArrivals));
  encodeHello(frame, 0, hello);
  return frame;
}

for (const { name, hex, value } of vectors) {
  test(`golden vector: ${name}`, () => {
    assert.equal(toHex(frameOf({ ...blankHello(), ...value })), hex);
    const hello = blankHello();
    const frame = fromHex(hex)!;
    assert.equal(decodeHello(hello, frame, CONTROL_FRAME_HEADER_BYTES, frame.length), true);
    assert.deepEqual(hello, { ...blankHello(), ...value });
  });
}

test('a hello survives the wire, its losses to within 16 parts per million', () => {
  const hellos = fc.record({
    flags: fc.nat(255),
    timestamp: fc.nat(0xffff_ffff),
    echo: fc.nat(0xffff_ffff),
    hold: fc.nat(HELLO_HOLD_NONE),
    lossNowPpm: fc.nat(1_000_000),
    lossToldPpm: fc.nat(1_000_000),
    pace: fc.constant(0),
    rtt: fc.constant(-1),
    hasArrivals: fc.constant(false),
    arrivals: fc.constant(blankHello().arrivals),
  });
  fc.assert(
    fc.property(hellos, fc.nat(40), (hello, at) => {
      const slab = new Uint8Array(64).fill(0xee);
      encodeHello(slab, at, hello);
      assert.equal(slab[at], FRAME_HELLO);
      const out = blankHello();
      assert.equal(decodeHello(out, slab, at + 3, at + HELLO_FRAME_BYTES), true);
      const { lossNowPpm, lossToldPpm, ...exact } = out;
      for (const [name, value] of Object.entries(exact))
        assert.deepEqual(value, hello[name as keyof Hello]);
      assert.ok(Math.abs(lossNowPpm - hello.lossNowPpm) <= 8);
      assert.ok(Math.abs(lossToldPpm - hello.lossToldPpm) <= 8);
    }),
  );
});

test('a body too short is refused and a longer one read as far as it is known', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const isLongEnough = bytes.length >= HELLO_BODY_BYTES;
      assert.equal(decodeHello(blankHello(), bytes, 0, bytes.length), isLongEnough);
    }),
  );
});

test('a slow hello tells its pace and what its sender measures, to within 3.3 percent', () => {
  const figures = fc.record({
    pace: fc.integer({ min: 300, max: 14_000_000 }),
    rtt: fc.oneof(fc.constant(-1), fc.integer({ min: 300, max: 14_000_000 })),
  });
  fc.assert(
    fc.property(figures, ({ pace, rtt }) => {
      const frame = frameOf({ ...blankHello(), pace, rtt });
      assert.equal(frame.length, HELLO_PACED_FRAME_BYTES);
      const out = blankHello();
      assert.ok(decodeHello(out, frame, 3, frame.length));
      assert.ok(Math.abs(out.pace - pace) <= 0.033 * pace + 8);
      if (rtt < 0) assert.equal(out.rtt, -1);
      else assert.ok(Math.abs(out.rtt - rtt) <= 0.033 * rtt + 8);
    }),
  );
});

test('a hello tells how packets arrive, each figure to within half of its step', () => {
  const arrivals = fc.record({
    jitter: fc.integer({ min: 0, max: 1_000_000 }),
    burst: fc.double({ min: 0, max: 4_000, noNaN: true }),
    reorderedPpm: fc.nat(1_000_000),
    reorderExtent: fc.double({ min: 0, max: 4_000, noNaN: true }),
  });
  const pace = fc.oneof(fc.constant(0), fc.integer({ min: 300, max: 14_000_000 }));
  fc.assert(
    fc.property(arrivals, pace, (told, paced) => {
      const frame = frameOf({ ...blankHello(), pace: paced, hasArrivals: true, arrivals: told });
      assert.equal(frame.length, HELLO_FULL_FRAME_BYTES);
      const out = blankHello();
      assert.ok(decodeHello(out, frame, 3, frame.length));
      assert.equal(out.hasArrivals, true);
      assert.equal(out.pace === 0, paced === 0);
      assert.ok(Math.abs(out.arrivals.jitter - told.jitter) <= 8);
      assert.ok(Math.abs(out.arrivals.burst - told.burst) <= 1 / 32);
      assert.ok(Math.abs(out.arrivals.reorderedPpm - told.reorderedPpm) <= 8);
      assert.ok(Math.abs(out.arrivals.reorderExtent - told.reorderExtent) <= 1 / 32);
    }),
  );
});
