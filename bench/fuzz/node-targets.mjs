/**
 * The receive path of whole nodes. `outside`: anybody's datagrams, made from real ones. `insider`: a
 * member sends sealed rubbish, on the link and end to end. `handshake`: a member's handshakes carry
 * rubbish under right MACs and tags. None may throw, stall, or stop the node from serving others.
 */
import {
  AEAD_COUNTER_BYTES,
  AEAD_TAG_BYTES,
  concatBytes,
  createAeadBatch,
  instant,
  readU16,
  readU32,
  underlayAddress,
  writeU16,
  writeU32,
} from '../../dist/kernel/index.js';
import { simCrypto } from '../../dist/sim/index.js';
import * as wire from '../../dist/wire/index.js';
import { World } from './world.mjs';

const INPUTS_PER_WORLD = 4_000;
const BETWEEN_INPUTS = 100;
const SAMPLES_MAX = 400;
const MALLORY_EPOCH = 1;
const CONTENT_BYTES_MAX = 1_000;
const PUBLIC_KEY_BYTES = 32;
/** A new flow now and then: a window that was driven to its end must not shield the rest. */
const flowOf = (sequence) => 0x8000 | ((sequence >> 5) & 0x7fff);
const STRANGER = underlayAddress('stranger', 9);

export const nodeTargets = () => [
  { name: 'node, from outside', weight: 3, feed: outsideFeed() },
  { name: 'node, from an insider', weight: 3, feed: insiderFeed() },
  { name: 'node, in handshakes', weight: 0.2, feed: handshakeFeed() },
];

/** One world after another: each ends after some inputs, when asked, or when a neighbour is gone. */
function worlds(build, act) {
  let world;
  let age = 0;
  let seed = 0;
  return (mutator) => {
    if (world === undefined || age >= INPUTS_PER_WORLD || world.isSpent?.()) {
      const old = world;
      world = undefined;
      if (old !== undefined) checkHealth(old);
      world = build(++seed, mutator);
      age = 0;
    }
    age++;
    act(world, mutator);
  };
}

/** The others are still served: Carol's echo comes back from Bob, over a link that is up. */
function checkHealth(world) {
  const { bob, carol } = world;
  if (carol === undefined) return;
  world.tap = undefined;
  let id = 0;
  const isAnswered = () => {
    carol.node.echo(++id, bob.node.address, {}, instant(world.now));
    carol.node.flush(instant(world.now));
    world.run(5_000);
    return carol.events.some((e) => e.kind === 'echo' && e.id === id);
  };
  world.runUntil(isAnswered, 'an echo from Carol to Bob');
}

function outsideFeed() {
  return worlds(
    (seed) => {
      const seen = [];
      const world = liveWorld(seed, simCrypto(), (bytes, to) => {
        if (to.startsWith('bob:') && seen.length < SAMPLES_MAX) seen.push(bytes);
      });
      const stranger = { bytesIn: 0, bytesOut: 0 };
      world.tap = (_from, bytes, to) => {
        if (to === STRANGER.key) stranger.bytesOut += bytes.length;
        return true;
      };
      return Object.assign(world, { seen, stranger });
    },
    (world, mutator) => {
      mutator.next(world.seen);
      const from = mutator.random.chance(0.5) ? world.mallory.remote : STRANGER;
      const { stranger } = world;
      if (from === STRANGER) stranger.bytesIn += mutator.view().length;
      world.deliver(world.bob, mutator.view(), from);
      world.run(BETWEEN_INPUTS);
      if (stranger.bytesOut > stranger.bytesIn) throw new Error('a stranger got more than it sent');
    },
  );
}

function insiderFeed() {
  return worlds(insiderWorld, (world, mutator) => {
    const { link, ends } = world.told;
    const isEndToEnd = ends.length > 0 && mutator.random.chance(0.6);
    mutator.next(isEndToEnd ? mutator.random.pick(ends).samples : link.samples);
    const plaintext = mutator.view().slice(0, 1_200);
    const frames = isEndToEnd ? world.dataFrame(mutator.random.pick(ends), plaintext) : plaintext;
    if (!isEndToEnd) world.rename(frames, mutator.random.chance(0.95));
    world.deliver(world.bob, world.sealed(frames), world.mallory.remote);
    world.run(BETWEEN_INPUTS);
  });
}

