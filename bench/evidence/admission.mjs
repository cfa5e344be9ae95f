/**
 * Reserved flows over a drawn mesh: real nodes in virtual time, beside as much best effort as fits and more. Once
 * with capacities that the nodes are told; once with capacities that nobody states, where what nodes measure
 * decides on admission and paces the links on which rates are reserved.
 */
import { milliseconds, Random, seconds } from '../../dist/kernel/index.js';
import * as sim from '../../dist/sim/index.js';
import { digits, percent } from './measure.mjs';

const DEGREE = 3;
/** Drawn for each link, bits a second. */
const CAPACITIES = [4e6, 8e6, 10e6, 20e6, 50e6];
const RATES = [0.5e6, 1e6, 2e6];
const PAYLOAD_BYTES = 1_000;
/** With the headers of overlay, link, UDP and IPv4, at most. */
const WIRE_BYTES = PAYLOAD_BYTES + 180;
const DEADLINE = milliseconds(250);
const GREEDY_SHARE = 1.2;

export const name = 'admission';
export const figure =
  'reserved flows over a drawn mesh beside saturating best effort: delivered in 250 ms; measured capacity against the true one';
export const bar = '100 % within the reserved rate; capacity within 15 %';
export const reference = 'best effort in the same run';

export async function run({ quick, log }) {
  const seeds = quick ? [1] : [1, 2, 3, 4, 5];
  const time = quick ? 1 : 20;
  const nodes = quick ? 5 : 10;
  const all = seeds.map((seed) => {
    const loaded = measure(seed, { nodes, time, isStated: true });
    const measured = measure(seed, { nodes, time, isStated: false });
    log(
      `seed ${seed}: ${loaded.held} held, ${loaded.refused} refused, ${percent(loaded.inTime / loaded.sent)} in time, ` +
        `best effort ${percent(loaded.plainHeard / loaded.plainSent)}; not stated: ${measured.held} held, ` +
        `${percent(measured.inTime / measured.sent)} in time, best effort ${percent(measured.plainHeard / measured.plainSent)}, ` +
        `capacity off by ${percent(measured.worst)} at most`,
    );
    return { loaded, measured };
  });
  const sum = (part, key) => all.reduce((total, one) => total + one[part][key], 0);
  const share = sum('loaded', 'inTime') / sum('loaded', 'sent');
  const alone = sum('measured', 'inTime') / sum('measured', 'sent');
  const worst = Math.max(...all.map(({ measured }) => measured.worst));
  return {
    measured:
      `${percent(share)} of ${sum('loaded', 'sent')} messages of ${sum('loaded', 'held')} flows in time (best effort ` +
      `${percent(sum('loaded', 'plainHeard') / sum('loaded', 'plainSent'))} at all), ${sum('loaded', 'refused')} refused; ` +
      `${sum('measured', 'links')} capacities measured within ${percent(worst)}`,
    holds: share === 1 && alone === 1 && worst <= 0.15 && sum('loaded', 'held') > 0,
    how:
      `${seeds.length} drawn meshes of ${nodes} nodes with ${DEGREE} nearest neighbours each, links of ` +
      `${CAPACITIES.map((c) => c / 1e6).join(', ')} Mbit/s, ${time} s of load. Each node asks for two flows of ` +
      `${RATES.map((r) => r / 1e6).join(', ')} Mbit/s to drawn others; those admitted send at their rates, messages of ` +
      `${PAYLOAD_BYTES} bytes. Every node also sends best effort of ${digits(GREEDY_SHARE)} times what its links carry, after sessions were set up. ` +
      `Without stated capacities ${sum('measured', 'held')} flows were admitted by what was measured, and ${percent(alone)} of their ` +
      `${sum('measured', 'sent')} messages came in time (best effort ${percent(sum('measured', 'plainHeard') / sum('measured', 'plainSent'))} at all): ` +
      'there links without reservations are not scheduled, and lose what is too much, which moves the routes of other flows.',
    values: { all },
  };
}

