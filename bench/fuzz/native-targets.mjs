/** What goes through the binding to the kernel and to OpenSSL: packets opened there, socket addresses. */
import { AEAD_COUNTER_BYTES, createAeadBatch } from '../../dist/kernel/index.js';
import { fastCrypto } from '../../dist/underlay/fast/index.js';
import {
  readSocketAddress,
  SOCKET_ADDRESS_BYTES,
  writeSocketAddress,
} from '../../dist/underlay/fast/socket-address.js';
import { nodeCrypto } from '../../dist/underlay/index.js';

const GUARD = 0xa5;
const GUARD_BYTES = 64;
const TAG_BYTES = 16;

/** Without the binding only the addresses are left. */
export function nativeTargets() {
  const portable = nodeCrypto();
  const fast = fastCrypto(portable);
  const addresses = { name: 'socket addresses', seeds: addressSeeds(), read: readAddress };
  if (!fast.ok) return [addresses];
  return [
    addresses,
    ...['aes-128-gcm', 'chacha20-poly1305'].map((algorithm) =>
      opening(algorithm, fast.value, portable),
    ),
  ];
}

/** Whatever comes, kept contexts open what `node:crypto` opens, and touch nothing around it. */
function opening(algorithm, fast, portable) {
  const raw = new Uint8Array(algorithm === 'aes-128-gcm' ? 16 : 32).fill(3);
  const near = fast.aeadKey(algorithm, raw);
  const far = portable.aeadKey(algorithm, raw);
  const batch = createAeadBatch(1);
  const fill = (key, slab, at, length) => {
    batch.count = 1;
    batch.keys[0] = key;
    batch.slabs[0] = slab;
    batch.offsets[0] = at;
    batch.lengths[0] = length;
    return batch;
  };
  const seeds = [0, 1, 64, 1_200].map((bytes) => {
    const slab = new Uint8Array(AEAD_COUNTER_BYTES + bytes + TAG_BYTES).fill(7);
    portable.sealBatch(fill(far, slab, AEAD_COUNTER_BYTES, bytes));
    return slab;
  });
  const read = (b, at, end) => {
    const length = end - at - AEAD_COUNTER_BYTES - TAG_BYTES;
    if (length < 0) return undefined;
    const results = [
      [fast, near],
      [portable, far],
    ].map(([crypto, key]) => {
      const slab = new Uint8Array(end - at + 2 * GUARD_BYTES).fill(GUARD);
      slab.set(b.subarray(at, end), GUARD_BYTES);
      crypto.openBatch(fill(key, slab, GUARD_BYTES + AEAD_COUNTER_BYTES, length));
      // A text that was refused may be spoilt.
      if (batch.results[0] !== 1)
        slab.fill(0, slab.length - GUARD_BYTES - TAG_BYTES - length, -GUARD_BYTES);
      slab.fill(0, slab.length - GUARD_BYTES - TAG_BYTES, -GUARD_BYTES);
      return `${batch.results[0]} ${Buffer.from(slab).toString('hex')}`;
    });
    if (results[0] !== results[1]) throw new Error(`${algorithm}: the two do not agree`);
    return undefined;
  };
  return { name: `opening, ${algorithm}`, seeds, read };
}

const interfaces = { nameOf: (index) => `if${index}`, indexOf: (name) => Number(name.slice(2)) };

function addressSeeds() {
  return ['192.0.2.1', '2001:db8::1', '::', 'fe80::1%if3', '::ffff:192.0.2.1'].map((host) => {
    const bytes = new Uint8Array(SOCKET_ADDRESS_BYTES);
    writeSocketAddress(bytes, 0, { host, port: 4_600 }, interfaces);
    return bytes;
  });
}

function readAddress(b, at, end) {
  const bytes = new Uint8Array(SOCKET_ADDRESS_BYTES);
  bytes.set(b.subarray(at, Math.min(end, at + SOCKET_ADDRESS_BYTES)));
  const read = readSocketAddress(bytes, 0, interfaces);
  if (read === undefined) return undefined;
  const again = new Uint8Array(SOCKET_ADDRESS_BYTES);
  if (!writeSocketAddress(again, 0, read, interfaces)) throw new Error(`not written: ${read.host}`);
  const back = readSocketAddress(again, 0, interfaces);
  if (back.host !== read.host || back.port !== read.port)
    throw new Error(`${read.host} came back as ${back.host}`);
  return read;
}
