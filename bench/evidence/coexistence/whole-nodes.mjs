/**
 * Overlays of whole nodes in virtual time that share two bottlenecks of the underlay and know nothing of
 * each other: in each a source, a destination and a relay behind either bottleneck. Flows choose by latency
 * among the two ways. What they send fills the queues; the queues make the delay and the loss that links
 * measure, tell and choose by. Everything is drawn from the seed: how many flows there are, how many fit
 * each bottleneck (neither holds them all), base delays, and which bottleneck becomes how much narrower
 * at half time.
 */
import { milliseconds, Random, seconds } from '../../../dist/kernel/index.js';
import * as sim from '../../../dist/sim/index.js';

const PAYLOAD_BYTES = 1_000;
const INTERVAL = milliseconds(100);
/** Payload, its headers and seals, on a wire. */
const FLOW_BITS = (8 * (PAYLOAD_BYTES + 130) * 1_000_000) / INTERVAL;
const QUEUE_SECONDS = 0.15;
const SIDES = ['left', 'right'];
const PORT = 9;

/** `routing`: of all flows. */
export function wholeNodes({ seed, overlays, phaseSeconds, routing }) {
  const drawn = draw(new Random(seed).split('coexistence'));
  const testbed = new sim.Testbed({ seed, topology: topologyOf(drawn, overlays) });
  testbed.start();
  testbed.run(seconds(8));
  const world = new World(testbed, drawn, { overlays, routing });
  const phases = ['before', 'after'].map((name) => {
    if (name === 'after') world.narrow();
    testbed.run(seconds(phaseSeconds / 2));
    const unsettled = world.tally();
    testbed.run(seconds(phaseSeconds / 2));
    return { unsettled, calm: world.tally() };
  });
  testbed.assertSound();
  return { drawn, phases };
}

function draw(random) {
  const flows = random.between(18, 30);
  const base = random.between(25_000, 50_000);
  const fits = SIDES.map(() => Math.round(flows * (0.65 + 0.25 * random.fraction())));
  const delays = [base, Math.round(base * (1 + 0.3 * random.fraction()))];
  const narrowed = random.below(2);
  // What is left holds all flows with room to spare.
  const spare = fits[0] + fits[1] - 1.15 * flows;
  const less = Math.min(spare, fits[narrowed] * (0.15 + 0.25 * random.fraction()));
  return { flows, fits, delays: random.shuffle(delays), narrowed, less };
}

function topologyOf({ fits, delays }, overlays) {
  const nodes = [];
  const links = [];
  for (let k = 1; k <= overlays; k++) {
    const [source, destination] = [`source${k}`, `destination${k}`];
    nodes.push(source, destination);
    SIDES.forEach((side, i) => {
      const relay = `${side}${k}`;
      nodes.push(relay);
      const half = { delay: Math.round(delays[i] / 2) };
      links.push({ ...sim.evenLink(source, relay, half), bottleneck: side });
      links.push(sim.evenLink(relay, destination, half));
    });
  }
  const bottlenecks = Object.fromEntries(SIDES.map((side, i) => [side, widthOf(fits[i])]));
  return { nodes, links, bottlenecks };
}

function widthOf(fits) {
  const rate = Math.round(fits * FLOW_BITS);
  return { rate, queueBytes: Math.round((rate / 8) * QUEUE_SECONDS) };
}

class World {
  constructor(testbed, drawn, { overlays, routing }) {
    Object.assign(this, { testbed, drawn, overlays });
    this.sent = 0;
    this.heard = 0;
    this.last = { sent: 0, heard: 0, moves: 0 };
    for (let k = 1; k <= overlays; k++)
      testbed.node(`destination${k}`).bind({ port: PORT, onMessage: () => this.heard++ });
    const random = testbed.random.split('flows');
    for (let i = 0; i < drawn.flows; i++) this.begin(1 + (i % overlays), routing, random);
  }

  begin(overlay, routing, random) {
    const { testbed } = this;
    testbed.after(seconds(random.fraction() * 5), () => {
      const socket = testbed.node(`source${overlay}`).bind({ routing });
      const to = { to: `destination${overlay}`, port: PORT };
      testbed.every(INTERVAL, () => {
        socket.send(new Uint8Array(PAYLOAD_BYTES), to);
        this.sent++;
        return true;
      });
    });
  }

  narrow() {
    const { fits, narrowed, less } = this.drawn;
    const { forward, backward } = this.testbed.network.bottleneck(SIDES[narrowed]);
    for (const model of [forward, backward]) model.change(widthOf(fits[narrowed] - less));
  }

  /** Since the last tally: moves of flows, or of the network's routes, and what was lost. */
  tally() {
    let moves = 0;
    for (let k = 1; k <= this.overlays; k++) {
      const { counters } = this.testbed.node(`source${k}`).status();
      moves += counters['routing.flow-route-changed'] ?? 0;
      moves += counters['routing.route-changed'] ?? 0;
    }
    const { sent, heard } = this;
    const since = { sent: sent - this.last.sent, heard: heard - this.last.heard };
    const moved = moves - this.last.moves;
    this.last = { sent, heard, moves };
    return { moves: moved, loss: Math.max(0, 1 - since.heard / since.sent) };
  }
}
