/**
 * Two outage experiments of the resilient overlay networks work, on our nodes in virtual time.
 *
 * Pilot: four sites in a full mesh, one path losing 30 % of its packets; a flow of 50 packets a second over
 * that path's two ends, sent directly (pinned) and as the overlay routes it.
 * Drawn: 32 outages on twelve nodes in a full mesh: the path between two of them is dead both ways, as the
 * underlay's routing failures are. Time from the cut until the pair's packets arrive again, at our timers and at
 * RON's (a probe every 12 s, four more 3 s apart, link state every 14 s).
 */
import { milliseconds, Random, seconds } from '../../dist/kernel/index.js';
import * as sim from '../../dist/sim/index.js';
import { digits, percent, quantile } from './measure.mjs';

const SITES = ['MIT', 'Aros', 'LCS', 'Nokia'];
const LOSS = 0.3;
const OUTAGES = 32;
const PORT = 9;

export const name = 'outages';
export const figure = "30 % loss on one of four sites' paths; 32 drawn outages on 12 nodes";
export const bar = 'loss < 5 %; all routed around, mean < 1 s, and < 18 s at slow timers';
export const reference = 'RON: "well below 10 %"; all of 32, 18 s on average';

export async function run({ quick, log, seed = 1 }) {
  const pilot = runPilot(seed, quick ? 60 : 600);
  log(`direct loses ${percent(pilot.direct)}, overlay ${percent(pilot.overlay)}`);
  const count = quick ? 6 : OUTAGES;
  const ours = runOutages({ seed, count, timers: {}, withinS: 20 });
  log(`default timers: mean ${digits(mean(ours))} s, worst ${digits(Math.max(...ours))} s`);
  const slow = runOutages({ seed, count, timers: SLOW_TIMERS, withinS: 120 });
  log(`slow timers: mean ${digits(mean(slow))} s, worst ${digits(Math.max(...slow))} s`);
  const isFound = [...ours, ...slow].every(Number.isFinite);
  return {
    measured:
      `${percent(pilot.overlay)} lost (direct ${percent(pilot.direct)}); ${ours.filter(Number.isFinite).length} of ${count}, ` +
      `mean ${digits(mean(ours))} s; slow timers mean ${digits(mean(slow))} s`,
    holds: pilot.overlay < 0.05 && isFound && mean(ours) < 1 && mean(slow) < 18,
    how:
      `Flow of 50 packets a second. Time is from the cut to the first packet sent after it that arrives. Worst ${digits(Math.max(...ours))} s and ` +
      `${digits(Math.max(...slow))} s, median ${digits(quantile(ours, 0.5))} s and ${digits(quantile(slow, 0.5))} s.`,
    values: { pilot, ours, slow },
  };
}

/** A hello every 12 s; dead after four more probes 3 s apart. */
const SLOW_TIMERS = { helloInterval: seconds(12), deadAfterMax: seconds(28) };

const mean = (list) => list.reduce((sum, x) => sum + x, 0) / list.length;

function runPilot(seed, duration) {
  const plain = sim.meshTopology(4, { delay: milliseconds(35) });
  const topology = renamed(plain, SITES);
  const testbed = new sim.Testbed({ seed, topology });
  testbed.start();
  testbed.run(seconds(5));
  testbed.impairLink('MIT', 'Aros', { loss: LOSS });
  const direct = countFlow(testbed, {
    from: 'MIT',
    to: 'Aros',
    port: PORT,
    routing: pinned(testbed),
  });
  const overlay = countFlow(testbed, { from: 'MIT', to: 'Aros', port: PORT + 1 });
  testbed.run(seconds(duration));
  direct.stop();
  overlay.stop();
  testbed.run(seconds(2));
  testbed.assertSound();
  return { direct: direct.lost(), overlay: overlay.lost() };
}

const pinned = (testbed) => ({ scheme: 'explicit', route: [testbed.addressOf('Aros')] });

function countFlow(testbed, { from, to, port, routing }) {
  let sent = 0;
  let heard = 0;
  let isOn = true;
  const arrivals = [];
  testbed.node(to).bind({
    port,
    onMessage: ({ payload }) => {
      heard++;
      arrivals.push({
        number: new DataView(payload.buffer, payload.byteOffset).getUint32(0),
        at: testbed.now,
      });
    },
  });
  const socket = testbed.node(from).bind(routing === undefined ? {} : { routing });
  const sentAt = [];
  testbed.every(milliseconds(20), () => {
    const payload = new Uint8Array(100);
    new DataView(payload.buffer).setUint32(0, sent++);
    sentAt.push(testbed.now);
    socket.send(payload, { to, port });
    return isOn;
  });
  return {
    stop: () => {
      isOn = false;
    },
    lost: () => 1 - heard / sent,
    /** Seconds from `cutAt` to the sending of the first packet after it that arrived. */
    gapAfter: (cutAt) => {
      const first = arrivals.find(({ number }) => sentAt[number] > cutAt);
      return first === undefined ? Number.POSITIVE_INFINITY : (first.at - cutAt) / 1e6;
    },
  };
}

/** One testbed for each outage, so that none finds the network in the state another left. */
function runOutages({ seed, count, timers, withinS }) {
  const random = new Random(seed).split('outages');
  const gaps = [];
  for (let i = 0; i < count; i++) {
    const draw = random.split(`outage ${i}`);
    const topology = drawMesh(draw, 12);
    const testbed = new sim.Testbed({ seed: seed * 1000 + i, topology, timers });
    testbed.start();
    const warm = timers.helloInterval === undefined ? 5 : 40;
    testbed.run(seconds(warm + draw.fraction() * (warm === 5 ? 1 : 12)));
    const from = draw.pick(topology.nodes);
    const to = draw.pick(topology.nodes.filter((node) => node !== from));
    const flow = countFlow(testbed, { from, to, port: PORT });
    testbed.run(seconds(1));
    const cutAt = testbed.now;
    testbed.cut(from, to);
    testbed.runUntil(() => Number.isFinite(flow.gapAfter(cutAt)), { within: seconds(withinS) });
    gaps.push(flow.gapAfter(cutAt));
  }
  return gaps;
}

/** A full mesh whose direct paths are the best, so that a cut of one always matters. */
function drawMesh(random, nodes) {
  const mesh = sim.meshTopology(nodes);
  const links = mesh.links.map(({ a, b }) =>
    sim.evenLink(a, b, { delay: milliseconds(random.between(20, 35)) }),
  );
  return { ...mesh, links };
}

function renamed(topology, names) {
  const nameOf = new Map(topology.nodes.map((node, i) => [node, names[i]]));
  const links = topology.links.map((link) => ({
    ...link,
    a: nameOf.get(link.a),
    b: nameOf.get(link.b),
  }));
  return { nodes: names, links };
}
