/** One request, one retransmission on a link with bursts: residual loss and overhead. */
import { Chain, overheadOf, recoveryBetween, sendFlow } from './chain.mjs';
import { digits } from './measure.mjs';

const LOSS = 0.05;
const BYTES = 1_000;

export const name = 'realtime-link';
export const figure = 'realtime recovery, 5 % loss at 66 % burstiness: residual loss and overhead';
export const bar = '< 0.5 % at <= 6 % of the bytes';
export const reference = 'Spines realtime link: about 0.5 %';

export async function run({ quick, log }) {
  const packets = quick ? 50_000 : 10_000_000;
  const chain = new Chain({ seed: 1, delays: [10_000] });
  chain.settle();
  const service = { recovery: 2, priority: 0, requests: 0, retransmissions: 0, deadline: 0 };
  const flow = sendFlow(chain, { packets, interval: 1_000, bytes: BYTES, service });
  flow.warm();
  for (const [from, to] of [
    [0, 1],
    [1, 0],
  ])
    chain.setWeather(from, to, { loss: LOSS, p11: 0.66 });
  const { latency, twice } = flow.run();
  let lost = 0;
  let slowest = 0;
  for (const time of latency)
    if (time === Infinity) lost++;
    else slowest = Math.max(slowest, time);
  const residual = lost / packets;
  const cost = overheadOf(recoveryBetween(chain, 0, 1), 'realtime');
  log(`${lost} of ${packets} lost, overhead ${digits(100 * cost.bytes)} %`);
  return {
    measured: `${digits(100 * residual)} % lost, overhead ${digits(100 * cost.bytes)} % of the bytes`,
    holds: residual < 0.005 && cost.bytes <= 0.06 && twice === 0,
    how:
      `Two real nodes in virtual time, a link of 10 ms that loses both ways, ${packets} messages of ${BYTES} bytes, one each millisecond; ` +
      'P(lost | the millisecond before lost) = 0.66. Overhead: repairs, requests, declines and fillers, both directions, to the bytes of the flow. ' +
      `Expected of one request and one repair, each lost with p: 2 p^2 - p^3 = 0.4875 %. Slowest delivery ${digits(slowest / 1_000)} ms.`,
    values: { residual, cost },
  };
}
