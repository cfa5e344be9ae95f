/**
 * Real overlay nodes in a line, in virtual time, without the simulator's traces and checkers: what is
 * needed to send ten million packets over five nodes in minutes. Delay is constant, so a direction of
 * a link is a queue. Loss is weather: a two-state Markov chain that steps once a millisecond, whether
 * packets pass or not, so that data, requests and repairs meet the same bursts.
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

const WALL = wallTime(1_800_000_000_000_000);
const STEP = 1_000;
const QUEUE_SHRINK = 4_096;

/** Losses of mean `loss`; `p11`: the chance that a lost millisecond is followed by another. */
export class Weather {
  constructor(random, { loss, p11 = loss }) {
    this.random = random;
    this.loss = loss;
    this.memory = loss === 0 ? 0 : p11 - (loss * (1 - p11)) / (1 - loss);
    this.at = 0;
    this.isBad = false;
  }

  isLost(now) {
    if (this.loss === 0) return false;
    const at = Math.floor(now / STEP);
    if (at > this.at) {
      const kept = this.memory ** (at - this.at);
      this.isBad = this.random.chance(this.loss + ((this.isBad ? 1 : 0) - this.loss) * kept);
      this.at = at;
    }
    return this.isBad;
  }
}

export class Chain {
  /**
   * `delays`: of each link, in microseconds; `options`: further ones of every node; `isStar`: all
   * links are with the first node.
   */
  constructor({ seed, delays, options = {}, isStar = false }) {
    this.options = options;
    this.before = (i) => (isStar ? 0 : i - 1);
    this.now = 1_000_000;
    this.random = new Random(seed);
    this.crypto = simCrypto();
    this.batch = new DatagramBatch({ capacity: 64, slabBytes: 64 * 1500 });
    const network = createNetwork({
      crypto: this.crypto,
      entropy: simEntropy(this.random.split('network')),
      name: 'chain',
      isLab: true,
    });
    this.places = [];
    this.ways = [];
    const count = delays.length + 1;
    for (let i = 0; i < count; i++) this.places.push(this.place(i, network));
    delays.forEach((delay, i) => {
      this.way(this.before(i + 1), i + 1, delay);
      this.way(i + 1, this.before(i + 1), delay);
    });
    this.wakes = this.places.map(() => 0);
  }

  node(i) {
    return this.places[i].node;
  }

  /** One direction of a link, with what went into it: `bytes`, `packets`, `lost`. */
  wayOf(from, to) {
    return this.ways.find((w) => w.from === from && w.to === to);
  }

  /** Loss from place `from` to its neighbour `to` from now on. */
  setWeather(from, to, options) {
    const way = this.wayOf(from, to);
    way.weather = new Weather(this.random.split(`weather ${from} ${to} ${this.now}`), options);
    way.weather.at = Math.floor(this.now / STEP);
  }

  /** A call into a node from outside; what it wants sent leaves. */
  call(i, run) {
    const at = instant(this.now);
    const out = run(this.node(i), at);
    this.node(i).flush(at);
    this.wakes[i] = this.node(i).nextTimeout() ?? Infinity;
    return out;
  }

  /** Lets go of all nodes: who still holds one holds it alone. */
  dismantle() {
    for (const { ways } of this.places) ways.clear();
    this.places = [];
    this.ways = [];
  }

  /** Until every link is up and the ends have routes. */
  settle() {
    const last = this.places.length - 1;
    for (let i = 0; i < 100; i++) {
      this.run(100_000);
      const isReady = (from, to) =>
        this.node(from)
          .status(instant(this.now))
          .routes.some(
            (route) => route.destination === this.node(to).address && route.path.length > 0,
          );
      if (isReady(0, last) && isReady(last, 0)) return this.run(5_000_000);
    }
    throw new Error('the chain has no routes');
  }

  run(microseconds) {
    const end = this.now + microseconds;
    for (;;) {
      let next = end;
      let way;
      for (const w of this.ways)
        if (w.head < w.queue.length && w.queue[w.head].at < next) {
          next = w.queue[w.head].at;
          way = w;
        }
      let due = -1;
      for (let i = 0; i < this.wakes.length; i++)
        if (this.wakes[i] < next) {
          next = this.wakes[i];
          due = i;
        }
      if (way === undefined && due < 0) break;
      this.now = Math.max(this.now, next);
      if (due >= 0) {
        this.handle(due, { kind: 'timeout' });
        if (this.wakes[due] <= this.now) throw new Error(`node ${due} stands still at ${this.now}`);
      } else this.deliver(way);
    }
    this.now = end;
  }

  deliver(way) {
    const { batch } = this;
    batch.clear();
    while (way.head < way.queue.length && way.queue[way.head].at <= this.now && batch.count < 64)
      batch.push(way.queue[way.head++].bytes, this.places[way.from].remote, 0);
    if (way.head > QUEUE_SHRINK) {
      way.queue = way.queue.slice(way.head);
      way.head = 0;
    }
    this.handle(way.to, { kind: 'datagrams', batch });
  }

