/** Ten million packets at each loss rate over a chain with one bad link: what deadline recovery leaves. */
import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Chain, overheadOf, recoveryBetween, sendFlow } from './chain.mjs';
import { digits } from './measure.mjs';

const DEADLINE = 200_000;
const CHUNK = 500_000;
const QUICK_CHUNK = 50_000;
const CASES = [
  { loss: 0.02, bound: 3e-6 },
  { loss: 0.05, bound: 3e-5 },
  { loss: 0.1, bound: 3e-4 },
];

export const name = 'deadline-link';
export const figure =
  'deadline recovery, 200 ms over 4 hops of 10 ms, one link with 2 / 5 / 10 % loss, burstiness 66 %: lost or late';
export const bar = '< 0.0003 / 0.003 / 0.03 %, better by 2 x where the count allows';
export const reference = 'NM-strikes on LTN: < 0.0003 / 0.003 / 0.03 %';

export async function run({ quick, log }) {
  const chunks = quick ? 2 : 20;
  const rows = [];
  for (const { loss, bound } of CASES) {
    const jobs = Array.from({ length: chunks }, (_, i) => ({
      seed: i + 1,
      loss,
      packets: quick ? QUICK_CHUNK : CHUNK,
    }));
    const parts = await inWorkers(jobs);
    const sum = (pick) => parts.reduce((total, part) => total + pick(part), 0);
    const packets = sum((p) => p.packets);
    const missed = sum((p) => p.missed);
    const cost = sum((p) => p.packetCost * p.packets) / packets;
    const bytes = sum((p) => p.byteCost * p.packets) / packets;
    rows.push({ loss, bound, packets, missed, share: missed / packets, cost, bytes });
    log(
      `${100 * loss} %: ${missed} of ${packets} missed, ${share(missed / packets)}; cost 1 + ${digits(cost)}`,
    );
  }
  return {
    measured: `${rows.map((r) => share(r.share).slice(0, -2)).join(' / ')} %; cost ${rows.map((r) => `1 + ${digits(r.cost)}`).join(', ')}`,
    holds: !quick && rows.every((r) => r.share < r.bound / 2),
    how:
      `Five real nodes in virtual time, a packet each millisecond, ${rows[0].packets} for each rate in ${chunks} parts; the second link loses both ways, ` +
      'independently, in bursts that pass in time: P(lost | the millisecond before lost) = 0.66. Counted: packets that the destination socket did not have within 200 ms of being sent: ' +
      `${rows.map((r) => `${r.missed} at ${100 * r.loss} %`).join(', ')}. Up to 4 requests and 3 retransmissions, chosen by the link. ` +
      `Repairs, requests and declines cost ${rows.map((r) => digits(100 * r.bytes)).join(' / ')} % of the bytes of a flow of 100-byte messages on that link.`,
    values: rows,
  };
}

const share = (x) => `${digits(100 * x)} %`;

async function inWorkers(jobs) {
  const results = [];
  const queue = [...jobs];
  const lane = async () => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift())
      results.push(await inWorker(job));
  };
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
  return results;
}

const inWorker = (job) =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: job });
    worker.once('message', resolve);
    worker.once('error', reject);
  });

function part({ seed, loss, packets }) {
  const chain = new Chain({ seed, delays: [10_000, 10_000, 10_000, 10_000] });
  chain.settle();
  const service = { recovery: 3, priority: 0, requests: 0, retransmissions: 0, deadline: DEADLINE };
  const flow = sendFlow(chain, { packets, interval: 1_000, bytes: 100, service });
  flow.warm();
  for (const [from, to] of [
    [1, 2],
    [2, 1],
  ])
    chain.setWeather(from, to, { loss, p11: 0.66 });
  const { latency, twice } = flow.run();
  if (twice > 0) throw new Error(`${twice} packets were delivered twice`);
  let missed = 0;
  for (const time of latency) if (time > DEADLINE) missed++;
  const cost = overheadOf(recoveryBetween(chain, 1, 2), 'deadline');
  return { packets, missed, packetCost: cost.packets, byteCost: cost.bytes };
}

if (!isMainThread && workerData?.loss !== undefined) parentPort.postMessage(part(workerData));
