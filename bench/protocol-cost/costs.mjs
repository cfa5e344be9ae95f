/**
 * What each recovery and each form of route costs on a link: bytes a packet, bytes a loss, memory a link
 * and a flow. Real nodes in virtual time, so that the bytes are the same on every machine.
 *
 *   A --- B --- C      a flow from A to C; counted is the link B-C, weighed is B
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Chain } from '../evidence/chain.mjs';
import { median } from '../evidence/measure.mjs';

const BYTES = 1_000;
const INTERVAL = 1_000;
const PORT = 9;
const DELAY = 10_000;
const LOSS = { loss: 0.02, p11: 0.66 };
const CAPACITY = 20_000_000;
/** Until the link has measured, by trains of packets, what it carries. */
const WARM_UP = 5_000;
const FLOWS = 400;
const ROUTE_LINKS = 4;
/** Links of two nodes that differ in nothing else. */
const STARS = [8, 40];

const service = (recovery, deadline = 0) => ({
  recovery,
  deadline,
  priority: 4,
  requests: 0,
  retransmissions: 0,
});
/** Fair queues are there only where a link states its capacity. */
const FAIR = { linkCapacity: CAPACITY };

/**
 * Named as in docs/recovery.md. With 30 ms for links of 10 ms there is no time to ask on the last; how many
 * parities there are follows the burst measured, for which it takes `learning` packets.
 */
const RECOVERIES = [
  { name: 'none', service: service(0) },
  { name: 'reliable', service: service(1) },
  { name: 'realtime', service: service(2) },
  { name: 'deadline', service: service(3, 200_000) },
  { name: 'deadline, by parities', service: service(3, 30_000), learning: 20_000 },
  { name: 'priority', service: service(4), options: FAIR },
  { name: 'fair-reliable', service: service(5), options: FAIR },
];

const ROUTES = [
  { name: 'each node decides', routing: { scheme: 'best' } },
  { name: 'path', routing: { scheme: 'pinned' } },
  { name: 'graph', routing: { scheme: 'time-constrained' }, service: service(0, 200_000) },
  { name: 'flood', routing: { scheme: 'flood' } },
];

/**
 * `[{ name, header, back, lossForth, lossBack }]`: bytes a packet beyond its payload, bytes back without
 * losses, and for each lost packet, what the link itself says about losses taken off.
 */
export function recoveryCosts({ packets }) {
  const rows = RECOVERIES.map((kind) => {
    const clean = onTheWire(kind, { packets });
    const lossy = onTheWire(kind, { packets, weather: LOSS });
    const perLoss = (way) => (packets * (lossy[way] - clean[way])) / lossy.lost;
    return {
      name: kind.name,
      header: Math.round(clean.forth - BYTES),
      back: Math.round(clean.back),
      lossForth: perLoss('forth'),
      lossBack: perLoss('back'),
    };
  });
  const { lossForth, lossBack } = rows[0];
  return rows.map((row) => ({
    ...row,
    lossForth: extra(row.lossForth, lossForth),
    lossBack: extra(row.lossBack, lossBack),
  }));
}

/** Losses make the link itself say a little more or less: below nothing is nothing. */
const extra = (bytes, plain) => Math.max(0, Math.round(bytes - plain));

/**
 * `{ idleLinkBytes, rows: [{ name, linkBytes, flowBytes }] }`: of the node between, for a link that carries
 * 8 Mbit/s of a recovery, beyond what it weighs with best effort; and for each further flow.
 */
export function memoryCosts({ rounds }) {
  const middle = (weigh) => {
    weigh();
    return median(Array.from({ length: rounds }, weigh));
  };
  const plain = middle(() => memory(RECOVERIES[0], 1));
  const rows = RECOVERIES.map((kind) => {
    const one = middle(() => memory(kind, 1));
    const many = middle(() => memory(kind, FLOWS));
    return { name: kind.name, linkBytes: one - plain, flowBytes: (many - one) / (FLOWS - 1) };
  });
  const [few, many] = STARS.map((links) => middle(() => idleWeight(links)));
  return { idleLinkBytes: (many - few) / (STARS[1] - STARS[0]), rows };
}

