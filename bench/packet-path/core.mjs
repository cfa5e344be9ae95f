/**
 * What JavaScript costs on the packet path, without the kernel and without ciphers: a whole forwarding
 * node, B, gets batches of sealed packets from a neighbour and gives batches for others, under
 * cryptography that costs nothing. Both sides of it are real nodes in virtual time; only B's own calls are
 * timed.
 *
 *   node bench/packet-path/core.mjs [--packets 2000000] [--only unicast]
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DatagramBatch, instant, writeU16, writeU32 } from '../../dist/kernel/index.js';
import { simCrypto } from '../../dist/sim/index.js';
import {
  blankDataHeader,
  DATA_HEADER_BYTES,
  encodeDataHeader,
  graphBlock,
  NO_ROUTE,
  SEALED_HEADER_BYTES,
  SEALED_OVERHEAD_BYTES,
} from '../../dist/wire/index.js';
import { World } from '../fuzz/world.mjs';

const BATCH = 64;
/** Between two batches: half a million packets a second. */
const BATCH_EVERY = 128;

/** A star is no mesh to look for relays in. */
const NO_RELAYS = { probing: { relays: 'off' } };

export const CASES = {
  unicast: { note: 'one flow, one next hop, 100 B' },
  large: { payload: 1_200, note: 'the same, 1200 B' },
  deadline: { deadline: 65_000, note: 'packets with a deadline: their age is kept' },
  flows: { flows: 256, note: '256 flows' },
  neighbours: { destinations: 64, flows: 256, note: '256 flows to 64 neighbours' },
  fanout: { destinations: 16, isGraph: true, note: 'each packet to 16 neighbours: per copy' },
};

/** Nanoseconds a packet sent by B, of the least disturbed of the rounds. */
export function measureCore(name, { packets, rounds = 20 }) {
  const forwarding = new Forwarding(CASES[name]);
  forwarding.run(Math.ceil(packets / 4));
  const rates = Array.from({ length: rounds }, () => forwarding.run(Math.ceil(packets / rounds)));
  return Math.min(...rates);
}

/** Handshakes are real (simulated keys); packets are neither sealed nor opened. */
function freeCrypto() {
  const nothing = (batch) => batch.results.fill(1, 0, batch.count);
  return { ...simCrypto(), sealBatch: nothing, openBatch: nothing };
}

class Forwarding {
  constructor({ payload = 100, deadline = 0, flows = 1, destinations = 1, isGraph = false }) {
    Object.assign(this, { flows, sequence: 0, copies: isGraph ? destinations : 1 });
    const world = new World(1);
    world.crypto = freeCrypto();
    this.world = world;
    this.middle = world.add('B', NO_RELAYS);
    this.source = world.add('A', { neighbours: ['B'], ...NO_RELAYS });
    const far = Array.from({ length: destinations }, (_, i) =>
      world.add(`C${i}`, { neighbours: ['B'], ...NO_RELAYS }),
    );
    const { address } = this.source.node;
    world.runUntil(
      () =>
        far.every(
          ({ node }) => this.source.node.explainRoute(node.address, instant(world.now))?.route,
        ),
      'a route to everybody',
    );
    const header = blankDataHeader();
    Object.assign(header, { source: address, hopLimit: 64, epoch: 1, deadline });
    const route = isGraph
      ? graphBlock({
          source: address,
          destination: far[0].node.address,
          edges: [
            { from: address, to: this.middle.node.address },
            ...far.map(({ node }) => ({ from: this.middle.node.address, to: node.address })),
          ],
        })
      : NO_ROUTE;
    this.batch = this.makeBatch({ header, route, payload, far, isGraph });
    world.tap = undefined;
  }

  /** Packets as A would send them; counters and sequence numbers are written anew for each round. */
  makeBatch({ header, route, payload, far, isGraph }) {
    const { links } = this.source.node;
    const bytes = DATA_HEADER_BYTES + route.bytes.length + payload;
    let sample;
    this.world.tap = (place, datagram) => {
      if (place === this.source) sample = datagram;
      return false;
    };
    const now = instant(this.world.now);
    const best = { recovery: 0, priority: 0, requests: 0, retransmissions: 0, deadline: 0 };
    links.reserveData(this.middle.node.address, bytes, best, now);
    links.flush(now);
    const batch = new DatagramBatch({
      capacity: BATCH,
      slabBytes: BATCH * (bytes + SEALED_OVERHEAD_BYTES),
    });
    for (let i = 0; i < BATCH; i++) {
      const at = batch.used;
      // Without a hello that rode along: the first packet after a quiet time may have one.
      batch.push(sample.slice(0, bytes + SEALED_OVERHEAD_BYTES), this.source.remote, 0);
      header.destination = far[isGraph ? 0 : i % far.length].node.address;
      encodeDataHeader(batch.slab, at + SEALED_HEADER_BYTES, header, route);
    }
    return batch;
  }

  /** Nanoseconds a packet that B sent. */
  run(packets) {
    const { world, batch } = this;
    const { node } = this.middle;
    const input = { kind: 'datagrams', batch };
    const transmit = node.sink.transmit;
    let sent = 0;
    const count = (out) => {
      sent += out.count;
      // With a hello in it, which the neighbour waits for; far between.
      for (let i = 0; i < out.count; i++) {
        if (out.lengths[i] === batch.lengths[0]) continue;
        const one = new DatagramBatch({ capacity: 1, slabBytes: out.lengths[i] });
        one.push(out.view(i), out.remotes[i], 0);
        transmit(one);
      }
    };
    node.sink.transmit = count;
    let spent = 0n;
    for (let done = 0; done < packets; done += BATCH) {
      this.renumber();
      world.now += BATCH_EVERY;
      const now = instant(world.now);
      const began = process.hrtime.bigint();
      node.handle(input, now);
      const next = node.nextTimeout();
      spent += process.hrtime.bigint() - began;
      if (next > now && done % (8 * BATCH) !== 0) continue;
      node.sink.transmit = transmit;
      world.run(1);
      node.sink.transmit = count;
    }
    node.sink.transmit = transmit;
    const expected = Math.ceil(packets / BATCH) * BATCH * this.copies;
    if (sent < expected) throw new Error(`${sent} of ${expected} packets came through`);
    return Number(spent) / sent;
  }

  renumber() {
    const { slab, offsets } = this.batch;
    // Hellos of A count too, and B must hear them.
    const session = this.source.node.links.links.get(this.middle.node.address).current;
    for (let i = 0; i < BATCH; i++) {
      const at = offsets[i];
      const frame = at + SEALED_HEADER_BYTES;
      writeU32(slab, at + 12, session.nextCounter++);
      const n = this.sequence++;
      writeU16(slab, frame + 16, n % this.flows);
      writeU32(slab, frame + 20, Math.floor(n / this.flows));
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: { packets: { type: 'string', default: '2000000' }, only: { type: 'string' } },
  });
  for (const name of values.only?.split(',') ?? Object.keys(CASES)) {
    // Each in a process of its own: what one has taught the compiler must not slow the next.
    if (values.only !== name) {
      const args = [
        ...process.execArgv,
        process.argv[1],
        '--packets',
        values.packets,
        '--only',
        name,
      ];
      spawnSync(process.execPath, args, { stdio: 'inherit' });
      continue;
    }
    const ns = measureCore(name, { packets: Number(values.packets) });
    console.log(`${name.padEnd(12)} ${ns.toFixed(0).padStart(6)} ns   ${CASES[name].note}`);
  }
}
