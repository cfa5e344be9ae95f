/**
 * Four weeks of faults, drawn. What is known of the measured ones (ICDCS 2017): nearly all that two
 * disjoint paths do not get around is at an end, there several links are bad at once and in part, in
 * one direction or both, for seconds to minutes; loss far more often than latency.
 *
 *   where      97 % at one of the six end sites, 3 % at DEN, DFW or CHI
 *   how often  Poisson
 *   links      loss, 86 %: each link of the site with probability 0.8, two at least; else one link
 *   direction  in 40 %, out 25 %, both 35 %
 *   what       loss 88 %, latency 12 %
 *   how bad    loss: 2.2 to 70 %, light ones more often (log-uniform in u^4), each link 0.5 .. 1.5
 *              times that, every 8 .. 16 s anew; latency: 10 .. 80 ms more
 *   how long   log-normal, median 75 s, sigma 1, 5 s .. 20 min
 */
import { CITIES, CITY_LINKS } from '../../../dist/sim/continent.js';

export const END_SITES = ['NYC', 'JHU', 'WAS', 'ATL', 'SJC', 'LAX'];
const MIDDLE_SITES = ['DEN', 'DFW', 'CHI'];
export const FOUR_WEEKS = 28 * 86_400;

/** Per site and four weeks, on average. */
const EPISODES = 160;
const AT_ENDS = 0.97;
const LOSS_LEAST = 0.022;
const LOSS_MOST = 0.7;
/** Log-uniform with more weight on light losses: u to this power. */
const LIGHTNESS = 4;
const LOSS_CAP = 0.9;

/** Episodes in order of start; times in seconds. */
export function drawWorkload(random, { duration = FOUR_WEEKS } = {}) {
  const total = Math.round((EPISODES * END_SITES.length * (duration / FOUR_WEEKS)) / AT_ENDS);
  const episodes = [];
  for (let i = 0; i < total; i++) {
    const isAtEnd = random.fraction() < AT_ENDS;
    episodes.push(drawEpisode(random, isAtEnd ? END_SITES : MIDDLE_SITES, duration));
  }
  return episodes.sort((x, y) => x.start - y.start);
}

function drawEpisode(random, sites, duration) {
  const site = random.pick(sites);
  const isLoss = random.fraction() < 0.88;
  const links = drawLinks(random, site, isLoss);
  const lasts = Math.min(1_200, Math.max(5, 75 * Math.exp(normal(random))));
  const start = random.fraction() * Math.max(1, duration - lasts);
  const which = random.fraction();
  const direction = which < 0.4 ? 'in' : which < 0.65 ? 'out' : 'both';
  const severity = LOSS_LEAST * (LOSS_MOST / LOSS_LEAST) ** (random.fraction() ** LIGHTNESS);
  const segments = [];
  for (let at = start; at < start + lasts; ) {
    const until = Math.min(start + lasts, at + 8 + 8 * random.fraction());
    const effects = links.flatMap(({ from, to }) => {
      const loss = isLoss ? Math.min(LOSS_CAP, severity * (0.5 + random.fraction())) : 0;
      const latency = isLoss ? 0 : 10 + 70 * random.fraction();
      const ways = [];
      if (direction !== 'in') ways.push({ from, to, loss, latency });
      if (direction !== 'out') ways.push({ from: to, to: from, loss, latency });
      return ways;
    });
    segments.push({ start: at, end: until, effects });
    at = until;
  }
  return { site, start, end: start + lasts, isLoss, direction, segments };
}

/** As seen from the site: `from` is the site. */
function drawLinks(random, site, isLoss) {
  const all = CITY_LINKS.filter(({ a, b }) => a === site || b === site).map(({ a, b }) => ({
    from: site,
    to: a === site ? b : a,
  }));
  if (!isLoss || random.fraction() >= 0.86) return [random.pick(all)];
  const chosen = all.filter(() => random.fraction() < 0.8);
  return chosen.length >= 2 ? chosen : random.shuffle([...all]).slice(0, 2);
}

function normal(random) {
  const radius = Math.sqrt(-2 * Math.log(1 - random.fraction()));
  return radius * Math.cos(2 * Math.PI * random.fraction());
}

export const SITES = CITIES.map(({ name }) => name);
