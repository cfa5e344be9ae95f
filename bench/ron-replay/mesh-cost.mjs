/** Hellos, figures and advice of a big mesh of shipped classes, counted; the backbone's link state reckoned. */

import { Random } from '../../dist/kernel/index.js';
import { MemberGrid, ROUTING_TIMERS, refreshIntervalOf } from '../../dist/routing/index.js';
import { replay } from './replay.mjs';

/** Of a record on the wire: headers of the datagram, the seal, the frame, the flood, the signature. */
const RECORD_OVERHEAD_BYTES = 28 + 32 + 3 + 16 + 4 + 64;
const LINK_BYTES = 16;
const ACK_BYTES = 28 + 32 + 3 + 14;

export function meshCost({ nodes, seconds, budget, seed = 1 }) {
  const random = new Random(seed);
  const rtt = new Float64Array(nodes * nodes);
  for (let i = 0; i < nodes; i++)
    for (let j = 0; j < nodes; j++)
      if (i !== j) rtt[i * nodes + j] = random.between(20_000, 300_000);
  const cpu = process.cpuUsage();
  const cost = replay(
    { matrices: [{ n: nodes, rtt }], matrixUs: seconds * 1e6, budget, instantsPerMatrix: 1, seed },
    () => {},
  );
  const { user, system } = process.cpuUsage(cpu);
  const { rendezvous, bits: linkState } = backbone(nodes);
  const perRound = rendezvous * (71 + 2 * nodes + 71 + 5 * rendezvous);
  return {
    nodes,
    kbit: (cost.bitsPerSecond + linkState) / 1e3,
    linkStateKbit: linkState / 1e3,
    cpuPercent: (100 * (user + system)) / 1e6 / seconds / nodes,
    helloS: cost.intervalMs / 1e3,
    roundS: cost.roundMs / 1e3,
    perRound,
    everybody: (nodes - 1) * (71 + 2 * nodes),
  };
}

/** Bits a second and node of link state refreshed, when only links to rendezvous are told. */
export function backbone(nodes) {
  const rendezvous = new MemberGrid(Array.from({ length: nodes }, (_, i) => i + 1)).rendezvousOf(
    0,
  ).length;
  // A record goes from its origin to each rendezvous, and from those to the ones it does not reach itself: each
  // node has each record about twice, and acknowledges both.
  const record = RECORD_OVERHEAD_BYTES + LINK_BYTES * rendezvous + ACK_BYTES;
  const refreshS = refreshIntervalOf(nodes, ROUTING_TIMERS) / 1e6;
  return { rendezvous, bits: (2 * nodes * record * 8) / refreshS };
}
