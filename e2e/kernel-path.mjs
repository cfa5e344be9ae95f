/**
 * The kernel's TCP over an emulated wide-area path of three hops, each way 10 ms, 20 Mbit/s and a
 * drop-tail queue of 100 ms: without loss, and with 1 % independent loss on each hop. Checks first that
 * the path is what it says. The reference that `forward` is measured against.
 *
 *   node e2e/kernel-path.mjs [--seconds 15] [--json]
 *
 * Slow start takes its share of a short run: below 10 s the figures say little.
 *
 * Needs Linux, root, iproute2 and iperf3; says so and exits 0 where they are missing.
 */
import { parseArgs } from 'node:util';
import { connectTime, iperf } from '../bench/kernel-path/iperf.mjs';
import { kernelPathProblem, openKernelPath } from '../bench/kernel-path/kernel-path.mjs';

const HOPS = 3;
const HOP = { delay: 10_000, rate: 20_000_000, queueBytes: 250_000 };
const RTT_MS = 60;
const MBIT = 1e6;

/** `[{ loss, congestionControl, bitsPerSecond, ... }]`; `loss` is that of each hop. */
export async function measureKernelTcp({ seconds, losses = [0, 0.01], onRow }) {
  const rows = [];
  for (const loss of losses) {
    const path = await openKernelPath({ hops: Array(HOPS).fill({ ...HOP, loss }) });
    try {
      const connectMs = loss === 0 ? await connectTime(path) : undefined;
      for (const congestionControl of ['cubic', 'bbr']) {
        const figures = await iperf(path, { seconds, congestionControl }).catch((error) => {
          // Every Linux has CUBIC; BBR is a module that may not be there.
          if (congestionControl === 'cubic') throw error;
          return undefined;
        });
        if (figures === undefined) continue;
        const drops = path.forth.drops();
        const lateMs = path.forth.latenessMax / 1_000;
        const row = { loss, congestionControl, connectMs, ...figures, drops, lateMs };
        rows.push(row);
        onRow?.(row);
      }
    } finally {
      await path.close();
    }
  }
  return rows;
}

/**
 * What about the rows says that the emulated path is not what it claims; undefined when nothing does.
 * `shareMin`: of the rate, without loss; a busy machine releases packets late and gets less.
 */
export function pathProblem(rows, { shareMin = 0.85 } = {}) {
  const clean = rows.find((row) => row.loss === 0 && row.congestionControl === 'cubic');
  if (clean === undefined) return undefined;
  const { connectMs, bitsPerSecond } = clean;
  if (connectMs < RTT_MS - 1 || connectMs > RTT_MS + 6)
    return `a connection opens in ${connectMs.toFixed(1)} ms, not in about ${RTT_MS}`;
  if (bitsPerSecond < shareMin * HOP.rate || bitsPerSecond > HOP.rate)
    return `without loss ${(bitsPerSecond / MBIT).toFixed(1)} Mbit/s pass`;
  return undefined;
}

async function main() {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '15' },
      json: { type: 'boolean', default: false },
    },
  });
  const missing = kernelPathProblem();
  if (missing !== undefined) return console.log(`skipped: ${missing}`);
  const rows = await measureKernelTcp({
    seconds: Number(values.seconds),
    onRow: (row) => values.json || console.log(line(row)),
  });
  if (values.json) console.log(JSON.stringify(rows, null, 2));
  const problem = pathProblem(rows);
  if (problem === undefined) return undefined;
  console.error(`the emulated path is not right: ${problem}`);
  process.exitCode = 1;
}

const line = (row) =>
  `${(100 * row.loss).toFixed(0)} % loss a hop, ${row.congestionControl.padEnd(5)}: ` +
  `${(row.bitsPerSecond / MBIT).toFixed(2)} Mbit/s, ${row.retransmits} retransmits, ` +
  `RTT ${row.rttMeanMs.toFixed(1)} ms with its queue` +
  `${row.connectMs === undefined ? '' : `, connect ${row.connectMs.toFixed(1)} ms`}` +
  `; dropped by queue ${row.drops.queue}, by loss ${row.drops.loss}; late ${row.lateMs.toFixed(1)} ms`;

if (import.meta.filename === process.argv[1]) await main();
