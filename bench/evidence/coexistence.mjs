/**
 * Several overlays on one underlay that know nothing of each other: each has flows between two sites and
 * chooses among the same two paths, whose delay grows with what all of them send. Every overlay runs the
 * shipped chooser (`routing/choice/`) on what it measures each second, told as link state is: worse at once,
 * better after ten seconds. Halfway a third party fills half of one path. Beside it the same overlays without
 * margin, draw and turns: every flow takes the best path of the moment.
 */
import { Counters } from '../../dist/kernel/index.js';
import { FlowChooser } from '../../dist/routing/choice/flow-chooser.js';
import { buildGraph } from '../../dist/routing/graph.js';
import { linkCost } from '../../dist/routing/metric.js';
import { SERVICE_DEFAULT } from '../../dist/wire/index.js';
import { digits } from './measure.mjs';

const [SOURCE, DESTINATION, LEFT, RIGHT] = [1, 2, 3, 4];
/** Base delay in microseconds, and how many flows fit. */
const PATHS = [
  { relay: LEFT, base: 40_000, fits: 100 },
  { relay: RIGHT, base: 42_000, fits: 100 },
];
const FLOWS_TOGETHER = 120;
const SECOND = 1_000_000;
const BETTER_AFTER = 10;
const TOLD_SHARE = 0.1;

export const name = 'coexistence';
export const figure =
  'overlays sharing a bottleneck, each choosing for itself: moves of flows in the calm half';
export const bar =
  'one, two and three overlays: none in the last half before and after a step, no path over full';
export const reference =
  'the same overlays taking the best path of the moment: every flow, all the time';

export async function run({ quick, log }) {
  const seconds = quick ? 600 : 3_600;
  const rows = [];
  for (const overlays of [1, 2, 3]) {
    const ours = simulate({ overlays, seconds, isNaive: false });
    const naive = simulate({ overlays, seconds, isNaive: true });
    rows.push({ overlays, ours, naive });
    log(
      `${overlays} overlays: ${ours.moves} moves, ${ours.calmMoves} when calm, worst load ${digits(ours.calmLoad)}; ` +
        `without: ${naive.moves} moves, ${naive.calmMoves}, ${digits(naive.calmLoad)}`,
    );
  }
  const holds = rows.every(({ ours }) => ours.calmMoves === 0 && ours.calmLoad <= 1);
  const told = rows.map(
    ({ overlays, ours }) => `${overlays}: ${ours.calmMoves} (${ours.moves} in all)`,
  );
  const beside = rows.map(({ overlays, naive }) => `${overlays}: ${naive.calmMoves}`);
  return {
    measured: told.join('; '),
    holds,
    how:
      `${FLOWS_TOGETHER} flows in all on two paths of 100 flows each, ${seconds} virtual seconds; at half time 50 more ` +
      `flows of somebody else on one path. Calm is the last half before and after. Worst load when calm: ` +
      `${rows.map(({ ours }) => digits(ours.calmLoad)).join(', ')}. Without margin, draw and turns, moves when calm: ` +
      `${beside.join('; ')}.`,
    values: { rows },
  };
}

function simulate({ overlays, seconds, isNaive }) {
  const loads = new Map(PATHS.map(({ relay }) => [relay, 0]));
  const tally = { moves: 0, calmMoves: 0, calmLoad: 0 };
  let second = 0;
  const all = Array.from({ length: overlays }, (_, i) => {
    const flows = Math.floor(FLOWS_TOGETHER / overlays);
    return isNaive ? naiveOverlay(flows) : shippedOverlay(i, flows);
  });
  const half = seconds / 2;
  const isCalm = () => second % half >= half / 2;
  for (second = 1; second <= seconds; second++) {
    for (const { relay } of PATHS) loads.set(relay, 0);
    for (const overlay of all)
      for (const [relay, count] of overlay.counts()) loads.set(relay, loads.get(relay) + count);
    if (second > half) loads.set(LEFT, loads.get(LEFT) + 50);
    for (const { relay, fits } of PATHS)
      if (isCalm()) tally.calmLoad = Math.max(tally.calmLoad, loads.get(relay) / fits);
    const delays = new Map(PATHS.map((path) => [path.relay, delayOf(path, loads.get(path.relay))]));
    for (const overlay of all) {
      const moved = overlay.hear(delays, second);
      tally.moves += moved;
      if (isCalm()) tally.calmMoves += moved;
    }
  }
  return tally;
}

