/**
 * What one idle hop adds: a chain A - B - C of real daemons on loopback, nothing impaired, a datagram
 * every 10 ms. Two looks at it:
 *
 * - the hop itself: a relay process sits on both links of B and notes when each packet goes into B and
 *   when it comes out (`hop-relay.mjs`). In between it sends as much through a process that only sends
 *   back, which tells what the machine adds to any such program;
 * - end to end, without the relay: datagrams to B and to C from one process, which also receives them.
 *   Their difference is one more daemon on the way, but their tails are mostly those of the two ends.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { LabCluster } from '../../dist/lab/index.js';
import { LabFlow } from './flow.mjs';
import { digits, median, pause, quantile } from './measure.mjs';

export const name = 'hop-latency';
export const figure = 'latency one idle hop adds';
export const bar = 'p50 < 0.3 ms, p99 < 1 ms';
export const reference = 'Spines 0.15 ms over three nodes';

const RELAY = fileURLToPath(new URL('hop-relay.mjs', import.meta.url));
const nodes = ['A', 'B', 'C'];
const links = [
  { a: 'A', b: 'B' },
  { a: 'B', b: 'C' },
];
/** Longer than any hello or flood here, shorter than a probe of the path's MTU. */
const PAYLOAD_BYTES = 1_000;
const DATAGRAM_BYTES = [PAYLOAD_BYTES + 40, PAYLOAD_BYTES + 190];

export async function run({ quick, log }) {
  const hop = await throughRelay(quick ? 5 : 60, log);
  const ends = await endToEnd(quick ? 5 : 30, log);
  const p50 = median(hop.samples);
  const p99 = quantile(hop.samples, 0.99);
  const bare = {
    p50: median(hop.bareSamples),
    p99: quantile(hop.bareSamples, 0.99),
    max: Math.max(...hop.bareSamples),
  };
  return {
    measured: `p50 ${digits(p50)} ms, p99 ${digits(p99)} ms`,
    holds: p50 < 0.3 && p99 < 1,
    how:
      `${hop.samples.length} packets, one in 10 ms, from going into the middle daemon of three to coming out, ` +
      'seen by a relay process on both of its links: two passages of the kernel and the relay’s own wake-up ' +
      `are in it. Worst ${digits(Math.max(...hop.samples))} ms. The same through a process that only sends back, in turn: ` +
      `p50 ${digits(bare.p50)}, p99 ${digits(bare.p99)}, worst ${digits(bare.max)} ms. End to end without the relay, SDK and both end daemons ` +
      `included: p50 ${digits(ends.one.p50)} ms over one link and ${digits(ends.two.p50)} ms over two, p99 ${digits(ends.one.p99)} ` +
      `and ${digits(ends.two.p99)} ms, most of that tail in the three processes at the ends.`,
    values: {
      p50,
      p99,
      p999: quantile(hop.samples, 0.999),
      max: Math.max(...hop.samples),
      packets: hop.samples.length,
      bare,
      endToEnd: ends,
    },
  };
}

/** The hop itself. */
async function throughRelay(seconds, log) {
  const relay = fork(RELAY, DATAGRAM_BYTES.map(String), { stdio: 'inherit' });
  try {
    const [{ ports }] = await once(relay, 'message');
    const at = (port) => [`127.0.0.1:${port}`];
    const config = {
      A: { neighbours: [{ name: 'B', addresses: at(ports[0].outer) }] },
      B: {
        neighbours: [
          { name: 'A', addresses: at(ports[0].inner) },
          { name: 'C', addresses: at(ports[1].inner) },
        ],
      },
      C: { neighbours: [{ name: 'B', addresses: at(ports[1].outer) }] },
    };
    const cluster = await LabCluster.start({ nodes, links, config });
    try {
      await cluster.routed('A', 'C');
      const flow = await LabFlow.open(cluster, { from: 'A', to: 'C', payloadBytes: PAYLOAD_BYTES });
      await pause(3_000);
      relay.send('begin');
      await pause(1_000 * seconds);
      await flow.close();
      await pause(200);
      relay.send('report');
      const [{ samples, bareSamples, strays }] = await once(relay, 'message');
      log(
        `a bare process: p50 ${digits(median(bareSamples))}, p99 ${digits(quantile(bareSamples, 0.99))}, ` +
          `worst ${digits(Math.max(...bareSamples))} ms`,
      );
      log(
        `the hop: p50 ${digits(median(samples))}, p99 ${digits(quantile(samples, 0.99))}, ` +
          `worst ${digits(Math.max(...samples))} ms of ${samples.length}; ${strays} unmatched`,
      );
      // One packet may be on its way at the beginning; any more and the pairs cannot be trusted.
      if (strays > 1)
        throw new Error(`${strays} packets went in and did not come out, or the reverse`);
      return { samples, bareSamples };
    } finally {
      await cluster.stop();
    }
  } finally {
    relay.disconnect();
  }
}

async function endToEnd(seconds, log) {
  const cluster = await LabCluster.start({ nodes, links });
  try {
    await cluster.routed('A', 'C');
    const near = await LabFlow.open(cluster, { from: 'A', to: 'B' });
    await pause(5);
    const far = await LabFlow.open(cluster, { from: 'A', to: 'C' });
    await pause(2_000);
    const from = [near.now(), far.now()];
    await pause(1_000 * seconds);
    const [one, two] = [
      near.latencies(from[0], near.now() - 500),
      far.latencies(from[1], far.now() - 500),
    ];
    await Promise.all([near.close(), far.close()]);
    log(`one link p50 ${digits(median(one))} ms, two links p50 ${digits(median(two))} ms`);
    const of = (list) => ({ p50: median(list), p99: quantile(list, 0.99) });
    return { one: of(one), two: of(two) };
  } finally {
    await cluster.stop();
  }
}
