import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Load, quantile, STALLED_MS } from './load.ts';

function bench() {
  const sent: Uint8Array[] = [];
  const clock = { ms: 0 };
  const socket = {
    room: Number.POSITIVE_INFINITY,
    sendMany(payloads: readonly Uint8Array[]): number {
      const taken = Math.min(payloads.length, socket.room);
      for (const payload of payloads.slice(0, taken)) sent.push(payload.slice());
      socket.room -= taken;
      return taken;
    },
  };
  const load = new Load({ socket, bytes: 100, now: () => clock.ms });
  return { load, sent, clock, socket };
}

test('a closed load keeps its window full, and each arrival makes room for one', () => {
  const { load, sent } = bench();
  load.keep(4);
  assert.equal(sent.length, 4);
  load.arrived([sent[0]!, sent[1]!]);
  assert.equal(sent.length, 6);
  assert.equal(load.received, 2);
  load.keep(0);
  load.arrived([sent[2]!]);
  assert.equal(sent.length, 6);
});

test('a wide window opens by what arrives', () => {
  const { load, sent } = bench();
  load.keep(100);
  assert.equal(sent.length, 64);
  load.arrived(sent.slice(0, 10));
  assert.equal(sent.length, 64 + 20);
  load.arrived(sent.slice(10, 64));
  assert.equal(sent.length - 64, 100);
});

test('a socket without room is waited for', () => {
  const { load, sent, socket } = bench();
  socket.room = 3;
  load.keep(10);
  assert.equal(sent.length, 3);
  socket.room = 100;
  load.drained();
  assert.equal(sent.length, 10);
});

test('after a silence a closed load gives up what was lost and goes on', () => {
  const { load, sent, clock } = bench();
  load.keep(4);
  clock.ms = STALLED_MS - 1;
  load.watch();
  assert.equal(sent.length, 4);
  clock.ms = STALLED_MS;
  load.watch();
  assert.equal(sent.length, 8);
});

test('a paced load sends what is due and knows how long each packet took', () => {
  const { load, sent, clock } = bench();
  clock.ms = 5;
  load.pace({ beganMs: 0, perSecond: 1_000, before: 0 });
  assert.equal(sent.length, 5);
  clock.ms = 8;
  load.arrived([sent[4]!]);
  assert.deepEqual(load.latencies, [3]);
});

test('quantiles are values of the list', () => {
  const sorted = Array.from({ length: 100 }, (_, i) => i + 1);
  assert.equal(quantile(sorted, 0.5), 50);
  assert.equal(quantile(sorted, 0.99), 99);
  assert.equal(quantile(sorted, 1), 100);
});
