/**
 * A line of three real nodes in virtual time, MALLORY - BOB - CAROL, with simulated cryptography. Mallory is
 * a certified member whose cryptography tells all it seals: the fuzzer then speaks in Mallory's place,
 * with the right keys, and nothing that Bob and Carol get is refused for its seal.
 */
import {
  DatagramBatch,
  instant,
  Random,
  underlayAddress,
  wallTime,
} from '../../dist/kernel/index.js';
import { OverlayNode } from '../../dist/node/index.js';
import { createMember, createNetwork } from '../../dist/security/index.js';
import { simCrypto, simEntropy } from '../../dist/sim/index.js';

export const WALL = wallTime(1_800_000_000_000_000);
const HOP = 1_000;
/** Datagrams on their way at one time: far more than three nodes have to say to each other. */
const WAITING_MAX = 5_000;

export class World {
  constructor(seed) {
    this.random = new Random(seed);
    this.crypto = simCrypto();
    this.now = 1_000_000;
    this.nodes = new Map();
    this.waiting = [];
    this.network = createNetwork({
      crypto: this.crypto,
      entropy: simEntropy(this.random.split('network')),
      name: 'fuzz',
      isLab: true,
    });
  }

  /** `neighbours`: names of nodes that are there already; others may come later. */
  add(
    name,
    { neighbours = [], crypto = this.crypto, epoch = 1, host = name, seed = 1, probing } = {},
  ) {
    const random = this.random.split(`${name} ${epoch}`);
    const entropy = simEntropy(random);
    const made = createMember({
      crypto: this.crypto,
      entropy,
      network: this.network,
      name,
      wall: WALL,
    });
    const place = { name, remote: underlayAddress(host, 4_600), events: [] };
    const options = {
      identity: made.value.identity,
      manifest: this.network.manifest,
      rootKeys: [this.network.rootKey],
      epoch,
      neighbours: neighbours.map((other) => ({
        name: other,
        remotes: [underlayAddress(other, 4_600)],
      })),
      crypto,
      entropy,
      seed,
      ...(probing === undefined ? {} : { probing }),
    };
    const started = OverlayNode.start(options, this.sink(place), instant(this.now), WALL);
    if (!started.ok) throw new Error(`the node did not start: ${started.reason}`);
    place.node = started.value;
    this.nodes.set(name, place);
    return place;
  }

  /** Hands a datagram over at once. */
  deliver(to, bytes, from) {
    const batch = new DatagramBatch({ capacity: 1, slabBytes: bytes.length });
    batch.push(bytes, from, 0);
    to.node.handle({ kind: 'datagrams', batch }, instant(this.now));
  }

  /** Lets `microseconds` pass: deliveries and timeouts as they fall due. */
  run(microseconds) {
    const until = this.now + microseconds;
    for (;;) {
      let next = until;
      for (const d of this.waiting) next = Math.min(next, d.at);
      for (const { node } of this.nodes.values())
        next = Math.min(next, node.nextTimeout() ?? until);
      this.now = Math.max(this.now, next);
      for (const { node } of this.nodes.values()) {
        if ((node.nextTimeout() ?? Infinity) > this.now) continue;
        node.handle({ kind: 'timeout' }, instant(this.now));
      }
      if (this.waiting.length > WAITING_MAX)
        throw new Error('a storm: one input, no end of packets');
      const due = this.waiting.filter((d) => d.at <= this.now);
      this.waiting = this.waiting.filter((d) => d.at > this.now);
      for (const { to, bytes, from } of due) {
        const target = [...this.nodes.values()].find((place) => place.remote.key === to);
        if (target !== undefined) this.deliver(target, bytes, from);
      }
      if (this.now >= until && due.length === 0) return;
    }
  }

  /** Runs until `isDone`, at most ten virtual seconds. */
  runUntil(isDone, what) {
    for (let i = 0; i < 1_000; i++) {
      if (isDone()) return;
      this.run(10_000);
    }
    throw new Error(`fuzz world: ${what} did not happen`);
  }

  sink(place) {
    return {
      transmit: (batch) => {
        for (let i = 0; i < batch.count; i++) {
          const bytes = batch.view(i).slice();
          const to = batch.remotes[i].key;
          if (this.tap?.(place, bytes, to) === false) continue;
          this.waiting.push({ at: this.now + HOP, to, bytes, from: place.remote });
        }
      },
      datagram: () => {},
      datagramDrain: () => {},
      streamIncoming: (_listener, stream) => place.events.push({ kind: 'stream', stream }),
      streamConnected: (stream) => place.events.push({ kind: 'connected', stream }),
      streamData: () => {},
      streamWritable: () => {},
      streamEnded: () => {},
      streamClosed: () => {},
      echo: (id, outcome) => place.events.push({ kind: 'echo', id, outcome }),
      event: (event) => {
        if (event.kind !== 'refused') place.events.push(event);
        if (place.events.length > 200) place.events.splice(0, 100);
      },
    };
  }
}