/** An M/M/1 queue's shape, bounded by a buffer of 200 ms. */
function delayOf({ base, fits }, load) {
  const share = Math.min(0.995, load / fits);
  return base + Math.min(200_000, (1_000 * share) / (1 - share));
}

/** What the overlay knows of each path: worse at once, better when it has stood for a while. */
function advertised() {
  const told = new Map();
  const better = new Map();
  return (delays, second) => {
    let hasNews = false;
    for (const [relay, delay] of delays) {
      const known = told.get(relay);
      const margin = Math.max(2_000, (known ?? 0) * TOLD_SHARE);
      const isBetter = known !== undefined && delay < known - margin;
      if (!isBetter) better.delete(relay);
      else if (!better.has(relay)) better.set(relay, second);
      const hasStood = isBetter && second - better.get(relay) >= BETTER_AFTER;
      if (known !== undefined && delay <= known + margin && !hasStood) continue;
      told.set(relay, delay);
      better.delete(relay);
      hasNews = true;
    }
    return hasNews ? told : undefined;
  };
}

function shippedOverlay(number, flows) {
  const news = advertised();
  let graph = graphOf(new Map(PATHS.map(({ relay, base }) => [relay, base])));
  let moved = 0;
  const chooser = new FlowChooser({
    self: SOURCE,
    counters: new Counters(),
    flowsMax: 1_000,
    permitted: () => graph,
    application: () => undefined,
    changed: ({ before }) => {
      if (before !== undefined) moved++;
    },
  });
  chooser.tick(SECOND);
  for (let i = 0; i < flows; i++)
    chooser.open({
      destination: DESTINATION,
      lane: 0,
      metric: { kind: 'latency' },
      hops: 'any',
      isSpread: false,
      service: SERVICE_DEFAULT,
      key: 1_000_003 * (number + 1) + 7 * i,
    });
  return {
    counts: () => countsOf(chooser.all.map(({ path }) => path[0])),
    hear(delays, second) {
      moved = 0;
      const told = news(delays, second);
      for (const flow of chooser.all) flow.uses++;
      if (told !== undefined) {
        graph = graphOf(told);
        chooser.update(() => 'measured', second * SECOND);
      }
      chooser.timeout(second * SECOND);
      return moved;
    },
  };
}

function naiveOverlay(flows) {
  const news = advertised();
  let at = LEFT;
  return {
    counts: () => new Map([[at, flows]]),
    hear(delays, second) {
      const told = news(delays, second);
      if (told === undefined) return 0;
      const best = told.get(LEFT) <= told.get(RIGHT) ? LEFT : RIGHT;
      const moved = best === at ? 0 : flows;
      at = best;
      return moved;
    },
  };
}

function countsOf(relays) {
  const counts = new Map();
  for (const relay of relays) counts.set(relay, (counts.get(relay) ?? 0) + 1);
  return counts;
}

function graphOf(delays) {
  const edges = [];
  for (const [relay, delay] of delays)
    for (const a of [SOURCE, DESTINATION]) {
      const latency = Math.round(delay / 2);
      const cost = linkCost(latency, 0);
      const figures = { latency, lossAB: 0, lossBA: 0, costAB: cost, costBA: cost };
      edges.push({ a, b: relay, ...figures, mtu: 1400, isOnProbation: false });
    }
  edges.sort((x, y) => x.a - y.a || x.b - y.b);
  return buildGraph([SOURCE, DESTINATION, LEFT, RIGHT], edges);
}