function measure(seed, { nodes: count, time, isStated }) {
  const random = new Random(seed);
  const drawn = sim.geometricTopology(random.split('map'), { nodes: count, degree: DEGREE });
  const capacities = new Map();
  const links = drawn.links.map((link) => {
    const rate = random.pick(CAPACITIES);
    capacities.set(`${link.a} ${link.b}`, rate).set(`${link.b} ${link.a}`, rate);
    const shaped = { rate, queueBytes: Math.max(60_000, rate / 80) };
    return {
      ...link,
      forward: { ...link.forward, ...shaped },
      backward: { ...link.backward, ...shaped },
    };
  });
  const capacityOf = (from, to) => (isStated ? capacities.get(`${from} ${to}`) : undefined);
  const testbed = new sim.Testbed({ seed, topology: { ...drawn, links }, capacityOf });
  testbed.start();
  testbed.run(seconds(5));
  meet(testbed);
  const flows = reserve(testbed, random.split('flows'));
  testbed.run(seconds(8));
  const held = flows.filter(({ state }) => state === 'held');
  const greedy = bestEffort(testbed, drawn.nodes, capacities, random.split('greedy'), time);
  const reserved = held.map((flow) => sendReserved(testbed, flow, time));
  testbed.run(seconds(time + 2));
  const first = testbed.violations[0];
  if (first !== undefined) throw new Error(first.text);
  const total = (list, key) => list.reduce((sum, one) => sum + one[key], 0);
  return {
    held: held.length,
    refused: flows.length - held.length,
    sent: total(reserved, 'sent'),
    heard: total(reserved, 'heard'),
    inTime: total(reserved, 'inTime'),
    plainSent: greedy.sent,
    plainHeard: greedy.heard,
    ...capacityErrors(testbed, drawn.nodes, capacities),
  };
}

/** Everybody says a word to everybody: end-to-end sessions stand before the load begins. */
function meet(testbed) {
  for (const node of testbed.nodes) {
    const socket = node.bind({});
    for (const { name } of testbed.nodes)
      if (name !== node.name) socket.send(new Uint8Array(1), { to: name, port: 9 });
    testbed.run(seconds(2));
  }
}

/** Two flows of each node, asked for one after the other. */
function reserve(testbed, random) {
  const flows = [];
  for (const node of testbed.nodes) {
    const own = new Map();
    node.onEvent = (event) => {
      if (event.kind === 'reservation' && own.has(event.id)) own.get(event.id).state = event.state;
    };
    for (let i = 0; i < 2; i++) {
      const to = random.pick(testbed.nodes.filter((other) => other !== node)).name;
      const rate = random.pick(RATES);
      const flow = { from: node.name, to, rate, port: 1_000 + flows.length, state: 'asking' };
      flow.socket = node.bind({ service: service(10) });
      own.set(flow.socket.reserve(to, rate).value, flow);
      flows.push(flow);
      testbed.run(seconds(4));
    }
  }
  return flows;
}

function sendReserved(testbed, { socket, to, rate, port }, time) {
  const count = { sent: 0, heard: 0, inTime: 0 };
  const sentAt = [];
  testbed.node(to).bind({
    port,
    onMessage: ({ payload }) => {
      const number = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
      count.heard++;
      if (testbed.now - sentAt[number] <= DEADLINE) count.inTime++;
    },
  });
  const gap = milliseconds((WIRE_BYTES * 8_000) / rate);
  const end = testbed.now + seconds(time);
  testbed.every(gap, () => {
    const payload = new Uint8Array(PAYLOAD_BYTES);
    new DataView(payload.buffer).setUint32(0, count.sent);
    sentAt.push(testbed.now);
    count.sent++;
    socket.send(payload, { to, port });
    return testbed.now < end;
  });
  return count;
}

/** More than each node's links carry, to others drawn anew for each message. */
function bestEffort(testbed, nodes, capacities, random, time) {
  const count = { sent: 0, heard: 0 };
  const end = testbed.now + seconds(time);
  for (const name of nodes) testbed.node(name).bind({ port: 9, onMessage: () => count.heard++ });
  for (const name of nodes) {
    const own = [...capacities].filter(([key]) => key.startsWith(`${name} `));
    const rate = GREEDY_SHARE * own.reduce((sum, [, capacity]) => sum + capacity, 0);
    const socket = testbed.node(name).bind({ service: service(1) });
    const others = nodes.filter((other) => other !== name);
    testbed.every(milliseconds((WIRE_BYTES * 8_000) / rate), () => {
      socket.send(new Uint8Array(PAYLOAD_BYTES), { to: random.pick(others), port: 9 });
      count.sent++;
      return testbed.now < end;
    });
  }
  return count;
}

function capacityErrors(testbed, nodes, capacities) {
  const nameOf = (address) => nodes.find((name) => testbed.addressOf(name) === address);
  let worst = 0;
  let links = 0;
  for (const node of testbed.nodes)
    for (const link of node.status().bandwidth.links) {
      if (link.reserved === 0) continue;
      const real = capacities.get(`${node.name} ${nameOf(link.neighbour)}`);
      links++;
      worst = Math.max(worst, Math.abs(link.capacity - real) / real);
    }
  return { worst, links };
}

const service = (priority) => ({
  recovery: 0,
  priority,
  requests: 0,
  retransmissions: 0,
  deadline: 0,
});
