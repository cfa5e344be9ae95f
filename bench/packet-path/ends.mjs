/**
 * Both ends of the way through a forwarding daemon, in one process: a source and destinations, each a real
 * node with links of its own, so that what the daemon gets are real sealed packets and what it sends is
 * opened again. Packets enter right above the source's link and are counted right above the link of
 * the destination: end-to-end sealing and sockets are not what is measured here.
 *
 * Started by fork(); one message sets it up, each further one is a run and answered with its figures.
 * The same packets can go unsealed through any program that forwards datagrams (`plain`).
 */
import { NodeDriver } from '../../dist/host/node-driver.js';
import { DatagramBatch, underlayAddress, writeU16, writeU32 } from '../../dist/kernel/index.js';
import { processorTime } from '../../dist/lab/index.js';
import { OverlayNode } from '../../dist/node/index.js';
import { nodeEntropy, systemClock } from '../../dist/underlay/index.js';
import {
  blankDataHeader,
  DATA_HEADER_BYTES,
  DROP_NEVER,
  encodeDataHeader,
  graphBlock,
  isSealedPacket,
  NO_ROUTE,
  sealedDropPrecedence,
} from '../../dist/wire/index.js';
import { readPauses, undisturbed } from './pauses.mjs';
import { openUnderlay } from './underlays.mjs';

const STALLED_MS = 100;
const WINDOW_AT_FIRST = 512;
/** Packets a second up to which a timer sends them. */
const TIMER_RATE_MAX = 500;
/** Of the lane `default`. */
const SERVICE = { recovery: 0, priority: 4, requests: 0, retransmissions: 0, deadline: 0 };
const clock = systemClock();

process.on('message', (message) => {
  answer(message).then(
    (value) => process.send({ value }),
    (error) => process.send({ error: error.stack }),
  );
});
process.on('disconnect', () => process.exit());

let ends;

async function answer({ setup, run, plain }) {
  if (setup !== undefined) {
    ends = new Ends(setup);
    return ends.open();
  }
  return run === undefined ? runPlain(plain) : ends.run(run);
}

class Ends {
  constructor({ underlay, source, destinations, enter, leave, isDeaf }) {
    Object.assign(this, {
      underlay,
      source,
      destinations,
      enter,
      leave,
      isDeaf,
      sequence: 0,
      arrived: () => {},
      passed: () => {},
    });
  }

  async open() {
    this.from = await this.node(this.source, this.enter);
    this.to = [];
    const { isDeaf } = this;
    for (const member of this.destinations)
      this.to.push(await this.node(member, this.leave, { isDeaf }));
    for (const { driver } of this.to)
      driver.node.forwarder.receive = (_from, slab, at) => this.arrived(slab, at);
    await this.routed();
    return {
      underlay: this.from.underlay.kind,
      aead: this.from.driver.node.status(clock.now()).links[0]?.algorithm,
    };
  }

  async node(member, neighbour, { isDeaf = false } = {}) {
    const { underlay, crypto } = await openUnderlay(this.underlay, { host: '127.0.0.1', port: 0 });
    const driver = new NodeDriver({
      underlay: isDeaf ? deaf(underlay, (count) => this.passed(count)) : underlay,
      clock,
      sink: () => SILENT,
      createNode: (sink, now) => {
        const options = {
          identity: member.identity,
          manifest: member.manifest,
          rootKeys: member.rootKeys,
          epoch: 1,
          seed: 1,
          // A star is no mesh to look for relays in.
          probing: { relays: 'off' },
          crypto,
          entropy: nodeEntropy(),
          neighbours: [
            { name: neighbour.name, remotes: [underlayAddress('127.0.0.1', neighbour.port)] },
          ],
        };
        const started = OverlayNode.start(options, sink, now, clock.wall());
        if (!started.ok) throw new Error(started.reason);
        return started.value;
      },
      onFatal: (error) => {
        throw error;
      },
    });
    driver.start();
    return { driver, underlay };
  }

