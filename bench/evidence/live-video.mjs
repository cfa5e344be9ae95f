/**
 * Live video of 8 Mbit/s over three hops that lose 2 % each, in bursts: through our daemons in the
 * lane `video`, and at the same time, from the same source, through a pair of `srt-live-transmit` over
 * relays with the same impairments.
 */
import { openOverlayPath } from '../live-video/overlay-path.mjs';
import { openSrtPath, srtVersion } from '../live-video/srt-path.mjs';
import { DATAGRAM_BYTES, datagramsIn, play, Viewer } from '../live-video/stream.mjs';
import { digits, percent } from './measure.mjs';

const RATE = 8_000_000;
const HOPS = 3;
const DELAY_MS = 10;
const LOSS = 0.02;
const BURST = 0.66;
/** Bursts pass in time: both ways of both systems meet the same weather, whatever they send. */
const BURST_TIME_MS = 1;
const BUDGET_MS = 200;
/** What two wake-ups of this process and the gateway's may add to a datagram handed out in time. */
const CLOCK_MS = 5;
const WARM_SECONDS = 8;
/** Connections are made over sound hops. */
const SOUND_SECONDS = 3;
const IP_UDP_HEADERS = 28;
const TIMES_BETTER = 10;

export const name = 'live-video';
export const figure =
  'live video, 8 Mbit/s, 3 hops of 10 ms with 2 % bursty loss each, 200 ms: lost or late';
export const bar = `${TIMES_BETTER} x less than srt-live-transmit end to end`;
export const reference = 'srt-live-transmit in the same minutes, over the same hops';

export async function run({ quick, log }) {
  const seconds = quick ? 10 : 600;
  const version = srtVersion();
  if (version === undefined) log('srt-live-transmit is not installed (Debian: srt-tools)');
  const { ours, srt } = await measureLiveVideo({ seconds, withSrt: version !== undefined });
  const words = {
    ours: `${inWords(ours)}, ${ours.late} later than ${BUDGET_MS} ms`,
    srt: srt && inWords(srt),
  };
  for (const [who, text] of Object.entries(words)) if (text !== undefined) log(`${who}: ${text}`);
  return {
    measured: `${share(ours.missed / ours.sent)} lost or late; SRT ${srt === undefined ? 'not installed here' : `${share(srt.lost / srt.sent)} lost`}`,
    holds: srt !== undefined && srt.lost > 0 && TIMES_BETTER * ours.missed <= srt.lost,
    how:
      `${seconds} s of datagrams of ${DATAGRAM_BYTES} bytes sent to both at once, after ${WARM_SECONDS} s that do not count. Each hop and direction loses ` +
      `${percent(LOSS)} of the datagrams, P(lost | the millisecond before lost) = ${BURST}, by the same model. Ours: ${HOPS + 1} daemons, UDP forward in lane video, handed out in order: ${words.ours}. ` +
      (srt === undefined
        ? 'srt-live-transmit (Debian: srt-tools) is not installed here: no comparison.'
        : `SRT ${version} with latency=${BUDGET_MS}, which it adds to the way's own ${HOPS * DELAY_MS} ms; what it hands out is never called late: ${words.srt}. `) +
      'On the wire: all hops, both directions, IP and UDP headers included, beyond the datagrams themselves.',
    values: { ours: figures(ours), srt: srt && figures(srt) },
  };
}

const figures = ({ lostAt: _, ...row }) => row;

/** `{ ours, srt }`; `srt` undefined without it. `lostAt`: when those were sent that never came. */
export async function measureLiveVideo({ seconds, withSrt = true }) {
  const datagrams = datagramsIn(WARM_SECONDS + seconds, RATE);
  const warm = datagramsIn(WARM_SECONDS, RATE);
  const paths = [];
  try {
    const viewer = await Viewer.open(datagrams);
    const hops = { hops: HOPS, delayMs: DELAY_MS };
    const overlay = await openOverlayPath({ ...hops, lane: 'video', to: viewer.port });
    paths.push({ ...overlay, viewer });
    if (withSrt) {
      const viewer = await Viewer.open(datagrams);
      const srt = await openSrtPath({ ...hops, budgetMs: BUDGET_MS, to: viewer.port });
      paths.push({ ...srt, viewer });
    }
    const weather = { loss: LOSS, burst: BURST, burstTimeMs: BURST_TIME_MS };
    const changed = [];
    const spoil = () => changed.push(...paths.map((path) => path.impair(weather)));
    const before = [];
    const atStart = () => before.push(...paths.map((path) => path.sent()));
    const stages = { sound: datagramsIn(SOUND_SECONDS, RATE), warm, spoil, atStart };
    const seen = await play(paths, { bitsPerSecond: RATE, datagrams, ...stages });
    await Promise.all(changed);
    const from = await Promise.all(before);
    const to = await Promise.all(paths.map((path) => path.sent()));
    const [ours, srt] = seen.map((row, i) => judged(row, from[i], to[i]));
    return { ours, srt };
  } finally {
    await Promise.all(paths.map((path) => path.close()));
    for (const { viewer } of paths) viewer.close();
  }
}

function judged({ latencies, ...row }, from, to) {
  const late = latencies.filter((latency) => latency > BUDGET_MS + CLOCK_MS).length;
  const wire = to.bytes - from.bytes + IP_UDP_HEADERS * (to.packets - from.packets);
  const plain = HOPS * row.sent * (DATAGRAM_BYTES + IP_UDP_HEADERS);
  return { ...row, late, missed: row.lost + late, overhead: wire / plain - 1 };
}

const share = (x) => `${digits(100 * x)} %`;

const inWords = ({ sent, lost, medianMs, longestMs, overhead }) =>
  `of ${sent} datagrams ${lost} lost, median ${digits(medianMs)} ms, longest ${digits(longestMs)} ms, ${percent(overhead)} more on the wire`;
