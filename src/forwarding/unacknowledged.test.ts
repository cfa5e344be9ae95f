import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Instant, NodeAddress } from '../kernel/index.ts';
import { blankDataHeader, isDelivered } from '../wire/index.ts';
import { runsOf } from './arrivals.ts';
import { DuplicateWindow } from './duplicate-window.ts';
import {
  UNACKNOWLEDGED_LIFE,
  Unacknowledged,
  WINDOW_BYTES,
  WINDOW_PACKETS,
} from './unacknowledged.ts';

const TO = 9 as NodeAddress;

function bench() {
  const repeated: { sequence: number; lap: number; at: number }[] = [];
  const counts = { expired: 0, unkept: 0, drained: 0 };
  const kept = new Unacknowledged({
    repeat: (frame, lap, at) => repeated.push({ sequence: frame[0]! * 256 + frame[1]!, lap, at }),
    expired: () => counts.expired++,
    unkept: () => counts.unkept++,
    drained: () => counts.drained++,
  });
  const header = blankDataHeader();
  const send = (sequence: number, now: number, bytes = 1_000, destination = TO): void => {
    header.flow = 1;
    header.sequence = sequence;
    header.destination = destination;
    kept.keep(
      header,
      Uint8Array.of(sequence >> 8, sequence),
      new Uint8Array(bytes),
      now as Instant,
    );
  };
  /** The destination has these. */
  const ack = (sequences: readonly number[], now: number, isSigned = false): void => {
    const window = new DuplicateWindow(8_192);
    for (const n of sequences) window.admit(n);
    const flow = { source: 1 as NodeAddress, epoch: 1, flow: 1, isSigned, ...runsOf(window) };
    kept.acknowledged(TO, flow, now as Instant);
  };
  const run = (until: number): void => {
    for (let next = kept.nextTimeout(); next <= until; ) {
      kept.timeout(next as Instant);
      const again = kept.nextTimeout();
      assert.ok(again > next, 'a due timeout makes progress');
      next = again;
    }
  };
  return { kept, send, ack, run, repeated, counts };
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

test('a pair is full at its window and drained at half of it; another pair is not', () => {
  const { kept, send, ack, counts } = bench();
  let sent = 0;
  while (!kept.isFull(TO, 1)) send(sent++, 0);
  assert.ok(kept.bytes > 16_384 && kept.bytes < 65_536);
  assert.equal(kept.isFull(8 as NodeAddress, 1), false);
  ack(upTo(sent / 4), 1_000);
  assert.equal(counts.drained, 0);
  ack(upTo(sent), 2_000);
  assert.equal(counts.drained, 1);
  assert.equal(kept.isFull(TO, 1), false);
  assert.equal(kept.bytes + kept.length, 0);
});

test('the window grows to its bound while acknowledgements are quick, and shrinks when they are late', () => {
  const { kept, send, ack } = bench();
  let sent = 0;
  const fill = (now: number): number => {
    while (!kept.isFull(TO, 1)) send(sent++, now);
    return kept.bytes;
  };
  let now = 1;
  for (let round = 0; round < 30; round++) {
    assert.ok(fill(now) < WINDOW_BYTES + 1_100);
    now += 100_000;
    ack(upTo(sent), now);
  }
  assert.ok(fill(now) >= WINDOW_BYTES);
  for (let round = 0; round < 30; round++) {
    fill(now);
    now += 900_000;
    ack(upTo(sent), now);
  }
  assert.ok(fill(now) < WINDOW_BYTES / 8, `${kept.bytes}`);
});

test('small packets are bounded by what an acknowledgement can tell of', () => {
  const { kept, send, ack } = bench();
  for (let sent = 0; sent < WINDOW_PACKETS; sent++) {
    assert.equal(kept.isFull(TO, 1), false);
    send(sent, 0, 10);
  }
  assert.ok(kept.isFull(TO, 1));
  ack(upTo(WINDOW_PACKETS).slice(1), 1_000);
  assert.ok(kept.isFull(TO, 1), 'the oldest is missing: numbers must not run away from it');
  assert.equal(kept.length, 1);
});

test('what is not acknowledged goes again in later laps, ever more seldom, and ends', () => {
  const { kept, send, run, repeated, counts } = bench();
  send(5, 0);
  run(UNACKNOWLEDGED_LIFE + 20_000_000);
  assert.deepEqual(
    repeated.map(({ lap }) => lap),
    upTo(repeated.length).map((n) => n + 1),
  );
  assert.ok(repeated.length >= 2 && repeated.length <= 6, `${repeated.length} times`);
  assert.deepEqual([counts.expired, kept.length], [1, 0]);
  assert.equal(kept.nextTimeout(), Number.POSITIVE_INFINITY);
});

test('what comes back in time is not sent twice; a hole is sent again alone', () => {
  const { send, ack, run, repeated } = bench();
  for (let n = 0; n < 100; n++) send(n, n * 10_000);
  run(900_000);
  ack(
    upTo(90).filter((n) => n !== 40),
    1_000_000,
  );
  ack(
    upTo(100).filter((n) => n !== 40),
    1_100_000,
  );
  run(3_000_000);
  assert.deepEqual([...new Set(repeated.map(({ sequence }) => sequence))], [40]);
});

test('runs tell exactly what a window has seen', () => {
  const sequences = fc.array(fc.nat(1_500), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(sequences, fc.boolean(), (seen, isDense) => {
      const window = new DuplicateWindow(8_192);
      for (const n of seen) for (let i = 0; i < (isDense ? 40 : 1); i++) window.admit(n + i);
      const told = {
        source: 1 as NodeAddress,
        epoch: 1,
        flow: 1,
        isSigned: false,
        ...runsOf(window),
      };
      const span = told.runs.reduce((sum, run) => sum + run, 0);
      assert.equal(told.greatest, window.greatest);
      for (let n = 0; n <= window.greatest + 3; n++)
        if (n > window.greatest - span) assert.equal(isDelivered(told, n), window.has(n), `${n}`);
        else assert.equal(isDelivered(told, n), false);
    }),
  );
});

test('what arrived in the name of a source that signs is not what it has sent', () => {
  const { kept, send, ack } = bench();
  send(0, 0);
  ack([0], 1_000, true);
  assert.equal(kept.length, 1);
  ack([0], 2_000, false);
  assert.equal(kept.length, 0);
});
