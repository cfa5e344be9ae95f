/**
 * What a forwarding node gets done on one processor and on several: a whole node between two others in virtual
 * time, with real ciphers, only its own calls timed. The kernel is left out, and so is whoever makes the load, which on
 * a machine with two processors would take the one that is to help.
 */
import { DatagramBatch, instant } from '../../dist/kernel/index.js';
import { simCrypto } from '../../dist/sim/index.js';
import { fastCrypto } from '../../dist/underlay/fast/index.js';
import { nodeCrypto } from '../../dist/underlay/index.js';
import {
  blankDataHeader,
  encodeDataHeader,
  NO_ROUTE,
  SEALED_OVERHEAD_BYTES,
} from '../../dist/wire/index.js';
import { World } from '../fuzz/world.mjs';

/** Batches made before the node gets the first of them. */
const GROUP = 40;
const BATCH_EVERY = 500;
const SERVICE = { recovery: 0, priority: 0, requests: 0, retransmissions: 0, deadline: 0 };
const NO_RELAYS = { probing: { relays: 'off' } };

export class ThreadedForwarding {
  /** `threads`: of the node in the middle, the first counted. */
  constructor({ threads, bytes, batch }) {
    Object.assign(this, { bytes, batch, sequence: 0 });
    const world = new World(1);
    this.world = world;
    const real = (count) => ({ ...NO_RELAYS, crypto: withRealCiphers(count) });
    this.middle = world.add('B', real(threads));
    this.source = world.add('A', { neighbours: ['B'], ...real(1) });
    this.far = world.add('C', { neighbours: ['B'], ...real(1) });
    const to = this.far.node.address;
    world.runUntil(() => this.source.node.explainRoute(to, instant(world.now))?.route, 'a route');
    const header = blankDataHeader();
    Object.assign(header, { source: this.source.node.address, destination: to, hopLimit: 64 });
    this.header = Object.assign(header, { epoch: 1 });
  }

  /** Nanoseconds of the node's own time a packet. */
  run(packets) {
    const { middle, world, bytes } = this;
    const { transmit } = middle.node.sink;
    let spent = 0n;
    let sent = 0;
    const count = (out) => {
      for (let i = 0; i < out.count; i++) {
        // What holds a hello has to arrive; it is a few in a thousand.
        if (out.lengths[i] === bytes + SEALED_OVERHEAD_BYTES) sent++;
        else transmit(only(out, i));
      }
    };
    for (let done = 0; done < packets; done += GROUP * this.batch) {
      // One after the other without a pause, as they come to a node that is busy.
      const inputs = Array.from({ length: GROUP }, () => ({
        kind: 'datagrams',
        batch: this.packets(),
      }));
      middle.node.sink.transmit = count;
      const began = process.hrtime.bigint();
      for (const input of inputs) {
        world.now += BATCH_EVERY;
        middle.node.handle(input, instant(world.now));
      }
      spent += process.hrtime.bigint() - began;
      middle.node.sink.transmit = transmit;
      world.run(1);
    }
    if (sent < 0.95 * packets) throw new Error(`${sent} of ${packets} packets came through`);
    return Number(spent) / sent;
  }

  /** A batch as the source's link seals it. */
  packets() {
    const { world, source, middle, bytes } = this;
    const links = source.node.links;
    const batch = new DatagramBatch({ capacity: 512, slabBytes: 512 * 1_400 });
    const { transmit } = source.node.sink;
    source.node.sink.transmit = (out) => {
      for (let i = 0; i < out.count; i++) batch.push(out.view(i), source.remote, 0);
    };
    const now = instant(world.now);
    for (let i = 0; i < this.batch; i++) {
      const at = links.reserveData(middle.node.address, bytes, SERVICE, now);
      this.header.sequence = this.sequence++;
      encodeDataHeader(links.outgoingSlab, at, this.header, NO_ROUTE);
    }
    links.flush(now);
    source.node.sink.transmit = transmit;
    return batch;
  }
}

function only(batch, i) {
  const one = new DatagramBatch({ capacity: 1, slabBytes: batch.lengths[i] });
  one.push(batch.view(i), batch.remotes[i], 0);
  return one;
}

/** Simulated keys for handshakes; packets are sealed and opened as in a daemon. */
function withRealCiphers(threads) {
  const fast = fastCrypto(nodeCrypto(), threads);
  if (!fast.ok) throw new Error(fast.reason);
  const { value } = fast;
  return {
    ...simCrypto(),
    aeadPreference: value.aeadPreference,
    aeadKey: (algorithm, key) => value.aeadKey(algorithm, key),
    sealBatch: (batch) => value.sealBatch(batch),
    openBatch: (batch) => value.openBatch(batch),
  };
}
