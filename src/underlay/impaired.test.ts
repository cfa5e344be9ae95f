import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import {
  DatagramBatch,
  type Instant,
  milliseconds,
  Random,
  type UnderlayAddress,
  underlayAddress,
  wallTime,
} from '../kernel/index.ts';
import type { Clock } from './clock.ts';
import { ImpairedUnderlay } from './impaired.ts';
import type { Underlay } from './underlay.ts';

const NEAR = underlayAddress('10.0.0.1', 1);
const FAR = underlayAddress('10.0.0.2', 2);

interface Rig {
  readonly underlay: ImpairedUnderlay;
  readonly sent: { readonly key: string; readonly atMs: number; readonly byte: number }[];
  send(remote: UnderlayAddress, byte: number): void;
}

/** An impaired underlay over a recorder, on the test runner's mocked timers and a mocked clock. */
function rig(options: { isLab?: boolean; heldMax?: number } = {}): Rig {
  const sent: Rig['sent'] = [];
  const start = Date.now();
  const clock: Clock = {
    now: () => ((Date.now() - start) * 1_000) as Instant,
    wall: () => wallTime(0),
    stepped: () => false,
  };
  const inner: Underlay = {
    kind: 'recorder',
    locals: [NEAR],
    buffers: { receiveBytes: 0, sendBytes: 0 },
    start: () => undefined,
    send: (batch) => {
      for (let i = 0; i < batch.count; i++)
        sent.push({
          key: batch.remotes[i]!.key,
          atMs: clock.now() / 1_000,
          byte: batch.view(i)[0]!,
        });
    },
    counters: () => ({}),
    close: async () => undefined,
  };
  const underlay = new ImpairedUnderlay({
    inner,
    clock,
    random: new Random(3),
    isLab: () => options.isLab ?? true,
    ...(options.heldMax === undefined ? {} : { heldMax: options.heldMax }),
  });
  return {
    underlay,
    sent,
    send: (remote, byte): void => {
      const batch = new DatagramBatch({ capacity: 1, slabBytes: 100 });
      batch.push(Uint8Array.of(byte), remote, 0);
      underlay.send(batch);
      batch.slab.fill(0);
    },
  };
}

test('only a lab can be impaired', () => {
  const { underlay } = rig({ isLab: false });
  assert.throws(() => underlay.impair(FAR.key, { cut: true }), { code: 'NOT_A_LAB' });
  assert.throws(() => underlay.restore(FAR.key), { code: 'NOT_A_LAB' });
});

test('nonsense is refused and changes nothing', () => {
  const { underlay } = rig();
  assert.throws(() => underlay.impair(FAR.key, { loss: 2 }), { code: 'BAD_ARGUMENT' });
  assert.equal(underlay.impairments().size, 0);
});

test('delay holds datagrams to one remote and none to the others, in order', () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  try {
    const { underlay, sent, send } = rig();
    underlay.impair(FAR.key, { delay: milliseconds(20) });
    send(FAR, 1);
    send(NEAR, 2);
    mock.timers.tick(5);
    send(FAR, 3);
    assert.deepEqual(sent, [{ key: NEAR.key, atMs: 0, byte: 2 }]);
    mock.timers.tick(14);
    assert.equal(sent.length, 1);
    mock.timers.tick(1);
    mock.timers.tick(5);
    assert.deepEqual(sent.slice(1), [
      { key: FAR.key, atMs: 20, byte: 1 },
      { key: FAR.key, atMs: 25, byte: 3 },
    ]);
    assert.equal(underlay.counters()['impaired.held'], 0);
  } finally {
    mock.timers.reset();
  }
});

test('a datagram due sooner than those held does not wait for them', () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  try {
    const { underlay, sent, send } = rig();
    underlay.impair(FAR.key, { delay: milliseconds(500) });
    underlay.impair(NEAR.key, { delay: milliseconds(10) });
    send(FAR, 1);
    send(NEAR, 2);
    mock.timers.tick(10);
    assert.deepEqual(
      sent.map((s) => s.byte),
      [2],
    );
  } finally {
    mock.timers.reset();
  }
});

test('a cut and its repair take effect at once and are counted', () => {
  const { underlay, sent, send } = rig();
  underlay.impair(FAR.key, { cut: true });
  send(FAR, 1);
  underlay.impair(FAR.key, { cut: false });
  send(FAR, 2);
  underlay.restore(FAR.key);
  send(FAR, 3);
  assert.deepEqual(
    sent.map((s) => s.byte),
    [2, 3],
  );
  assert.equal(underlay.impairments().size, 0);
});

test('what is held is bounded and the newest is dropped', () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  try {
    const { underlay, sent, send } = rig({ heldMax: 3 });
    underlay.impair(FAR.key, { delay: milliseconds(5) });
    for (let i = 0; i < 5; i++) send(FAR, i);
    mock.timers.tick(10);
    assert.deepEqual(
      sent.map((s) => s.byte),
      [0, 1, 2],
    );
    assert.equal(underlay.counters()['impaired.held-overflow'], 2);
  } finally {
    mock.timers.reset();
  }
});

test('closing lets held datagrams still travel, for a while', async () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  try {
    const { underlay, sent, send } = rig();
    underlay.impair(FAR.key, { delay: milliseconds(30) });
    send(FAR, 1);
    const closed = underlay.close();
    mock.timers.tick(30);
    await closed;
    assert.equal(sent.length, 1);

    const slow = rig();
    slow.underlay.impair(FAR.key, { delay: milliseconds(60_000) });
    slow.send(FAR, 1);
    const given = slow.underlay.close();
    mock.timers.tick(500);
    await given;
    assert.equal(slow.sent.length, 0);
  } finally {
    mock.timers.reset();
  }
});
