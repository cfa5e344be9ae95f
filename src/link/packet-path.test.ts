import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allocatedDuring } from '../kernel/allocations.test.ts';
import { DatagramBatch } from '../kernel/index.ts';
import { FRAME_DATA, SERVICE_DEFAULT } from '../wire/index.ts';
import { linkedPair } from './harness.test.ts';

/**
 * Less than the smallest object would take. Not zero: until the compiler has seen enough, a number
 * above 2^31 is boxed on its way out of a function, 12 bytes at a time.
 */
const BYTES_PER_PACKET = 20;

/** The rooms on the packet path, without their tests. */
const ROOMS = /dist\/(link|wire|kernel|security)\/(?!.*test)/;

/**
 * Code that is not compiled yet allocates, and on a busy machine the compiler is slow to come: measured
 * portion by portion until one holds, so many at most.
 */
const PORTION = 20_000;
const PORTIONS = 12;

test('sending and receiving data allocates nothing per packet', () => {
  const { world, a, b } = linkedPair();
  const { layer } = a;
  const sent: DatagramBatch[] = [];
  // Kept, so that the harness's own copies do not drown what is looked for.
  world.transmit = (from, batch) => {
    // In smaller batches: the compiler counts calls, and on a busy machine it is slow to answer.
    for (let first = 0; first < batch.count; first += 64) {
      const end = Math.min(batch.count, first + 64);
      const kept = new DatagramBatch({ capacity: 64, slabBytes: 64 * 1_400 });
      for (let i = first; i < end; i++) kept.push(batch.view(i), from.remote, 0);
      sent.push(kept);
    }
  };
  const burst = (packets: number): void => {
    for (let i = 0; i < packets; i++) {
      const at = layer.reserveData(b.address, 100, SERVICE_DEFAULT, world.now);
      // Best effort: what was in the slab before may say otherwise.
      layer.outgoingSlab.fill(0, at, at + 100);
      layer.outgoingSlab[at] = FRAME_DATA;
    }
    layer.flush(world.now);
  };
  burst(60_000);
  let sending = Number.POSITIVE_INFINITY;
  for (let i = 0; i < PORTIONS && sending >= BYTES_PER_PACKET; i++)
    sending = allocatedDuring(() => burst(PORTION), ROOMS) / PORTION;
  assert.ok(sending < BYTES_PER_PACKET, `${sending} bytes a packet sent`);

  let received = 0;
  b.onData = () => {
    received++;
  };
  // Whatever was sent is received: sixty thousand at least, then portion by portion.
  const portion = Math.ceil(PORTION / 64);
  let next = sent.length - portion;
  for (const batch of sent.slice(0, next)) b.layer.receive(batch, world.now);
  let receiving = Number.POSITIVE_INFINITY;
  for (let i = 0; i < PORTIONS && receiving >= BYTES_PER_PACKET; i++) {
    if (next >= sent.length) burst(PORTION);
    const before = received;
    const bytes = allocatedDuring(() => {
      for (; next < sent.length; next++) b.layer.receive(sent[next]!, world.now);
    }, ROOMS);
    receiving = bytes / (received - before);
  }
  assert.ok(receiving < BYTES_PER_PACKET, `${receiving} bytes a packet received`);
});
