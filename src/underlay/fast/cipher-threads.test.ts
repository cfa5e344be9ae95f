/** Several threads must make what one makes, whoever does which packet. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  AEAD_TAG_BYTES,
  type AeadBatch,
  type Crypto,
  createAeadBatch,
  InvariantError,
  Random,
  writeU32,
} from '../../kernel/index.ts';
import { nodeCrypto } from '../crypto.ts';
import { FAILED } from './cipher-job.ts';
import { CipherThreads } from './cipher-threads.ts';
import { Evp } from './evp.ts';
import { fastCrypto } from './fast-crypto.ts';
import { native } from './native.ts';

const portable = nodeCrypto();
const alone = fastCrypto(portable);
const options = { skip: alone.ok ? false : alone.reason, timeout: 60_000 };
const PACKET = 200;
const CAPACITY = 1_200;

test('several threads seal and open as one does, and tell forgeries', options, () => {
  const several = fastCrypto(portable, 3);
  assert.ok(alone.ok && several.ok);
  const cryptos: Crypto[] = [alone.value, several.value];
  const keys = cryptos.map((crypto) =>
    [1, 2, 3].map((n) => crypto.aeadKey('aes-128-gcm', new Uint8Array(16).fill(n))),
  );
  const [one, other] = [emptyBatch(), emptyBatch()];
  fc.assert(
    fc.property(fc.integer({ min: 1, max: CAPACITY }), fc.nat(), (count, seed) => {
      for (const [i, batch] of [one, other].entries()) {
        fill(batch, { count, seed, keys: keys[i]! });
        cryptos[i]!.sealBatch(batch);
      }
      assert.deepEqual(other.slabs[0], one.slabs[0]);
      const forged = seed % count;
      for (const [i, batch] of [one, other].entries()) {
        batch.slabs[0]![forged * PACKET + 30]! ^= 1;
        cryptos[i]!.openBatch(batch);
      }
      assert.deepEqual(other.slabs[0], one.slabs[0]);
      assert.deepEqual(other.results, one.results);
      const refused = [...other.results.subarray(0, count)].flatMap((r, i) => (r === 1 ? [] : [i]));
      assert.deepEqual(refused, [forged]);
    }),
    { numRuns: 60 },
  );
});

test('a packet outside its slab is refused before any thread sees it', options, () => {
  const several = fastCrypto(portable, 2);
  assert.ok(several.ok);
  const keys = [several.value.aeadKey('aes-128-gcm', new Uint8Array(16))];
  const batch = emptyBatch();
  fill(batch, { count: 64, seed: 1, keys });
  const before = batch.slabs[0]!.slice();
  batch.lengths[63] = batch.slabs[0]!.length;
  assert.throws(() => several.value.sealBatch(batch), InvariantError);
  assert.deepEqual(batch.slabs[0], before);
  fill(batch, { count: 64, seed: 1, keys });
  several.value.sealBatch(batch);
  assert.ok(batch.results.subarray(0, 64).every((result) => result === 1));
});

test('a thread that has failed ends the batch with a reason', options, () => {
  const binding = native();
  assert.ok(binding.ok);
  const evp = Evp.find(binding.value);
  assert.ok(evp.ok);
  const threads = new CipherThreads(evp.value, 2);
  threads.run(0);
  Atomics.store(threads.job.control, FAILED, 1);
  assert.throws(() => threads.run(0), /a cipher thread has failed/);
});

function emptyBatch(): AeadBatch {
  const batch = createAeadBatch(CAPACITY);
  batch.slabs.push(new Uint8Array(CAPACITY * PACKET));
  return batch;
}

/** Packets of drawn lengths, keys in turn, each with its own nonce. */
function fill(
  batch: AeadBatch,
  {
    count,
    seed,
    keys,
  }: { count: number; seed: number; keys: readonly AeadBatch['keys'][number][] },
): void {
  const random = new Random(seed);
  const slab = batch.slabs[0]!;
  slab.set(random.bytes(slab.length));
  batch.results.fill(0);
  batch.count = count;
  for (let i = 0; i < count; i++) {
    batch.keys[i] = keys[(i >> 2) % keys.length]!;
    batch.slabs[i] = slab;
    writeU32(slab, i * PACKET + 12, i);
    batch.heads[i] = i & 0xffffff;
    batch.offsets[i] = i * PACKET + 16;
    batch.lengths[i] = 15 + random.below(PACKET - 32 - AEAD_TAG_BYTES);
  }
}