/** Mallory is real until links and end-to-end sessions stand; then the fuzzer has the keys. */
function insiderWorld(seed) {
  const told = { link: undefined, ends: [], unnamed: [] };
  const world = liveWorld(seed, tellingCrypto(told));
  world.nodes.delete('mallory');
  let counter = told.link.counter + 1;
  let sequence = 1_000_000;
  return Object.assign(world, {
    told,
    isSpent: () =>
      world.bob.events.some((e) => e.kind === 'link-down' && e.neighbour === world.malloryAddress),
    sealed(frames) {
      const header = new Uint8Array(wire.SEALED_HEADER_BYTES);
      wire.writeSealedHeader(header, 0, told.link.receiver, counter++);
      return sealed(told.link.key, header, wire.headOfSealed(wire.DROP_NEVER), frames);
    },
    /**
     * Data frames, wherever they begin, never bear another member's address: headers are not signed, so
     * a member that takes another's name can spend its sequence numbers, and health could not be
     * checked. `isFresh`: nor are they duplicates, or of an epoch that makes all later ones stale.
     */
    rename(frames, isFresh) {
      const others = [world.bob.node.address, world.carol.node.address];
      for (let at = 0; at + 8 <= frames.length; at++)
        if (frames[at] === wire.FRAME_DATA && others.includes(readU32(frames, at + 4)))
          writeU32(frames, at + 4, world.malloryAddress);
      if (!isFresh || frames[0] !== wire.FRAME_DATA || frames.length < wire.DATA_HEADER_BYTES)
        return;
      writeU32(frames, 12, MALLORY_EPOCH);
      writeU16(frames, 16, flowOf(sequence));
      writeU32(frames, 20, sequence++);
    },
    dataFrame({ key, name, index }, plaintext) {
      const flow = flowOf(sequence);
      const header = { ...wire.blankDataHeader(), ...name, flow, sequence, hopLimit: 64 };
      const bytes = new Uint8Array(wire.DATA_HEADER_BYTES);
      wire.encodeDataHeader(bytes, 0, header, wire.NO_ROUTE);
      const own = new Uint8Array(AEAD_COUNTER_BYTES);
      writeU16(own, 0, flow);
      writeU32(own, 4, sequence++);
      const text = sealed(key, own, 0, plaintext).subarray(AEAD_COUNTER_BYTES);
      return concatBytes(bytes, index, text);
    },
  });
}

/** Mallory calls Bob, or is called by a node that is new each time; or both are honest and the way is not. */
function handshakeFeed() {
  return worlds(
    (seed) => {
      const world = new World(seed);
      return Object.assign(world, { bob: world.add('bob'), attempts: 0 });
    },
    (world, mutator) => {
      const isOnTheWay = mutator.random.chance(0.2);
      const crypto = isOnTheWay ? simCrypto() : lyingCrypto(mutator);
      const epoch = ++world.attempts;
      world.tap = (_from, bytes) => {
        if (isOnTheWay && mutator.random.chance(0.3)) mutator.spoil(bytes, 0, bytes.length);
        return true;
      };
      if (mutator.random.chance(0.5)) world.add('mallory', { neighbours: ['bob'], crypto, epoch });
      else {
        world.add('mallory', { crypto, epoch });
        world.add('victim', { neighbours: ['mallory'], epoch });
      }
      world.run(30_000);
      world.nodes.delete('mallory');
      world.nodes.delete('victim');
    },
  );
}

/** All three up, with datagrams, fragments, streams and echoes from Mallory to both others. */
function liveWorld(seed, malloryCrypto, onDatagram) {
  const world = new World(seed);
  world.tap = (_from, bytes, to) => {
    onDatagram?.(bytes, to);
    return true;
  };
  const bob = world.add('bob');
  const carol = world.add('carol', { neighbours: ['bob'] });
  const mallory = world.add('mallory', { neighbours: ['bob'], crypto: malloryCrypto });
  const addresses = [bob, carol].map(({ node }) => node.address);
  const isKnown = () =>
    ['bob', 'carol'].every((name) => mallory.node.addressOf(name) !== undefined) &&
    mallory.node.status(instant(world.now)).routes.filter((r) => r.path.length > 0).length >= 2;
  world.runUntil(isKnown, 'routes');
  const now = () => instant(world.now);
  for (const { node } of [bob, carol]) {
    node.datagramBind({ port: 5_000 }, now());
    node.streamListen({ port: 80 }, now());
  }
  const socket = mallory.node.datagramBind({}, now()).value.socket;
  const streams = addresses.map((to) => mallory.node.streamConnect(to, 80, {}, now()).value);
  for (let round = 0; round < 10; round++) {
    for (const [i, to] of addresses.entries()) {
      mallory.node.datagramSend(socket, to, 5_000, new Uint8Array(round % 2 ? 100 : 4_000), now());
      mallory.node.echo(round, to, { payloadBytes: 56 }, now());
      mallory.node.streamWrite(streams[i], new Uint8Array(3_000), now());
    }
    mallory.node.flush(now());
    world.run(50_000);
  }
  for (const stream of streams) mallory.node.streamFinish(stream, now());
  world.run(200_000);
  return Object.assign(world, { bob, carol, mallory, malloryAddress: mallory.node.address });
}

