/**
 * Captured nodes of every kind, drawn in the twelve cities: the share of a flow that arrives on one path,
 * on two and three disjoint paths and flooded, all at once between the same two cities. The redundant
 * ones are signed; a flood that is not stands beside them.
 */
import { milliseconds, Random, readU32, seconds, writeU32 } from '../../dist/kernel/index.js';
import {
  CITIES,
  continentTopology,
  Testbed,
  TRANSCONTINENTAL_FLOWS,
} from '../../dist/sim/index.js';
import { RECOVERY_PRIORITY, SERVICE_DEFAULT } from '../../dist/wire/index.js';

const PACKETS = 100;
const CAPTURED_MAX = 4;
const AFTER = seconds(12);
const KINDS = {
  drop: () => ({ drop: 1 }),
  delay: () => ({ delay: seconds(5) }),
  reorder: () => ({ reorder: 0.5 }),
  replay: () => ({ replay: 1 }),
  duplicate: () => ({ duplicate: 1 }),
  corrupt: () => ({ corrupt: 1 }),
  'lie and drop': () => ({ claimLatency: milliseconds(0), drop: 1 }),
  'flood and drop': ({ source, destination }) => ({
    drop: 1,
    flood: { bitsPerSecond: 2e6, to: destination, as: source, flow: 'all' },
  }),
};
const service = { ...SERVICE_DEFAULT, recovery: RECOVERY_PRIORITY };
const signed = { ...service, isSigned: true };
const WAYS = {
  'one path': { routing: { scheme: 'best' }, service },
  'K=2': { routing: { scheme: 'disjoint', paths: 2 }, service: signed },
  'K=3': { routing: { scheme: 'disjoint', paths: 3 }, service: signed },
  flood: { routing: { scheme: 'flood' }, service: signed },
  'unsigned flood': { routing: { scheme: 'flood' }, service },
};

export const name = 'turncoats';
export const figure =
  'captured nodes of eight kinds drawn in the twelve cities: share delivered on one path, K=2, K=3, flooded';
export const bar =
  'all past one on K=2, past two on K=3, past any on a flood with a clean way left';
export const reference = 'k - 1 captured nodes, one correct path (ICDCS 2016)';

export async function run({ quick, log }) {
  const draws = quick ? 6 : 80;
  const cases = [];
  for (let seed = 1; seed <= draws; seed++) cases.push(play(seed));
  const rows = [];
  for (let count = 1; count <= CAPTURED_MAX; count++) {
    const some = cases.filter(({ captured }) => captured.length === count);
    const share = (way) => some.reduce((sum, { shares }) => sum + shares[way], 0) / some.length;
    if (some.length === 0) continue;
    rows.push({
      count,
      draws: some.length,
      ...Object.fromEntries(Object.keys(WAYS).map((way) => [way, share(way)])),
    });
    log(
      `${count} captured, ${some.length} draws: ${Object.keys(WAYS)
        .map((way) => `${way} ${percent(share(way))}`)
        .join(', ')}`,
    );
  }
  const failed = cases.filter(
    ({ captured: { length }, shares, isClean }) =>
      (length < 2 && shares['K=2'] < 1) ||
      (length < 3 && shares['K=3'] < 1) ||
      (isClean && shares.flood < 1),
  );
  for (const { seed, words } of failed) log(`draw ${seed} missed its bar: ${words}`);
  const mean = (way) => percent(cases.reduce((sum, { shares }) => sum + shares[way], 0) / draws);
  return {
    measured: Object.keys(WAYS)
      .map((way) => `${way} ${mean(way)}`)
      .join(', '),
    holds: failed.length === 0 && draws >= 80,
    how:
      `${draws} draws of one to ${CAPTURED_MAX} cities between the ends, each of a drawn kind at its worst, captured while the flows stand; ` +
      `means over all draws, ${draws - failed.length} of which keep the bar. By the number captured: ` +
      `${rows
        .map(
          (row) =>
            `${row.count}: ${Object.keys(WAYS)
              .map((way) => percent(row[way]))
              .join(' / ')}`,
        )
        .join('; ')}.`,
    values: { rows, failed: failed.map(({ seed }) => seed) },
  };
}

const percent = (share) => `${Math.round(1_000 * share) / 10} %`;

function play(seed) {
  const random = new Random(seed).split('turncoats');
  const [from, to] = TRANSCONTINENTAL_FLOWS[random.below(TRANSCONTINENTAL_FLOWS.length)];
  const inner = CITIES.map((city) => city.name).filter((city) => city !== from && city !== to);
  const captured = [];
  for (let count = 1 + random.below(CAPTURED_MAX); count > 0; count--)
    captured.push(inner.splice(random.below(inner.length), 1)[0]);
  const kinds = captured.map(() => Object.keys(KINDS)[random.below(Object.keys(KINDS).length)]);
  const topology = continentTopology();
  const turncoats = (addressOf) => {
    const ends = { source: addressOf(from), destination: addressOf(to) };
    return Object.fromEntries(
      captured.map((city, i) => [city, { after: AFTER, ...KINDS[kinds[i]](ends) }]),
    );
  };
  const testbed = new Testbed({ seed, topology, turncoats });
  testbed.start();
  testbed.run(seconds(8));
  const flows = Object.entries(WAYS).map(([way, options], i) =>
    open(testbed, { from, to, way, port: 10 + i, options }),
  );
  for (const flow of flows) flow.send(PACKETS);
  testbed.run(seconds(5));
  for (let i = 0; i < PACKETS; i++) {
    for (const flow of flows) flow.send(i);
    testbed.run(milliseconds(10));
  }
  testbed.run(seconds(2));
  return {
    seed,
    captured,
    words: `${from} to ${to}, ${captured.map((city, i) => `${city} ${kinds[i]}`).join(', ')}`,
    isClean: isJoined(topology, { from, to, without: new Set(captured) }),
    shares: Object.fromEntries(flows.map(({ way, share }) => [way, share()])),
  };
}

function open(testbed, { from, to, way, port, options }) {
  const heard = new Set();
  testbed.node(to).bind({ port, onMessage: ({ payload }) => heard.add(readU32(payload, 0)) });
  const socket = testbed.node(from).bind(options);
  return {
    way,
    send: (number) => {
      const payload = new Uint8Array(200);
      writeU32(payload, 0, number);
      socket.send(payload, { to, port });
    },
    share: () => [...heard].filter((number) => number < PACKETS).length / PACKETS,
  };
}

/** Whether a way is left without the nodes named. */
function isJoined({ links }, { from, to, without }) {
  const reached = new Set([from]);
  for (const node of reached)
    for (const { a, b } of links)
      for (const [x, y] of [
        [a, b],
        [b, a],
      ])
        if (x === node && !without.has(y)) reached.add(y);
  return reached.has(to);
}