  async routed() {
    const { node } = this.from.driver;
    for (const { driver } of this.to)
      for (let i = 0; node.routing.nextHop(driver.node.address) === 0; i++) {
        if (i === 300) throw new Error('no route after 30 s');
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
  }

  /**
   * `pid`: whose processor time is asked for. Keeps `window` packets on their way, sent in bursts of
   * `burst`; or, with `rate`, sends so many a second and looks at how long each takes, or, where it
   * `isFlood`, at nothing but what comes through.
   */
  async run(options) {
    const load = new Load(this, options);
    const figures = await load.run();
    // A number is never used twice: the daemon would take it for a duplicate.
    this.sequence += load.sent;
    return figures;
  }
}

/**
 * Has its node drop all but control unopened, as if it could not keep up: leaves the processor to the source. Tells
 * how many those are.
 */
const deaf = (underlay, passed) =>
  Object.create(underlay, {
    start: {
      value: (receive) =>
        underlay.start((batch) => {
          const { slab, offsets, lengths, count } = batch;
          let unopened = 0;
          for (let i = 0; i < count; i++)
            if (isSealedPacket(slab, offsets[i], lengths[i]))
              if (sealedDropPrecedence(slab, offsets[i]) !== DROP_NEVER) unopened++;
          batch.backlog = 1;
          receive(batch);
          if (unopened > 0) passed(unopened);
        }),
    },
  });

class Load {
  constructor(ends, options) {
    const { bytes, flows = 1, burst = 1, isGraph = false, rate, window = 256 } = options;
    const { service = SERVICE, isFlood = false } = options;
    Object.assign(this, { ends, options, flows, burst, isGraph, rate, window, service });
    this.copies = isGraph ? ends.to.length : 1;
    this.isTimed = rate !== undefined && !isFlood;
    const { driver } = ends.from;
    this.node = driver.node;
    this.driver = driver;
    this.neighbour = this.node.links.neighbours()[0];
    this.frames = this.makeFrames(bytes);
    this.sent = 0;
    this.received = 0;
    this.inFlight = 0;
    /** Opens by what arrives: a first burst of thousands would be shed, and be missing from the window ever after. */
    this.opened = Math.min(window, Math.max(WINDOW_AT_FIRST, burst * this.copies));
    this.sentAt = new Float64Array(1 << 16);
    this.latencies = [];
    this.arrivals = [];
    ends.arrived = (slab, at) => this.arrived(slab, at);
    ends.passed = (count) => this.passed(count);
  }

  /** The frame towards each destination; flow and sequence number are written for each packet. */
  makeFrames(bytes) {
    const { ends, node } = this;
    const addresses = ends.to.map(({ driver }) => driver.node.address);
    const middle = this.neighbour;
    const route = this.isGraph
      ? graphBlock({
          source: node.address,
          destination: addresses[0],
          edges: [
            { from: node.address, to: middle },
            ...addresses.map((to) => ({ from: middle, to })),
          ],
        })
      : NO_ROUTE;
    const header = blankDataHeader();
    Object.assign(header, { source: node.address, hopLimit: 64, epoch: 1, ...this.service });
    return (this.isGraph ? addresses.slice(0, 1) : addresses).map((destination) => {
      const frame = new Uint8Array(Math.max(bytes, DATA_HEADER_BYTES + route.bytes.length + 8));
      header.destination = destination;
      encodeDataHeader(frame, 0, header, route);
      return frame;
    });
  }

  async run() {
    const { pid, warmMs = 500, measureMs = 2_000 } = this.options;
    let stopped = false;
    if (this.rate === undefined) this.pump();
    else this.paced(() => stopped);
    let last = -1;
    this.stalls = 0;
    const watch = setInterval(() => {
      if (this.rate === undefined && this.received === last) {
        this.stalls++;
        this.inFlight = 0;
        this.pump();
      }
      last = this.received;
    }, STALLED_MS);
    await pause(warmMs);
    const before = this.figures(pid);
    this.latencies.length = 0;
    this.arrivals.length = 0;
    await pause(measureMs);
    const after = this.figures(pid);
    stopped = true;
    clearInterval(watch);
    this.window = -1;
    for (let i = 0; i < 25 && this.received < this.sent * this.copies; i++) await pause(20);
    const packets = after.received - before.received;
    return {
      packets,
      offered: after.sent - before.sent,
      sent: this.sent,
      lost: this.sent * this.copies - this.received,
      seconds: (after.at - before.at) / 1_000,
      nsPerPacket: (after.spent - before.spent) / packets,
      ownNsPerPacket: (after.own - before.own) / packets,
      stalls: this.stalls,
      ...this.latencyFigures(),
    };
  }

  /** Milliseconds; with `gcFile`, also of the packets that met no garbage collection in the daemon. */
  latencyFigures() {
    if (!this.isTimed) return {};
    const { gcFile } = this.options;
    const offset = Number(process.hrtime.bigint()) / 1e6 - performance.now();
    const arrivals = this.arrivals.map((at) => at + offset);
    const all = Float64Array.from(this.latencies).sort();
    const at = (list, q) => list[Math.max(0, Math.ceil(q * list.length) - 1)];
    const figures = {
      p50: at(all, 0.5),
      p99: at(all, 0.99),
      p999: at(all, 0.999),
      max: at(all, 1),
    };
    if (gcFile === undefined) return figures;
    const pauses = readPauses(gcFile).filter(([begin]) => begin >= arrivals[0]);
    const calm = Float64Array.from(undisturbed(arrivals, this.latencies, pauses)).sort();
    const longest = pauses.reduce((worst, [begin, end]) => Math.max(worst, end - begin), 0);
    return { ...figures, calmP99: at(calm, 0.99), pauses: pauses.length, longestPause: longest };
  }

