/**
 * Five links of 10 ms, 1 % loss on the middle one: recovery on the link against a stream that is
 * repaired between its ends, both delivering in order.
 */
import { Chain, sendFlow } from './chain.mjs';
import { digits, percent } from './measure.mjs';

const DELAYS = [10_000, 10_000, 10_000, 10_000, 10_000];
const BYTES = 1_000;
/** 500 kbit/s. */
const INTERVAL = 16_000;
const LATE = 60_000;
const VERY_LATE = 100_000;
const PORT = 9;

export const name = 'hop-by-hop';
export const figure = '5 links of 10 ms, 1 % loss on the middle one, 500 kbit/s: later than 60 ms';
export const bar = '< 3 % on the link, and less than half of end to end';
export const reference = 'DSN 2003: 3 % on the link, 27 % end to end (TCP)';

export async function run({ quick, log }) {
  const packets = quick ? 5_000 : 200_000;
  const ours = onTheLink(packets);
  const ends = betweenEnds(packets);
  log(`on the link ${percent(ours.late)} later than 60 ms, between the ends ${percent(ends.late)}`);
  return {
    measured: `${percent(ours.late)} on the link, ${percent(ends.late)} end to end`,
    holds: ours.late < 0.03 && ours.late < ends.late / 2,
    how:
      `Six real nodes in virtual time, ${packets} messages of ${BYTES} bytes, one each 16 ms; independent losses both ways on the third link. ` +
      'On the link: datagrams with deadline recovery (200 ms), put in order by the receiving program: a message counts as delivered when all before it are. ' +
      'End to end: our own stream (ADR 8) over best-effort links, the same messages written at the same times. ' +
      `Later than 100 ms: ${percent(ours.veryLate)} and ${percent(ends.veryLate)}. Out of order, as they come, ${percent(ours.unordered)} are later than 60 ms on the link. ` +
      `Never came: ${ours.lost} and ${ends.lost}.`,
    values: { ours, ends },
  };
}

function chainWithLoss(seed) {
  const chain = new Chain({ seed, delays: DELAYS });
  chain.settle();
  return chain;
}

function beginLoss(chain) {
  chain.setWeather(2, 3, { loss: 0.01 });
  chain.setWeather(3, 2, { loss: 0.01 });
}

function onTheLink(packets) {
  const chain = chainWithLoss(1);
  const service = { recovery: 3, priority: 0, requests: 0, retransmissions: 0, deadline: 200_000 };
  const flow = sendFlow(chain, { packets, interval: INTERVAL, bytes: BYTES, service, port: PORT });
  flow.warm();
  beginLoss(chain);
  const { latency } = flow.run();
  const ordered = new Float64Array(packets);
  let until = 0;
  latency.forEach((time, n) => {
    if (time !== Infinity) until = Math.max(until, n * INTERVAL + time);
    ordered[n] = time === Infinity ? Infinity : until - n * INTERVAL;
  });
  return { ...lateness(ordered), unordered: lateness(latency).late };
}

function betweenEnds(packets) {
  const chain = chainWithLoss(1);
  const last = DELAYS.length;
  const latency = new Float64Array(packets).fill(Infinity);
  const sentAt = new Float64Array(packets);
  let received = 0;
  chain.places[last].onStreamData = (stream, bytes) => {
    received += bytes.length;
    const done = Math.floor(received / BYTES);
    for (let n = Math.floor((received - bytes.length) / BYTES); n < done; n++)
      latency[n] = chain.now - sentAt[n];
    consumed.push([stream, bytes.length]);
  };
  const consumed = [];
  const consume = () => {
    for (const [stream, bytes] of consumed.splice(0))
      chain.call(last, (node, now) => node.streamConsumed(stream, bytes, now));
  };
  chain.call(last, (node, now) => node.streamListen({ port: PORT }, now));
  const to = chain.node(last).address;
  const opened = chain.call(0, (node, now) => node.streamConnect(to, PORT, {}, now));
  chain.run(2_000_000);
  beginLoss(chain);
  const message = new Uint8Array(BYTES);
  let offered = 0;
  let written = 0;
  for (let n = 0; n < packets; n++) {
    sentAt[n] = chain.now;
    offered += BYTES;
    written = write(chain, opened.value, { message, offered, written });
    chain.run(INTERVAL / 2);
    consume();
    chain.run(INTERVAL / 2);
    consume();
  }
  for (let i = 0; i < 500; i++) {
    written = write(chain, opened.value, { message, offered, written });
    chain.run(20_000);
    consume();
  }
  return lateness(latency);
}

/** As much as the stream takes of what has been offered; the rest is offered again. */
function write(chain, stream, { message, offered, written }) {
  let done = written;
  while (done < offered) {
    const part = message.subarray(0, Math.min(BYTES, offered - done));
    const taken = chain.call(0, (node, now) => node.streamWrite(stream, part, now));
    if (taken === 0) break;
    done += taken;
  }
  return done;
}

function lateness(latency) {
  let late = 0;
  let veryLate = 0;
  let lost = 0;
  for (const time of latency) {
    if (time > LATE) late++;
    if (time > VERY_LATE) veryLate++;
    if (time === Infinity) lost++;
  }
  const share = (count) => Number(digits(count / latency.length));
  return { late: share(late), veryLate: share(veryLate), lost };
}
