/**
 * Time to compute all routes of one node anew after one link changed: graph, differences, shortest paths,
 * route table. Networks of degree 8 (a ring with drawn chords), and full meshes, which are the worst case.
 */
import { Counters, Random } from '../../dist/kernel/index.js';
import { LinkChanges } from '../../dist/routing/link-changes.js';
import { LinkClaims } from '../../dist/routing/link-claims.js';
import { ROUTING_LIMITS, ROUTING_TIMERS } from '../../dist/routing/options.js';
import { RouteTable } from '../../dist/routing/routes.js';
import { pathsFrom } from '../../dist/routing/shortest-paths.js';
import { Topology } from '../../dist/routing/topology.js';
import { PermittedLinks } from '../../dist/security/index.js';
import { encodeLinkState } from '../../dist/wire/index.js';
import { digits, median } from './measure.mjs';

const GOALS_MS = new Map([
  [12, 1],
  [50, 5],
  [200, 50],
]);

export const name = 'recompute';
export const figure = 'all routes computed anew after one change, at 12, 50, 200 nodes';
export const bar = '< 1, < 5, < 50 ms';
export const reference = '-';

export async function run({ quick, log }) {
  const rounds = quick ? 5 : 60;
  const rows = [];
  for (const [nodes, goal] of GOALS_MS) {
    const sparse = timeOf({ nodes, degree: 8, rounds });
    const mesh = timeOf({ nodes, degree: nodes - 1, rounds });
    rows.push({ nodes, goal, sparse, mesh });
    log(`${nodes} nodes: ${digits(sparse)} ms of degree 8, ${digits(mesh)} ms as a full mesh`);
  }
  const list = (pick) => rows.map((row) => digits(pick(row))).join(', ');
  return {
    measured: `${list((r) => r.sparse)} ms; full meshes ${list((r) => r.mesh)} ms`,
    holds: rows.every(({ goal, sparse, mesh }) => sparse < goal && mesh < goal),
    how: `Medians of ${rounds} changes of one link. A node's link-state is decoded, merged, compared; the table says what changed and why.`,
    values: { rows },
  };
}

function timeOf({ nodes, degree, rounds }) {
  const random = new Random(nodes);
  const nameOf = (address) => `n${address}`;
  const counters = new Counters();
  const claims = new LinkClaims({
    permitted: () => new PermittedLinks(undefined),
    memberAt: () => undefined,
    isNameTaken: () => false,
    counters,
  });
  const topology = new Topology(claims);
  const links = drawLinks(nodes, degree, random);
  const put = (origin, sequence) => {
    const reports = [...links.get(origin)].sort(([x], [y]) => x - y);
    for (let part = 0; part * 64 < reports.length; part++)
      topology.put(record(origin, part, sequence, reports.slice(part * 64, part * 64 + 64)));
  };
  for (const origin of links.keys()) put(origin, 1);
  const table = new RouteTable(1, nameOf);
  const changes = new LinkChanges({
    timers: ROUTING_TIMERS,
    limits: ROUTING_LIMITS,
    counters,
    nameOf,
  });
  const recompute = () => {
    const edges = topology.rebuild(1);
    const causes = changes.apply(edges, () => undefined, 0);
    const { graph } = topology;
    table.update(pathsFrom(graph, graph.numberOf.get(1)), causes, 0);
  };
  recompute();
  const times = [];
  for (let i = 0; i < rounds; i++) {
    const origin = random.between(1, nodes);
    const [neighbour] = random.pick([...links.get(origin)]);
    const latency = random.between(1_000, 80_000);
    links.get(origin).set(neighbour, latency);
    links.get(neighbour).set(origin, latency);
    const began = performance.now();
    put(origin, i + 2);
    put(neighbour, i + 2);
    recompute();
    times.push(performance.now() - began);
  }
  return median(times);
}

function drawLinks(nodes, degree, random) {
  const links = new Map();
  for (let a = 1; a <= nodes; a++) links.set(a, new Map());
  const join = (a, b) => {
    const latency = random.between(1_000, 80_000);
    links.get(a).set(b, latency);
    links.get(b).set(a, latency);
  };
  for (let a = 1; a <= nodes; a++) {
    if (degree === nodes - 1) for (let b = a + 1; b <= nodes; b++) join(a, b);
    else {
      join(a, (a % nodes) + 1);
      for (let k = 1; k < degree / 2; k++) {
        const b = random.between(1, nodes);
        if (b !== a) join(a, b);
      }
    }
  }
  return links;
}

function record(origin, part, sequence, reports) {
  const links = reports.map(([neighbour, latency]) => ({
    neighbour,
    latency,
    jitter: 0,
    lossOutPpm: 0,
    lossInPpm: 0,
    mtu: 1400,
  }));
  const content = encodeLinkState({ isWithdrawn: false, links, extensions: new Uint8Array(0) });
  const body = new Uint8Array(content.length + 64);
  body.set(content);
  return { type: 1, part, origin, epoch: 1, sequence, body, madeAt: 0, expiresAt: undefined };
}