  figures(pid) {
    const own = processorTime(process.pid);
    return {
      at: performance.now(),
      sent: this.sent,
      received: this.received,
      spent: processorTime(pid),
      own,
    };
  }

  /** Bursts while the window has room. */
  pump() {
    const { burst, copies } = this;
    while (this.inFlight + burst * copies <= this.opened) this.send(burst);
  }

  send(count) {
    this.driver.enter((now) => {
      const { links } = this.node;
      for (let i = 0; i < count; i++) {
        const n = this.sent++;
        const frame = this.frames[n % this.frames.length];
        const at = links.reserveData(this.neighbour, frame.length, this.service, now);
        if (at < 0) return;
        const slab = links.outgoingSlab;
        slab.set(frame, at);
        writeU16(slab, at + 16, n % this.flows);
        writeU32(slab, at + 20, (this.ends.sequence + n) >>> 0);
        if (this.isTimed) this.sentAt[n & 0xffff] = performance.now();
      }
      this.inFlight += count * this.copies;
      links.flush(now);
    });
  }

  arrived(slab, at) {
    this.count(1);
    if (this.isTimed) {
      const n = (readSequence(slab, at) - this.ends.sequence) & 0xffff;
      const now = performance.now();
      this.latencies.push(now - this.sentAt[n]);
      this.arrivals.push(now);
      return;
    }
    this.pumpSoon();
  }

  /** Packets that nobody opened. */
  passed(count) {
    this.count(count);
    this.pumpSoon();
  }

  count(packets) {
    this.received += packets;
    this.inFlight -= packets;
    this.opened = Math.min(this.window, this.opened + packets);
  }

  /** From outside the destination's call, where several are counted at once. */
  pumpSoon() {
    if (this.isPumping || this.rate !== undefined) return;
    this.isPumping = true;
    queueMicrotask(() => {
      this.isPumping = false;
      this.pump();
    });
  }

  /** Spins where timers are too coarse: this processor has nothing else to do then. */
  paced(isOver) {
    const began = performance.now();
    const isSlow = this.rate <= TIMER_RATE_MAX;
    const turn = () => {
      if (isOver()) return;
      const due = Math.floor(((performance.now() - began) * this.rate) / 1_000);
      for (let i = 0; i < 8 && this.sent < due; i++)
        this.send(Math.min(this.burst, due - this.sent));
      if (isSlow) setTimeout(turn, 1_000 / this.rate);
      else setImmediate(turn);
    };
    turn();
  }
}

const readSequence = (slab, at) =>
  ((slab[at + 20] << 24) | (slab[at + 21] << 16) | (slab[at + 22] << 8) | slab[at + 23]) >>> 0;

/** The same datagrams, neither sealed nor opened, through whatever listens at `port`. */
async function runPlain({
  underlay: kind,
  port,
  sinkPort,
  pid,
  bytes,
  burst,
  window,
  warmMs = 500,
  measureMs = 2_000,
}) {
  const { underlay: source } = await openUnderlay(kind, { host: '127.0.0.1', port: 0 });
  const { underlay: sink } = await openUnderlay(kind, { host: '127.0.0.1', port: sinkPort });
  const to = underlayAddress('127.0.0.1', port);
  const batch = new DatagramBatch({ capacity: burst, slabBytes: burst * bytes });
  for (let i = 0; i < burst; i++) batch.push(new Uint8Array(bytes).fill(64), to, 0);
  let received = 0;
  let inFlight = 0;
  const pump = () => {
    while (inFlight + burst <= window) {
      inFlight += burst;
      source.send(batch);
    }
  };
  source.start(() => {});
  sink.start((arrivals) => {
    received += arrivals.count;
    inFlight -= arrivals.count;
    pump();
  });
  let last = -1;
  const watch = setInterval(() => {
    if (received === last) inFlight = 0;
    last = received;
    pump();
  }, STALLED_MS);
  await pause(warmMs);
  const before = { received, spent: processorTime(pid), at: performance.now() };
  await pause(measureMs);
  const packets = received - before.received;
  const nsPerPacket = (processorTime(pid) - before.spent) / packets;
  clearInterval(watch);
  const seconds = (performance.now() - before.at) / 1_000;
  await Promise.all([source.close(), sink.close()]);
  return { packets, seconds, nsPerPacket };
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const nothing = () => {};
const SILENT = {
  datagram: nothing,
  datagramDrain: nothing,
  streamIncoming: nothing,
  streamConnected: nothing,
  streamData: nothing,
  streamWritable: nothing,
  streamEnded: nothing,
  streamClosed: nothing,
  echo: nothing,
  event: nothing,
};