/** `[{ name, header }]`: on the last of four links in a row. */
export function routeCosts({ packets }) {
  return ROUTES.map((kind) => {
    const { forth } = onTheWire(kind, { packets, links: ROUTE_LINKS });
    return { name: kind.name, header: Math.round(forth - BYTES) };
  });
}

/** What a node weighs that has had so many idle links for a while. */
function idleWeight(links) {
  const chain = new Chain({ seed: 1, delays: Array(links).fill(DELAY), isStar: true });
  chain.settle();
  chain.run(10_000_000);
  return weightOf(chain, 0);
}

/** Bytes a packet on the last link, forth and back, what the idle link sends taken off; and losses. */
function onTheWire(kind, { packets, weather, links = 2 }) {
  const chain = chainOf({ links, options: kind.options });
  const [forth, back] = [chain.wayOf(links - 1, links), chain.wayOf(links, links - 1)];
  const counted = (run) => {
    const before = { forth: forth.bytes, back: back.bytes };
    run();
    return { forth: forth.bytes - before.forth, back: back.bytes - before.back };
  };
  const idle = counted(() => chain.run(packets * INTERVAL));
  const send = sender(chain, kind, 1);
  for (let i = 0; i < WARM_UP; i++) send();
  if (weather !== undefined)
    for (const [from, to] of [
      [links - 1, links],
      [links, links - 1],
    ])
      chain.setWeather(from, to, weather);
  if (weather !== undefined) for (let i = 0; i < (kind.learning ?? 0); i++) send();
  const lostBefore = forth.lost;
  const busy = counted(() => {
    for (let i = 0; i < packets; i++) send();
  });
  return {
    forth: (busy.forth - idle.forth) / packets,
    back: (busy.back - idle.back) / packets,
    lost: forth.lost - lostBefore,
  };
}

/** What the node between weighs after five seconds of so many flows, 8 Mbit/s together, with losses. */
function memory(kind, flows) {
  const chain = chainOf({ links: 2, options: kind.options });
  for (const [from, to] of [
    [0, 1],
    [1, 0],
    [1, 2],
    [2, 1],
  ])
    chain.setWeather(from, to, LOSS);
  const send = sender(chain, kind, flows);
  for (let i = 0; i < 5_000; i++) send();
  return weightOf(chain, 1);
}

function chainOf({ links, options }) {
  const chain = new Chain({ seed: 1, delays: Array(links).fill(DELAY), options });
  chain.settle();
  return chain;
}

/** Sends a packet of the next of so many flows, and lets an interval pass. */
function sender(chain, { service, routing }, flows) {
  const last = chain.places.length - 1;
  const to = chain.node(last).address;
  chain.call(last, (node, now) => node.datagramBind({ port: PORT }, now));
  const sockets = Array.from({ length: flows }, () => {
    const bound = chain.call(0, (node, now) => node.datagramBind({ service, routing }, now));
    return bound.value.socket;
  });
  const payload = new Uint8Array(BYTES);
  let next = 0;
  return () => {
    const socket = sockets[next++ % flows];
    chain.call(0, (node, now) => node.datagramSend(socket, to, PORT, payload, now));
    chain.run(INTERVAL);
  };
}

/** What the garbage collector gives back when the node at a place goes. State: the chain is no more. */
function weightOf(chain, place) {
  const held = heldAlone(chain, place);
  const before = used();
  held.clear();
  return before - used();
}

/** In a function of its own, so that no frame still has the node. */
function heldAlone(chain, place) {
  const held = new Set([chain.node(place)]);
  chain.dismantle();
  return held;
}

let collect;

function used() {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc');
  }
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
