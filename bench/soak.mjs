/**
 * A long stay in the lab: twelve real daemons, a flow of 100 packets a second, a bulk stream, and a drawn
 * fault every ten seconds or so. Looks for what short tests cannot see: memory that grows, daemons that
 * end, gaps that get longer, sockets that are not given back.
 *
 *   npm run soak -- --minutes 60 --seed 1
 *
 * Prints a line a minute, and exits 1 with what it found.
 */
import { readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Random } from '../dist/kernel/index.js';
import { continentPlan, LabCluster } from '../dist/lab/index.js';
import { LabFlow } from './evidence/flow.mjs';
import { digits, median, pause, processMemory, until } from './evidence/measure.mjs';

const FROM = 'ATL';
const TO = 'LAX';
const STREAM_PORT = 80;
const CHUNK = new Uint8Array(16 * 1024);
/** Slope of a daemon's resident memory, after the first tenth, above which it is called growth. */
const GROWTH_BYTES_PER_HOUR = 20e6;
/** Shorter runs see garbage collection, not growth. */
const GROWTH_MINUTES_MIN = 10;
const GAP_MAX_MS = 1_500;

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string', default: '1' } },
});
const minutes = Number(values.minutes);
const random = new Random(Number(values.seed));
const plan = continentPlan();
const cluster = await LabCluster.start(plan);
const samples = new Map(plan.nodes.map((name) => [name, []]));
const gaps = [];
const findings = [];
/** Nodes that were killed: their memory begins anew, so it is not judged. */
const restarted = new Set();

try {
  await cluster.routed(FROM, TO);
  const flow = await LabFlow.open(cluster, { from: FROM, to: TO });
  const bulk = await openBulk();
  const end = performance.now() + 60_000 * minutes;
  let nextReport = performance.now() + 60_000;
  while (performance.now() < end) {
    await strike(flow);
    sample();
    if (performance.now() < nextReport) continue;
    nextReport += 60_000;
    const worst = Math.max(...[...samples.values()].map((list) => list.at(-1)?.bytes ?? 0));
    console.log(
      `${Math.round(minutes - (end - performance.now()) / 60_000)} min: ${gaps.length} faults, gap median ` +
        `${Math.round(median(gaps))} ms, worst ${Math.round(Math.max(...gaps))} ms; stream ` +
        `${digits(bulk.bytes / 1e6)} MB, broken ${bulk.breaks} times; largest daemon ${digits(worst / 1e6)} MB`,
    );
  }
  bulk.stop();
  await flow.close();
  judge(bulk);
} finally {
  await cluster.stop();
}
for (const finding of findings) console.log(`found: ${finding}`);
console.log(findings.length === 0 ? 'nothing found' : `${findings.length} findings`);
process.exitCode = findings.length === 0 ? 0 : 1;

/** One fault on the route of the moment, healed again, and what it did to the flow. */
async function strike(flow) {
  await flow.steady(1_000, 20_000);
  const route = [FROM, ...(await cluster.routed(FROM, TO))];
  const hop = random.below(route.length - 1);
  const ends = [route[hop], route[hop + 1]];
  const inner = route.slice(1, -1);
  const victim = inner.length > 0 && random.chance(0.3) ? random.pick(inner) : undefined;
  const loss = random.chance(0.3) ? 0.3 : undefined;
  const began = flow.now();
  if (victim !== undefined) await cluster.kill(victim);
  else await cluster.impair(...ends, loss === undefined ? { cut: true } : { loss });
  await pause(random.between(2_000, 6_000));
  const gap = flow.longestGap(began);
  gaps.push(gap);
  const what =
    victim !== undefined
      ? `kill ${victim}`
      : `${loss === undefined ? 'cut' : 'loss on'} ${ends.join('-')}`;
  if (gap > GAP_MAX_MS)
    findings.push(`gap of ${Math.round(gap)} ms after ${what} of ${route.join('-')}`);
  if (victim === undefined) await cluster.heal(...ends);
  else {
    await cluster.restart(victim);
    restarted.add(victim);
  }
  await pause(random.between(1_000, 4_000));
}

/** A stream that always writes; a new one when it breaks, which it may only where an end is killed. */
async function openBulk() {
  const state = { bytes: 0, breaks: 0, isStopped: false, stream: undefined };
  await cluster.node(TO).handle.listen({ port: STREAM_PORT }, (stream) => {
    stream.on('error', () => {});
    stream.on('data', (chunk) => {
      state.bytes += chunk.length;
    });
  });
  const open = async () => {
    const stream = await until('a stream opens', () =>
      cluster
        .node(FROM)
        .handle.connect({ node: TO, port: STREAM_PORT })
        .catch(() => undefined),
    );
    state.stream = stream;
    const pump = () => {
      // About 1 Mbit/s: enough to be hurt, too little to fill the links that the flow shares.
      if (!state.isStopped && !stream.destroyed) stream.write(CHUNK, () => setTimeout(pump, 130));
    };
    pump();
    stream.once('error', () => {});
    stream.once('close', () => {
      if (state.isStopped) return;
      state.breaks++;
      void open();
    });
  };
  await open();
  state.stop = () => {
    state.isStopped = true;
    state.stream.destroy();
  };
  return state;
}

function sample() {
  for (const name of plan.nodes) {
    const { pid } = cluster.node(name);
    if (pid === undefined) {
      findings.push(`the daemon at ${name} is gone`);
      continue;
    }
    const bytes = processMemory(pid, 'VmRSS');
    const files = readdirSync(`/proc/${pid}/fd`).length;
    samples.get(name).push({ hours: performance.now() / 3_600_000, bytes, files });
  }
}

function judge(bulk) {
  if (bulk.breaks > 0)
    findings.push(`the stream between ${FROM} and ${TO} broke ${bulk.breaks} times`);
  if (bulk.bytes === 0) findings.push('the stream carried nothing');
  if (minutes < GROWTH_MINUTES_MIN) return;
  for (const [name, list] of samples) {
    if (restarted.has(name)) continue;
    const settled = list.slice(Math.floor(list.length / 10));
    const growth = slope(settled, 'bytes');
    if (growth > GROWTH_BYTES_PER_HOUR)
      findings.push(`${name} grows by ${digits(growth / 1e6)} MB an hour`);
    const files = settled.at(-1).files - settled[0].files;
    if (files > 20) findings.push(`${name} holds ${files} files more than it did`);
  }
}

/** Least squares, per hour. */
function slope(list, field) {
  const mean = (of) => list.reduce((sum, row) => sum + of(row), 0) / list.length;
  const x = mean((row) => row.hours);
  const y = mean((row) => row[field]);
  const above = list.reduce((sum, row) => sum + (row.hours - x) * (row[field] - y), 0);
  const below = list.reduce((sum, row) => sum + (row.hours - x) ** 2, 0);
  return below === 0 ? 0 : above / below;
}
