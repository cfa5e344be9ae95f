/** What keeps routes still, in words, for docs/margins.md: every figure is the one the code goes by. */
import { formatDuration } from '../kernel/index.ts';
import type { MarginRow } from '../link/index.ts';
import { MARGIN_MIN, MARGIN_PARTS } from './advertiser.ts';
import { MOVE_ROUNDS, ROUND, SPREAD_SHARE, STAY_MIN } from './choice/draw.ts';
import {
  FLIGHT_AGAIN,
  FLIGHT_LATELY,
  FLIGHT_SHARE,
  STAY_MAX,
  URGENT_LOSS_PPM,
} from './choice/flow-chooser.ts';
import { MARGINS, type Margin } from './choice/metrics.ts';
import {
  BASE_FOLLOWS_AFTER,
  GONE_COUNTS_FOR,
  LATENCY_OFF,
  LATENCY_ON,
  LOSS_OFF_PPM,
  LOSS_ON_PPM,
  PROBLEM_LINKS_MIN,
} from './graphs/index.ts';
import { PROBATION_COST } from './metric.ts';
import { ROUTING_TIMERS } from './options.ts';
import { RELAY_OPTIONS, RELAY_OUTDONE_BY } from './relays/index.ts';

const percent = (share: number): string => `${Number((100 * share).toPrecision(2))} %`;
const ppm = (parts: number): string => percent(parts / 1e6);
const both = ({ share, least }: Margin): string => `${percent(share)} and ${formatDuration(least)}`;
const { betterNewsAfter, flapHold, flapHoldMax, flapForget } = ROUTING_TIMERS;

const ADVERTISING = 'src/routing/advertiser.ts';
const CHOOSER = 'src/routing/choice/flow-chooser.ts';
const METRICS = 'src/routing/choice/metrics.ts';
const RELAYS = 'src/routing/relays/options.ts';
const PROBLEMS = 'src/routing/graphs/problem-links.ts';

const advertising: readonly MarginRow[] = [
  {
    what: 'a cost is advertised as worse',
    rule: `at once, more than a ${MARGIN_PARTS}th and ${formatDuration(MARGIN_MIN)} above what was advertised`,
    source: ADVERTISING,
  },
  {
    what: 'a cost is advertised as better',
    rule: `as much below, when its last change is ${formatDuration(betterNewsAfter)} ago`,
    source: ADVERTISING,
  },
  {
    what: 'a link that failed is advertised again',
    rule: `on probation for ${formatDuration(flapHold)}, doubled for each recent failure up to ${formatDuration(flapHoldMax)}; a failure is forgotten after ${formatDuration(flapForget)}`,
    source: 'src/routing/options.ts',
  },
  {
    what: 'a link on probation',
    rule: `costs ${formatDuration(PROBATION_COST)} more: used where there is nothing else`,
    source: 'src/routing/metric.ts',
  },
];

const flows: readonly MarginRow[] = [
  {
    what: 'a flow moves by `default`, `latency`, `expected-latency`',
    rule: both(MARGINS.latency),
    source: METRICS,
  },
  {
    what: 'a flow moves by `loss`',
    rule: `${percent(MARGINS.loss.share)} and ${ppm(MARGINS.loss.least)} of all packets`,
    source: METRICS,
  },
  {
    what: 'a flow moves by `throughput`',
    rule: `${percent(MARGINS.throughput.share)} of the score it has, which is half as much again to a transfer`,
    source: METRICS,
  },
  { what: 'a flow moves by `hops`', rule: 'one fewer', source: METRICS },
  {
    what: 'a flow moves by `app:NAME` or a sum',
    rule: percent(MARGINS.application.share),
    source: METRICS,
  },
  {
    what: 'turns to move for the better',
    rule: `one flow in ${MOVE_ROUNDS}, every ${formatDuration(ROUND)}`,
    source: CHOOSER,
  },
  {
    what: 'a flow that has moved for the better',
    rule: `stays ${formatDuration(STAY_MIN)}; each further move soon after doubles that, up to ${formatDuration(STAY_MAX)}, and the margin with it, up to ${percent(SPREAD_SHARE)}`,
    source: CHOOSER,
  },
  {
    what: 'flows flee from a path',
    rule: `that loses ${ppm(URGENT_LOSS_PPM)} more than the best: at once, ${FLIGHT_SHARE} times the share that is lost of them, one at least; again after ${formatDuration(FLIGHT_AGAIN)}. One that fled within ${formatDuration(FLIGHT_LATELY)} goes by that draw even where it is alone`,
    source: CHOOSER,
  },
  {
    what: 'a flow with `spread`',
    rule: `draws from paths no worse than the best by ${percent(SPREAD_SHARE)}, and stays while its path stands`,
    source: CHOOSER,
  },
  {
    what: 'a flow with a reserved rate',
    rule: `stays while its path is no worse than the best by ${percent(SPREAD_SHARE)}; then moves at its turn, when the rate is reserved on the other path`,
    source: CHOOSER,
  },
];

const others: readonly MarginRow[] = [
  {
    what: 'a relay is taken, or changed',
    rule: `${both({ share: RELAY_OPTIONS.marginShare, least: RELAY_OPTIONS.marginMin })} better; the direct way again as soon as it is better`,
    source: RELAYS,
  },
  {
    what: "link state's way instead of a relay, where there is no direct one",
    rule: `better by a factor of ${RELAY_OUTDONE_BY}`,
    source: RELAYS,
  },
  {
    what: 'a direction of a link is in trouble',
    rule: `above ${ppm(LOSS_ON_PPM)} loss, or ${both(LATENCY_ON)} above its base; until below ${ppm(LOSS_OFF_PPM)} and within ${both(LATENCY_OFF)}`,
    source: PROBLEMS,
  },
  {
    what: 'a link that is gone',
    rule: `counts as trouble for ${formatDuration(GONE_COUNTS_FOR)}`,
    source: PROBLEMS,
  },
  {
    what: 'a latency above its base',
    rule: `is the new base after ${formatDuration(BASE_FOLLOWS_AFTER)}`,
    source: PROBLEMS,
  },
  {
    what: 'an end of a targeted flow is in trouble',
    rule: `from ${PROBLEM_LINKS_MIN} bad links`,
    source: 'src/routing/graphs/targeted.ts',
  },
];

export const ROUTING_MARGINS: readonly MarginRow[] = [...advertising, ...flows, ...others];