/** `front`, which ends with the counter, and behind it the text sealed under that. */
function sealed(key, front, head, text) {
  const slab = concatBytes(front, text, new Uint8Array(AEAD_TAG_BYTES));
  const batch = createAeadBatch(1);
  batch.count = 1;
  batch.keys[0] = key;
  batch.slabs[0] = slab;
  batch.heads[0] = head;
  batch.offsets[0] = front.length;
  batch.lengths[0] = text.length;
  simCrypto().sealBatch(batch);
  return slab;
}

/** Remembers keys and plaintexts of everything sealed in a batch. */
function tellingCrypto(told) {
  const crypto = simCrypto();
  return {
    ...crypto,
    sealBatch(batch) {
      for (let i = 0; i < batch.count; i++) tell(told, batch, i);
      crypto.sealBatch(batch);
    },
  };
}

function tell(told, batch, i) {
  const slab = batch.slabs[i];
  const key = batch.keys[i];
  const textAt = batch.offsets[i];
  const text = slab.slice(textAt, textAt + batch.lengths[i]);
  if (batch.heads[i] === 0) return tellEnd(told, key, slab.slice(textAt - 8, textAt), text);
  const headerAt = textAt - wire.SEALED_HEADER_BYTES;
  const samples = told.link?.key === key ? told.link.samples : [];
  const counter = wire.sealedCounter(slab, headerAt);
  told.link = { key, samples, receiver: wire.sealedReceiver(slab, headerAt), counter };
  if (samples.length < SAMPLES_MAX) samples.push(text);
  nameEnd(told, text);
}

/** A session end to end; where it leads is known when its first packet is sealed for the link. */
function tellEnd(told, key, counter, text) {
  let end = [...told.ends, ...told.unnamed].find((e) => e.key === key);
  if (end === undefined) {
    end = { key, samples: [], first: counter };
    told.unnamed.push(end);
  }
  if (end.samples.length < SAMPLES_MAX) end.samples.push(text);
}

function nameEnd(told, frames) {
  const header = wire.blankDataHeader();
  if (wire.decodeDataHeader(header, frames, 0, frames.length) !== undefined) return;
  const i = told.unnamed.findIndex(
    ({ first }) => readU16(first, 0) === header.flow && readU32(first, 4) === header.sequence,
  );
  if (i < 0) return;
  const [end] = told.unnamed.splice(i, 1);
  const { source, destination, epoch } = header;
  const at = wire.dataHeaderBytes(header);
  told.ends.push({
    ...end,
    name: { source, destination, epoch },
    index: frames.slice(at, at + wire.SESSION_INDEX_BYTES),
  });
}

/** Right MACs and tags over handshake messages whose content is changed before. */
function lyingCrypto(mutator) {
  const crypto = simCrypto();
  return {
    ...crypto,
    hmacSha256(key, message) {
      const isFirst =
        message.length === wire.HANDSHAKE_MAC_1_AT && message[0] === wire.PACKET_HANDSHAKE_1;
      if (isFirst && mutator.random.chance(0.1)) mutator.spoil(message, 1, 48);
      return crypto.hmacSha256(key, message);
    },
    aeadKey(algorithm, bytes) {
      const key = crypto.aeadKey(algorithm, bytes);
      const seal = key.seal.bind(key);
      key.seal = (nonce, plaintext, aad) => {
        const isStaticKey = plaintext.length === PUBLIC_KEY_BYTES;
        if (!mutator.random.chance(isStaticKey ? 0.1 : 0.8)) return seal(nonce, plaintext, aad);
        mutator.next([plaintext]);
        return seal(nonce, mutator.view().slice(0, CONTENT_BYTES_MAX), aad);
      };
      return key;
    },
  };
}