  handle(i, input) {
    this.node(i).handle(input, instant(this.now));
    this.wakes[i] = this.node(i).nextTimeout() ?? Infinity;
  }

  way(from, to, delay) {
    const weather = new Weather(this.random.split(`weather ${from} ${to}`), { loss: 0 });
    const way = { from, to, delay, weather, queue: [], head: 0, bytes: 0, packets: 0, lost: 0 };
    this.ways.push(way);
    this.places[from].ways.set(this.places[to].remote.key, way);
  }

  place(i, network) {
    const name = `n${i}`;
    const entropy = simEntropy(this.random.split(name));
    const made = createMember({ crypto: this.crypto, entropy, network, name, wall: WALL });
    const place = {
      remote: remote(i),
      ways: new Map(),
      onDatagram: undefined,
      onStream: undefined,
    };
    const options = {
      ...this.options,
      identity: made.value.identity,
      manifest: network.manifest,
      rootKeys: [network.rootKey],
      epoch: 1,
      neighbours:
        i === 0 ? [] : [{ name: `n${this.before(i)}`, remotes: [remote(this.before(i))] }],
      crypto: this.crypto,
      entropy,
      seed: i + 1,
    };
    const started = OverlayNode.start(options, this.sink(place), instant(this.now), WALL);
    if (!started.ok) throw new Error(`the node did not start: ${started.reason}`);
    place.node = started.value;
    return place;
  }

  sink(place) {
    const nothing = () => {};
    return {
      transmit: (batch) => this.transmit(place, batch),
      datagram: (_socket, payload) => place.onDatagram?.(payload),
      datagramDrain: nothing,
      streamIncoming: (_listener, stream) => place.onStream?.(stream),
      streamConnected: nothing,
      streamData: (stream, bytes) => place.onStreamData?.(stream, bytes),
      streamWritable: nothing,
      streamEnded: nothing,
      streamClosed: nothing,
      echo: nothing,
      event: nothing,
    };
  }

  transmit(place, batch) {
    for (let i = 0; i < batch.count; i++) {
      const way = place.ways.get(batch.remotes[i].key);
      if (way === undefined) continue;
      way.packets++;
      way.bytes += batch.lengths[i];
      if (way.weather.isLost(this.now)) {
        way.lost++;
        continue;
      }
      way.queue.push({ at: this.now + way.delay, bytes: batch.view(i).slice() });
    }
  }
}

const remote = (i) => underlayAddress(`n${i}`, 4_600);

/**
 * A flow of datagrams from the first place to the last, over links that get their loss first.
 * `latency`: of each packet in microseconds, Infinity where it never came.
 */
export function sendFlow(chain, { packets, interval, bytes, service, port = 9 }) {
  const last = chain.places.length - 1;
  const sentAt = new Float64Array(packets);
  const latency = new Float64Array(packets).fill(Infinity);
  let twice = 0;
  chain.places[last].onDatagram = (payload) => {
    const n = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
    if (n >= packets) return;
    if (latency[n] !== Infinity) twice++;
    latency[n] = chain.now - sentAt[n];
  };
  chain.call(last, (node, now) => node.datagramBind({ port }, now));
  const bound = chain.call(0, (node, now) => node.datagramBind({ service }, now));
  const to = chain.node(last).address;
  const payload = new Uint8Array(bytes);
  const view = new DataView(payload.buffer);
  const send = (n) => {
    view.setUint32(0, n);
    chain.call(0, (node, now) => node.datagramSend(bound.value.socket, to, port, payload, now));
  };
  return {
    latency,
    /** Sets up the session, and lets the flow be known on its way. */
    warm() {
      for (let i = 0; i < 100; i++) {
        send(0xffff_ffff);
        chain.run(20_000);
      }
    },
    run() {
      for (let n = 0; n < packets; n++) {
        sentAt[n] = chain.now;
        send(n);
        chain.run(interval);
      }
      chain.run(2_000_000);
      return { latency, twice };
    },
  };
}

/** Recovery on the link between two neighbouring places, as both ends count it. */
export function recoveryBetween(chain, from, to) {
  const at = (i, other) =>
    chain
      .node(i)
      .status(instant(chain.now))
      .links.find((link) => link.neighbour === chain.node(other).address)?.recovery;
  return { sender: at(from, to), receiver: at(to, from) };
}

/** Bytes of repairs, and of asking for them, for each byte that a link protected. */
export function overheadOf({ sender, receiver }, protocol) {
  const { repairBytes, bytesProtected, packetsProtected, repairsSent } = sender[protocol];
  return {
    packets: repairsSent / packetsProtected,
    bytes: (repairBytes + sender.requestBytes + receiver.requestBytes) / bytesProtected,
  };
}
