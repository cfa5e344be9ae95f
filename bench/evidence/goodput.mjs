/**
 * Goodput of the intrusion-tolerant lanes on the twelve cities with every link capped at 10 Mbit/s: all pairs
 * send, the shipped nodes schedule, sealing as on the wire. In virtual time the links bound what gets
 * through; what one machine carries is told beside it, as processor time for each packet delivered.
 */
import { milliseconds, seconds } from '../../dist/kernel/index.js';
import * as sim from '../../dist/sim/index.js';
import { digits, mbit } from './measure.mjs';

const CAPACITY = 10_000_000;
const PAYLOAD_BYTES = 1_000;
const LANES = { priority: 4, reliable: 5 };
/** Offered by all pairs together, above what the links carry. */
const SCHEMES = {
  flooding: { routing: { scheme: 'flood' }, offered: 64_000_000 },
  'K=1': { routing: { scheme: 'best' }, offered: 240_000_000 },
  'K=2': { routing: { scheme: 'disjoint', paths: 2 }, offered: 160_000_000 },
};
/** Published, with crypto. */
const PUBLISHED = { priority: [45, 85, 80], reliable: [40, 85, 80] };

export const name = 'goodput';
export const figure = 'goodput on 12 cities, links of 10 Mbit/s, sealed: flooding / K=1 / K=2';
export const bar = 'priority >= 45 / 85 / 80, reliable >= 40 / 85 / 80 Mbit/s';
export const reference =
  'Spines, ICDCS 2016, with crypto: priority 45 / 85 / 80, reliable 40 / 85 / 80 Mbit/s';

export async function run({ quick, log }) {
  const time = quick ? 1 : 5;
  const rows = {};
  let holds = true;
  for (const [lane, recovery] of Object.entries(LANES)) {
    rows[lane] = [];
    for (const [scheme, { routing, offered }] of Object.entries(SCHEMES)) {
      const { bits, cpu, second } = measure({ routing, offered, recovery, time });
      rows[lane].push({ scheme, bits, cpu, second });
      log(
        `${lane}, ${scheme}: ${mbit(bits)}, ${digits(100 * second)} % second copies, ` +
          `${digits(cpu)} us a packet delivered`,
      );
    }
    holds &&= rows[lane].every(({ bits }, i) => bits >= PUBLISHED[lane][i] * 1e6);
  }
  const signed = measure({ ...SCHEMES.flooding, recovery: LANES.priority, isSigned: true, time });
  log(`priority, flooding, signed: ${mbit(signed.bits)}`);
  const words = (lane) => rows[lane].map(({ bits }) => digits(bits / 1e6)).join(' / ');
  return {
    measured: `priority ${words('priority')}, reliable ${words('reliable')} Mbit/s`,
    holds,
    how:
      `All 132 pairs send messages of ${PAYLOAD_BYTES} bytes for ${time} s in the simulator, more than the links carry. ` +
      'Scaling: virtual time, so links bound the figure and no processor does. One machine, one core, carries one delivered packet in ' +
      `${rows.priority.map(({ scheme, cpu }) => `${scheme} ${digits(cpu)} us`).join(', ')} for all nodes on its way, simulator included. ` +
      'The 64 directed links carry 640 Mbit/s in all, nine tenths of it payload: 52 Mbit/s if every node gets every message once. A node ' +
      'sends no copy to a neighbour that has named the message, and copies for the neighbour itself take turns with those that pass: ' +
      `${digits(100 * rows.priority[0].second)} % (priority) and ${digits(100 * rows.reliable[0].second)} % (reliable) ` +
      'of the copies of a flood came to a node that had one. Reliable floods are acknowledged end to end, by signature. ' +
      `Signed by their sources as well, 148 bytes a packet at most, priority floods carry ${mbit(signed.bits)}.`,
    values: { ...rows, signed },
  };
}

function measure({ routing, offered, recovery, time, isSigned = false }) {
  const topology = sim.continentTopology();
  const capped = (way) => ({ ...way, rate: CAPACITY, queueBytes: 125_000 });
  const links = topology.links.map((link) => ({
    ...link,
    forward: capped(link.forward),
    backward: capped(link.backward),
  }));
  const testbed = new sim.Testbed({
    seed: 3,
    topology: { nodes: topology.nodes, links },
    linkCapacity: CAPACITY,
    lastEventsMax: 1,
  });
  testbed.start();
  testbed.run(seconds(6));
  let bytes = 0;
  let packets = 0;
  const service = {
    recovery,
    priority: 5,
    requests: 0,
    retransmissions: 0,
    deadline: 0,
    ...(isSigned ? { isSigned } : {}),
  };
  for (const name of topology.nodes)
    testbed.node(name).bind({
      port: 9,
      onMessage: ({ payload }) => {
        bytes += payload.length;
        packets++;
      },
    });
  const payload = new Uint8Array(PAYLOAD_BYTES);
  const pairs = topology.nodes.flatMap((from) =>
    topology.nodes
      .filter((to) => to !== from)
      .map((to) => ({ to, socket: testbed.node(from).bind({ routing, service }) })),
  );
  const send = ({ socket, to }) => socket.send(payload, { to, port: 9 });
  pairs.forEach(send);
  testbed.run(seconds(2));
  const gap = (PAYLOAD_BYTES * 8_000_000 * pairs.length) / offered;
  const steps = Math.ceil(gap / milliseconds(1));
  const slice = gap / steps;
  const fill = seconds(time / 2);
  const until = testbed.now + fill + seconds(time);
  const from = testbed.now + fill;
  let began;
  let before;
  for (let step = 0; testbed.now < until; step++) {
    if (began === undefined && testbed.now >= from) {
      bytes = 0;
      packets = 0;
      before = copies(testbed);
      began = process.cpuUsage();
    }
    for (let i = step % steps; i < pairs.length; i += steps) send(pairs[i]);
    testbed.run(Math.round(slice));
  }
  const { user, system } = process.cpuUsage(began);
  if (testbed.violations.length > 0) throw new Error(testbed.violations[0].text);
  const after = copies(testbed);
  return {
    bits: (bytes * 8) / time,
    cpu: (user + system) / Math.max(1, packets),
    second: (after.second - before.second) / Math.max(1, after.all - before.all),
  };
}

/** Copies put on links by all nodes, and those of them that came to a node which had one. */
function copies(testbed) {
  const total = { all: 0, second: 0 };
  for (const node of testbed.nodes) {
    const { counters } = node.status();
    total.all += counters['forwarding.packets-forwarded'] ?? 0;
    total.second += counters['forwarding.dropped.duplicate'] ?? 0;
  }
  return total;
}
