import assert from 'node:assert/strict';
import test from 'node:test';
import type { Duration, Instant, NodeAddress } from '../kernel/index.ts';
import { Counters, instant, milliseconds, Random, seconds } from '../kernel/index.ts';
import { Advertiser } from './advertiser.ts';
import { type AdjacencyMetrics, ROUTING_LIMITS, ROUTING_TIMERS } from './options.ts';

const PEER = 7 as NodeAddress;
const START = instant(1_000_000_000);

const measured = (oneWayMs: number, lossPpm = 0): AdjacencyMetrics => ({
  rtt: milliseconds(2 * oneWayMs),
  rttMin: milliseconds(2 * oneWayMs),
  jitter: milliseconds(1),
  lossOutPpm: lossPpm,
  lossInPpm: 0,
  mtu: 1400,
});

const advertiser = (): Advertiser => new Advertiser(ROUTING_TIMERS, ROUTING_LIMITS, new Counters());
const after = (secondsLater: number): Instant => (START + seconds(secondsLater)) as Instant;

test('a link that was never down is told at once', () => {
  const a = advertiser();
  assert.equal(a.up(PEER, measured(10), START), 'soon');
  assert.equal(a.advertised(PEER)?.latency, 10_000);
});

test('worse news is told at once, better news ten seconds after the last change', () => {
  const a = advertiser();
  a.up(PEER, measured(10), START);
  assert.equal(a.up(PEER, measured(20), after(1)), 'now');
  assert.equal(a.advertised(PEER)?.latency, 20_000);
  assert.equal(a.up(PEER, measured(10), after(3)), 'nothing');
  assert.equal(a.advertised(PEER)?.latency, 20_000);
  assert.equal(a.nextTimeout(), after(11));
  assert.equal(a.review(after(10.9)), 'nothing');
  assert.equal(a.review(after(11)), 'soon');
  assert.equal(a.advertised(PEER)?.latency, 10_000);
  assert.equal(a.nextTimeout(), undefined);
});

test('a new link may correct its first figures for the better at once, for eight seconds', () => {
  const a = advertiser();
  a.up(PEER, measured(60), START);
  assert.equal(a.up(PEER, measured(30), after(1.5)), 'soon');
  assert.equal(a.advertised(PEER)?.latency, 30_000);
  assert.equal(a.up(PEER, measured(10), after(8.5)), 'nothing');
  assert.equal(a.advertised(PEER)?.latency, 30_000);
});

test('better news that turned out to be none is not told', () => {
  const a = advertiser();
  a.up(PEER, measured(20), START);
  a.up(PEER, measured(10), after(9));
  a.up(PEER, measured(19), after(9.5));
  assert.equal(a.nextTimeout(), undefined);
  assert.equal(a.advertised(PEER)?.latency, 20_000);
});

test('30 % loss is worse news, 0.3 % on a continental link is no news', () => {
  const a = advertiser();
  a.up(PEER, measured(15), START);
  assert.equal(a.up(PEER, measured(15, 3_000), after(1)), 'nothing');
  assert.equal(a.up(PEER, measured(15, 300_000), after(2)), 'now');
  assert.equal(a.advertised(PEER)?.lossOutPpm, 300_000);
});

test('a smaller path MTU is worse news', () => {
  const a = advertiser();
  a.up(PEER, measured(15), START);
  assert.equal(a.up(PEER, { ...measured(15), mtu: 1232 }, after(1)), 'now');
});

test('noise within a tenth is never told, for a week', () => {
  const a = advertiser();
  const random = new Random(3);
  a.up(PEER, measured(30), START);
  for (let second = 1; second < 7 * 86_400; second += 10) {
    const noisy = 30 * (0.91 + random.fraction() * 0.18);
    assert.equal(a.up(PEER, measured(noisy), after(second)), 'nothing');
    assert.equal(a.review(after(second)), 'nothing');
  }
  assert.equal(a.advertised(PEER)?.latency, 30_000);
});

test('one figure better and another worse: only the worse is told', () => {
  const a = advertiser();
  a.up(PEER, measured(20), START);
  a.up(PEER, measured(10, 200_000), after(1));
  assert.equal(a.advertised(PEER)?.latency, 20_000);
  assert.equal(a.advertised(PEER)?.lossOutPpm, 200_000);
});

test('a flapping link is told up at once, on probation for ever longer, to a minute', () => {
  const a = advertiser();
  let now = START as number;
  a.up(PEER, measured(10), START);
  const holds: number[] = [];
  for (let flap = 0; flap < 9; flap++) {
    now += 100_000;
    assert.notEqual(a.down(PEER, now as Instant), 'soon');
    assert.equal(a.advertised(PEER), undefined);
    now += 100_000;
    assert.equal(a.up(PEER, measured(10), now as Instant), 'soon');
    assert.equal(a.advertised(PEER)?.isOnProbation, true);
    const until = a.onProbationUntil(PEER)!;
    holds.push((until - now) / 1_000_000);
  }
  assert.deepEqual(holds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
  assert.equal(a.up(PEER, measured(11), (now + 1) as Instant), 'nothing');
  assert.equal(a.up(PEER, measured(40), (now + 2) as Instant), 'now', 'worse news is told');
  assert.equal(a.advertised(PEER)?.isOnProbation, true);
  assert.equal(a.up(PEER, measured(10), (now + 3) as Instant), 'nothing');
  assert.equal(a.review((now + seconds(60)) as Instant), 'soon');
  assert.equal(a.advertised(PEER)?.isOnProbation, undefined);
  assert.equal(a.advertised(PEER)?.latency, 10_000);
});

test('failures are forgotten, one a minute', () => {
  const a = advertiser();
  const at = (n: number): Instant => (START + n) as Instant;
  const minute: Duration = seconds(60);
  a.up(PEER, measured(10), START);
  a.down(PEER, at(1));
  a.up(PEER, measured(10), at(2));
  a.down(PEER, at(3));
  assert.equal(a.up(PEER, measured(10), at(3 + 2 * minute)), 'soon');
});

test('failures of former neighbours are remembered for a bounded number of them', () => {
  const limits = { ...ROUTING_LIMITS, neighboursMax: 4 };
  const counters = new Counters();
  const a = new Advertiser(ROUTING_TIMERS, limits, counters);
  for (let n = 1; n <= 100; n++) {
    a.up(n as NodeAddress, measured(10), START);
    a.down(n as NodeAddress, START);
  }
  assert.equal(counters.value('flap-memory-full'), 92);
  const isOnProbation = (n: number): boolean => {
    a.up(n as NodeAddress, measured(10), START);
    return a.onProbationUntil(n as NodeAddress) !== undefined;
  };
  assert.equal(isOnProbation(1), false, 'long forgotten');
  assert.equal(isOnProbation(100), true, 'remembered');
});
