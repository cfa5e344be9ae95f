/**
 * What one idle hop adds: a chain A - B - C of real daemons on loopback, nothing impaired. Datagrams to
 * B and to C leave 5 ms apart from one process, which also receives them; the difference is one more daemon
 * on the way, its sockets and its crypto included.
 */
import { LabCluster } from '../../dist/lab/index.js';
import { LabFlow } from './flow.mjs';
import { digits, median, pause, quantile } from './measure.mjs';

export const name = 'hop-latency';
export const figure = 'latency one idle hop adds';
export const bar = 'p50 < 0.3 ms, p99 < 1 ms';
export const reference = 'Spines 0.15 ms over three nodes';

const nodes = ['A', 'B', 'C'];
const links = [
  { a: 'A', b: 'B' },
  { a: 'B', b: 'C' },
];

export async function run({ quick, log }) {
  const seconds = quick ? 5 : 60;
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
    const p50 = median(two) - median(one);
    // All of the tail of the longer way is put down to the hop: an upper bound.
    const p99 = quantile(two, 0.99) - median(one);
    const p99Difference = quantile(two, 0.99) - quantile(one, 0.99);
    return {
      measured: `p50 ${digits(p50)} ms, p99 at most ${digits(p99)} ms`,
      holds: p50 < 0.3 && p99 < 1,
      how:
        `Two flows of 100 datagrams a second for ${seconds} s, over one link and over two. p50: difference of the medians ` +
        `(${digits(median(two))} and ${digits(median(one))} ms, SDK and both end daemons included). p99: that of two links ` +
        `less the median of one, so the tails of both ends are in it; the difference of the two p99 is ${digits(p99Difference)} ms.`,
      values: { p50, p99, p99Difference, oneLinkP99: quantile(one, 0.99), packets: two.length },
    };
  } finally {
    await cluster.stop();
  }
}
