/**
 * iperf3 through a TCP `forward` over three hops of the lab (each 10 ms and 20 Mbit/s one way, drop-tail
 * queue of 100 ms), beside the kernel's own TCP over the same three hops emulated for it: without loss,
 * and with 1 % independent loss on each hop and direction.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { LabCluster } from '../../dist/lab/index.js';
import { measureKernelTcp, pathProblem } from '../../e2e/kernel-path.mjs';
import { kernelPathProblem } from '../kernel-path/kernel-path.mjs';
import { digits, mbit, pause, percent } from './measure.mjs';
import { runProgram } from './program.mjs';

const RATE = 20_000_000;
const HOP = { delayMs: 10, rate: RATE, queueBytes: 250_000 };
const LOSS = 0.01;
const OVERLAY_PORT = 5_201;
const nodes = ['A', 'B', 'C', 'D'];
const links = nodes.slice(1).map((b, i) => ({ a: nodes[i], b, impairments: HOP }));

export const name = 'tcp-forward';
export const figure = 'TCP through `forward`, 3 hops of 10 ms and 20 Mbit/s';
export const bar =
  '> 80 % of the link without loss; with 1 % loss a hop >= 2 x kernel TCP, lane bulk > 85 % of the link';
export const reference = 'kernel TCP over the same path (iperf3, CUBIC)';

export async function run({ quick, log }) {
  const seconds = quick ? 8 : 30;
  const rounds = quick ? 1 : 3;
  const problem = kernelPathProblem();
  const kernel = problem === undefined ? await measureKernelTcp({ seconds }) : undefined;
  const wrong = kernel === undefined ? problem : pathProblem(kernel);
  for (const row of kernel ?? [])
    log(`kernel ${row.congestionControl}, ${percent(row.loss)} a hop: ${mbit(row.bitsPerSecond)}`);
  const cluster = await LabCluster.start({ nodes, links });
  try {
    const path = await cluster.routed('A', 'D');
    if (path.length !== 3) throw new Error(`the route is ${path.join('-')}, not three hops`);
    const forward = await openForward(cluster);
    const clean = await median(rounds, () => iperf(forward, seconds));
    log(`forward, no loss: ${mbit(clean)}`);
    for (const { a, b } of links) await cluster.impair(a, b, { loss: LOSS });
    await pause(5_000);
    const lossy = await median(rounds, () => iperf(forward, seconds));
    log(`forward, ${percent(LOSS)} a hop: ${mbit(lossy)}`);
    const bulkForward = { ...forward, port: await forwardPort(cluster, 'bulk') };
    const bulk = await median(rounds, () => iperf(bulkForward, seconds));
    log(`forward --lane bulk, ${percent(LOSS)} a hop: ${mbit(bulk)}`);
    forward.server.kill();
    return verdict({ clean, lossy, bulk, kernel, wrong, seconds, rounds });
  } finally {
    await cluster.stop();
  }
}

async function openForward(cluster) {
  const port = await freePort();
  const server = spawn('iperf3', ['-s', '-B', '127.0.0.1', '-p', String(port), '--forceflush']);
  server.on('error', (error) => {
    throw new Error(`iperf3 cannot be run (Debian: iperf3): ${error.message}`);
  });
  await once(server.stdout, 'data');
  const to = `127.0.0.1:${port}`;
  await cluster
    .node('D')
    .handle.addExpose({ protocol: 'tcp', port: OVERLAY_PORT, to, from: 'any' });
  return { server, port: await forwardPort(cluster, 'default') };
}

async function forwardPort(cluster, lane) {
  const { listen } = await cluster.node('A').handle.addForward({
    protocol: 'tcp',
    listen: '127.0.0.1:0',
    to: 'D',
    port: OVERLAY_PORT,
    lane,
  });
  return listen.slice(listen.lastIndexOf(':') + 1);
}

async function iperf({ port }, seconds) {
  const args = ['-c', '127.0.0.1', '-p', port, '-t', String(seconds), '-J'];
  const { output } = await runProgram('iperf3', args);
  const report = JSON.parse(output);
  if (report.error !== undefined) throw new Error(`iperf3: ${report.error}`);
  // The receiver's count over the receiver's time: what the buffers still hold is not counted.
  return report.end.sum_received.bits_per_second;
}

async function median(rounds, measure) {
  const list = [];
  for (let i = 0; i < rounds; i++) list.push(await measure());
  return list.sort((a, b) => a - b)[rounds >> 1];
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

function verdict({ clean, lossy, bulk, kernel, wrong, seconds, rounds }) {
  const of = (loss, congestionControl) =>
    kernel?.find((r) => r.loss === loss && r.congestionControl === congestionControl)
      ?.bitsPerSecond;
  const words = (loss) =>
    ['cubic', 'bbr']
      .map((cc) => [cc.toUpperCase(), of(loss, cc)])
      .filter(([, bits]) => bits !== undefined)
      .map(([cc, bits]) => `${cc} ${mbit(bits)}`)
      .join(', ');
  const cubic = of(LOSS, 'cubic');
  const factor = cubic === undefined ? undefined : lossy / cubic;
  const beside =
    kernel === undefined ? `no kernel reference here: it ${wrong}` : `kernel: ${words(0)}`;
  const besideLossy = kernel === undefined ? '' : ` (kernel: ${words(LOSS)})`;
  return {
    measured:
      `${mbit(clean)}, ${percent(clean / RATE)} of the link (${beside}); with loss ${mbit(lossy)}` +
      `${factor === undefined ? '' : `, ${digits(factor)} x CUBIC`}${besideLossy}; lane bulk with loss ${mbit(bulk)}, ${percent(bulk / RATE)} of the link`,
    holds:
      clean > 0.8 * RATE &&
      bulk > 0.85 * RATE &&
      factor !== undefined &&
      factor >= 2 &&
      wrong === undefined,
    how:
      `iperf3 for ${seconds} s, median of ${rounds}, four daemons in a row. The kernel's path is two namespaces joined ` +
      `by the same path model (\`node e2e/kernel-path.mjs\`). CUBIC is what Linux uses unless told otherwise; BBR ` +
      'is shown beside it because its model does not take loss for congestion either.' +
      (wrong === undefined ? '' : ` The reference does not stand: ${wrong}.`),
    values: { clean, lossy, bulk, kernel },
  };
}
