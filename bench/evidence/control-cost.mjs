/**
 * What a full mesh costs in control traffic and processor time, per node. Real nodes in virtual time: every
 * datagram they send is counted with 28 bytes of UDP and IPv4 headers, after the mesh has come up. CPU is that of the
 * whole simulation, its network included, divided by nodes and time.
 *
 * Slow timers are RON's: a hello every 12 s. The others are ours: hellos as often as the budget allows, so that a
 * dead link is known within a second. For 100, 200 and 400 the lean harness of
 * `bench/ron-replay` counts hellos, figures and advice of the shipped classes, and their processor time without
 * sealing; link state over the backbone is reckoned.
 */
import { milliseconds, seconds } from '../../dist/kernel/index.js';
import { PROBING } from '../../dist/node/probing.js';
import * as sim from '../../dist/sim/index.js';
import { meshCost } from '../ron-replay/mesh-cost.mjs';
import { digits } from './measure.mjs';

const PUBLISHED_KBIT = new Map([
  [10, 2.2],
  [20, 6.6],
  [30, 13.3],
  [40, 22.3],
  [50, 33],
]);
const LARGE = [100, 200, 400];
const HEADER_BYTES = 28;
const SLOW = {
  timers: { helloInterval: seconds(12), deadAfterMax: seconds(28) },
  probing: {},
};
const TIMES_FOR_A_SECOND = 4;

export const name = 'control-cost';
export const figure =
  'control traffic per node of a full mesh of 10, 20, 30, 40, 50 nodes, slow timers; ours';
export const bar = '<= RON at each size; ours at 50 <= 132 kbit/s (4 x RON)';
export const reference = 'RON 2.2, 6.6, 13.3, 22.3, 33 kbit/s';

export async function run({ quick, log }) {
  const rows = [];
  for (const [nodes, published] of PUBLISHED_KBIT) {
    if (quick && nodes > 20) continue;
    const slow = meshOf(nodes, { ...SLOW, warm: 60, observed: quick ? 60 : 600 });
    const ours = meshOf(nodes, { timers: {}, probing: {}, warm: 15, observed: quick ? 20 : 60 });
    rows.push({ nodes, published, slow, ours });
    log(
      `${nodes} nodes: slow timers ${digits(slow.kbit)} kbit/s (published ${published}), ours ${digits(ours.kbit)}; CPU ${digits(ours.cpuPercent)} % a node`,
    );
  }
  const large = LARGE.map((nodes) => {
    const row = meshCost({ nodes, seconds: quick ? 20 : 60, budget: PROBING.budget });
    log(
      `${nodes} nodes: ${digits(row.kbit)} kbit/s (link state ${digits(row.linkStateKbit)}), CPU ${digits(row.cpuPercent)} % a node, hello each ${digits(row.helloS)} s, round ${digits(row.roundS)} s, ` +
        `${digits(row.perRound)} bytes a round; telling everybody everything: ${digits(row.everybody)}`,
    );
    return row;
  });
  const last = rows.at(-1);
  const list = (pick) => rows.map((row) => digits(pick(row))).join(', ');
  return {
    measured: `${list((r) => r.slow.kbit)} kbit/s; ours ${list((r) => r.ours.kbit)}`,
    holds: rows.every(
      ({ published, slow, ours }) =>
        slow.kbit <= published && ours.kbit <= TIMES_FOR_A_SECOND * PUBLISHED_KBIT.get(50),
    ),
    how:
      `Greatest of ${last.nodes} nodes: ${digits(last.ours.worstKbit)} kbit/s. CPU per node of the whole simulation: ${list((r) => r.ours.cpuPercent)} %. Relays by rendezvous: ` +
      large
        .map(
          ({ nodes, kbit, perRound, everybody, cpuPercent }) =>
            `${nodes} nodes ${digits(kbit)} kbit/s, ${digits(perRound / 1e3)} kB a round instead of ${digits(everybody / 1e3)}, CPU ${digits(cpuPercent)} % a node`,
        )
        .join('; ') +
      '.',
    values: { rows, large },
  };
}

function meshOf(nodes, { timers, probing, warm, observed }) {
  const topology = sim.meshTopology(nodes, { delay: milliseconds(20) });
  const testbed = new sim.Testbed({ seed: nodes, topology, timers, probing });
  testbed.start();
  testbed.run(seconds(warm));
  const before = sentBits(testbed);
  const cpu = process.cpuUsage();
  testbed.run(seconds(observed));
  const { user, system } = process.cpuUsage(cpu);
  testbed.assertSound();
  const after = sentBits(testbed);
  const rates = after.map((bits, i) => (bits - before[i]) / observed / 1e3);
  return {
    kbit: rates.reduce((sum, x) => sum + x, 0) / nodes,
    worstKbit: Math.max(...rates),
    cpuPercent: (100 * (user + system)) / 1e6 / observed / nodes,
  };
}

const sentBits = (testbed) =>
  testbed.nodes.map((node) =>
    node
      .status()
      .links.reduce((sum, link) => sum + 8 * (link.bytesOut + HEADER_BYTES * link.packetsOut), 0),
  );
