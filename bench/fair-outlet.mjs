/**
 * What the scheduler costs a packet: the forwarder over bare links, and over the same links behind the
 * `FairOutlet`, in turns in one run, so that only the ratio counts. Guards: a link without a capacity
 * pays nothing that can be told from noise.
 *
 *   node bench/fair-outlet.mjs [packets]
 */
import { FairOutlet, Forwarder } from '../dist/forwarding/index.js';
import { Counters } from '../dist/kernel/index.js';
import { blankDataHeader, encodeDataHeader, NO_ROUTE } from '../dist/wire/index.js';

const PACKETS = Number(process.argv[2] ?? 400_000);
const ROUNDS = 9;
const FRAME_BYTES = 1_000;

function bareLinks() {
  const outgoingSlab = new Uint8Array(2_048);
  return {
    outgoingSlab,
    lastRefusal: 'link-down',
    sent: 0,
    neighbours: () => [3],
    latency: () => 5_000,
    get facts() {
      return { latency: () => 5_000, frameBytesMax: () => 1_400, wireBytes: () => this.sent };
    },
    reliable: { reliableIdle() {} },
    reserveData(_to, bytes) {
      this.sent += bytes;
      return 0;
    },
  };
}

function forwarder(links) {
  const sink = { deliver() {}, notice() {} };
  return new Forwarder({ self: 1, epoch: 1, links, routes: { nextHop: () => 3 }, sink });
}

const outletOf = (capacity) => {
  const outlet = new FairOutlet({ links: bareLinks(), counters: new Counters() });
  outlet.linkUp(3, capacity, 0);
  return outlet;
};

const unthrottled = outletOf(0);
// So much that the wire is free whenever a packet comes.
const idle = outletOf(1e15);
// A little less than what is offered: its queue stays full.
const busy = outletOf(0.98e9);
const subjects = {
  'bare links': { path: forwarder(bareLinks()), step: 0 },
  'behind the outlet, no capacity stated': { path: forwarder(unthrottled), step: 0 },
  'capacity stated, link idle': { path: forwarder(idle), outlet: idle, step: 0 },
  'every packet waits': { path: forwarder(busy), outlet: busy, step: 8 },
};

const frame = new Uint8Array(FRAME_BYTES);
const header = blankDataHeader();
Object.assign(header, { source: 7, destination: 9, epoch: 1, hopLimit: 60, flow: 5 });
encodeDataHeader(frame, 0, header, NO_ROUTE);
const view = new DataView(frame.buffer);
let sequence = 0;
let now = 1;

function measure({ path, outlet, step }) {
  const began = performance.now();
  for (let i = 0; i < PACKETS; i++) {
    view.setUint32(20, sequence++);
    path.receive(2, frame, 0, FRAME_BYTES, now);
    if (step > 0) {
      now += step;
      if (i % 8 === 7) outlet.timeout(now);
    }
  }
  return ((performance.now() - began) * 1e6) / PACKETS;
}

const results = Object.fromEntries(Object.keys(subjects).map((name) => [name, []]));
for (let round = 0; round < ROUNDS; round++)
  for (const [name, subject] of Object.entries(subjects)) results[name].push(measure(subject));
const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];
const base = median(results['bare links']);
for (const [name, list] of Object.entries(results)) {
  const ns = median(list);
  console.log(`${name.padEnd(40)} ${ns.toFixed(0).padStart(5)} ns  ${(ns / base).toFixed(2)} x`);
}
