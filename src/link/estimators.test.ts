import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Duration, Instant } from '../kernel/index.ts';
import { Random } from '../kernel/index.ts';
import { FailureDetector } from './failure-detector.ts';
import { LossEstimator } from './loss-estimator.ts';
import type { LinkMetrics } from './metrics-damper.ts';
import { MetricsDamper } from './metrics-damper.ts';
import { MtuProbe } from './mtu-probe.ts';
import { LINK_LIMITS, LINK_TIMERS } from './options.ts';
import { RttEstimator } from './rtt-estimator.ts';

/** Feeds packets at a fixed rate, of which a share is lost. */
class Feed {
  readonly estimator: LossEstimator = new LossEstimator();
  readonly random: Random;
  now = 1_000_000;
  private gap = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  packets(count: number, options: { perSecond: number; loss: number }, each?: () => void): void {
    for (let i = 0; i < count; i++) {
      this.now += 1e6 / options.perSecond;
      if (this.random.chance(options.loss)) {
        this.gap++;
        continue;
      }
      this.estimator.arrived(this.gap, Math.round(this.now) as Instant);
      this.gap = 0;
      each?.();
    }
  }
}

test('half a percent of loss is never told: five days of hellos, an hour of fast data', () => {
  for (const [perSecond, count] of [
    [10, 4_000_000],
    [500, 1_800_000],
  ] as const) {
    const feed = new Feed(perSecond);
    feed.packets(count, { perSecond, loss: 0.005 });
    assert.equal(feed.estimator.toldPpm, 0);
  }
});

test('a step to 30 % is told in 60 packets, 10 % in 250, and to within a half of the truth', () => {
  for (const [loss, bound] of [
    [0.3, 60],
    [0.1, 250],
  ] as const) {
    for (let seed = 1; seed <= 50; seed++) {
      const feed = new Feed(seed);
      feed.packets(2_000, { perSecond: 60, loss: 0 });
      let count = 0;
      while (feed.estimator.toldPpm === 0 && count++ < 2_000)
        feed.packets(1, { perSecond: 60, loss });
      assert.ok(count < bound, `loss ${loss} seed ${seed}: ${count} packets`);
      feed.packets(1_000, { perSecond: 60, loss });
      const share = feed.estimator.toldPpm / 1e6 / loss;
      assert.ok(share > 0.6 && share < 2.5, `loss ${loss} seed ${seed}: ${share}`);
    }
  }
});

test('a steady loss is told once or twice a day, not again and again', () => {
  for (const loss of [0.03, 0.1, 0.3]) {
    const feed = new Feed(7);
    let told = 0;
    let changes = 0;
    feed.packets(864_000, { perSecond: 10, loss }, () => {
      if (feed.estimator.toldPpm !== told) changes++;
      told = feed.estimator.toldPpm;
    });
    assert.ok(changes <= 4, `${loss}: ${changes}`);
  }
});

test('one outage of 300 ms in a stream is one event, not a loss rate', () => {
  const feed = new Feed(1);
  feed.packets(1_000, { perSecond: 100, loss: 0 });
  feed.packets(30, { perSecond: 100, loss: 1 });
  feed.packets(1_000, { perSecond: 100, loss: 0 });
  assert.equal(feed.estimator.toldPpm, 0);
  assert.ok(feed.estimator.slowPpm > 10_000);
});

test('the windows hold what a plain count says', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ wait: fc.nat(200_000), gap: fc.nat(3) }), { maxLength: 300 }),
      (packets) => {
        const estimator = new LossEstimator();
        let now = 1_000_000;
        const kept: { at: number; gap: number }[] = [];
        for (const { wait, gap } of packets) {
          now += wait;
          estimator.arrived(gap, now as Instant);
          kept.push({ at: now, gap });
        }
        const end = Math.floor(now / 50_000);
        const inFast = kept.filter(({ at }) => Math.floor(at / 50_000) > end - 20);
        const lost = inFast.reduce((sum, { gap }) => sum + gap, 0);
        const expected = lost + inFast.length;
        const ppm = expected === 0 ? 0 : Math.round((lost / expected) * 1e6);
        assert.equal(estimator.fastPpm, ppm);
        assert.ok(estimator.slowPpm >= 0 && estimator.slowPpm <= 1e6);
      },
    ),
    { numRuns: 200 },
  );
});

test('an overtaken packet takes its loss back, and figures never go below nothing', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(4), { maxLength: 200 }), (steps) => {
      const estimator = new LossEstimator();
      let now = 1_000_000;
      for (const step of steps) {
        now += 7_000 * step;
        if (step === 0) estimator.arrivedLate(now as Instant);
        else estimator.arrived(step - 1, now as Instant);
      }
      assert.ok(estimator.fastPpm >= 0 && estimator.slowPpm >= 0);
    }),
  );
});

const metricsWith = (rtt: Duration): LinkMetrics => ({
  rtt,
  rttMin: rtt,
  jitter: 0 as Duration,
  lossOutPpm: 0,
  lossInPpm: 0,
  mtu: 1400,
});

test('two days of 20 % noise on the round trip tell nothing after the first correction', () => {
  const random = new Random(60_000);
  const estimator = new RttEstimator();
  let damper: MetricsDamper | undefined;
  let told = 0;
  for (let i = 0; i < 1_700_000; i++) {
    const now = (1_000_000 + i * 100_000) as Instant;
    const noise = 0.2 * (2 * random.fraction() - 1);
    estimator.sample(Math.round(60_000 * (1 + noise)) as Duration, now);
    if (i < 3) continue;
    damper ??= new MetricsDamper(metricsWith(estimator.rtt), now);
    const hasStepped = damper.hasStepped(estimator.rtt, now);
    if (hasStepped) estimator.snap();
    if (damper.update(metricsWith(estimator.rtt), hasStepped, now) !== undefined && i > 50) told++;
  }
  assert.equal(told, 0);
});

test('a lone outlier does not move the round-trip time, a step does within seven samples', () => {
  const estimator = new RttEstimator();
  let now = 0;
  const sample = (rtt: number): void => {
    now += 100_000;
    estimator.sample(rtt as Duration, now as Instant);
  };
  for (let i = 0; i < 50; i++) sample(20_000);
  sample(900_000);
  sample(20_000);
  assert.equal(estimator.rtt, 20_000);
  for (let i = 0; i < 7; i++) sample(40_000);
  assert.ok(estimator.rtt > 24_000, `${estimator.rtt}`);
  assert.equal(estimator.rttMin, 20_000);
});

test('jitter is that of arrivals, across the turn of the 32-bit clock and any offset of clocks', () => {
  const estimator = new RttEstimator();
  for (let i = 0; i < 400; i++) {
    const sent = (2 ** 32 - 20_000_000 + i * 100_000) >>> 0;
    const arrival = 5_000_000 + i * 100_000 + (i % 2) * 2_000;
    estimator.transit(sent, arrival as Instant);
  }
  assert.ok(Math.abs(estimator.jitter - 2_000) < 100, `${estimator.jitter}`);
});

const detector = (): FailureDetector => new FailureDetector(LINK_TIMERS, 0 as Instant);

test('a clean path is given 425 ms, a lossy one more, none over a second', () => {
  const clean = detector();
  clean.adapt({ lossIn: 0, lossOut: 0, rtt: 30_000 as Duration, jitter: 500 as Duration });
  assert.equal(clean.deadAfter, 425_000);
  const lossy = detector();
  lossy.adapt({ lossIn: 3e5, lossOut: 3e5, rtt: 30_000 as Duration, jitter: 500 as Duration });
  assert.ok(lossy.deadAfter > 650_000 && lossy.deadAfter < 800_000, `${lossy.deadAfter}`);
  const bad = detector();
  bad.adapt({ lossIn: 9e5, lossOut: 9e5, rtt: 300_000 as Duration, jitter: 50_000 as Duration });
  assert.equal(bad.deadAfter, 1_000_000);
});

test('verdicts follow silence, and the next change is always ahead until the end', () => {
  fc.assert(
    fc.property(fc.nat(400_000), fc.nat(500_000), fc.nat(300_000), (lossIn, lossOut, rtt) => {
      const watched = detector();
      watched.adapt({ lossIn, lossOut, rtt: rtt as Duration, jitter: 0 as Duration });
      let now = 0 as Instant;
      const seen: string[] = [];
      for (let i = 0; i < 6; i++) {
        const verdict = watched.verdict(now);
        if (seen.at(-1) !== verdict) seen.push(verdict);
        if (verdict === 'silent' || verdict === 'unheard') break;
        const next = watched.nextChange(now);
        assert.ok(next > now);
        now = next;
      }
      assert.deepEqual(seen, ['alive', 'suspect', 'silent']);
      assert.equal(now, watched.deadAfter);
    }),
  );
});

test('hearing well and not being heard is found by the age of the echo', () => {
  const watched = detector();
  watched.adapt({ lossIn: 0, lossOut: 0, rtt: 20_000 as Duration, jitter: 0 as Duration });
  for (let at = 0; at < 800_000; at += 25_000) watched.heard(at as Instant);
  assert.equal(watched.verdict(300_000 as Instant), 'alive');
  assert.equal(watched.verdict(400_000 as Instant), 'suspect');
  assert.equal(watched.verdict(700_000 as Instant), 'unheard');
  watched.echoed(650_000 as Instant);
  assert.equal(watched.verdict(700_000 as Instant), 'alive');
});

test('the size that passes is found, lost in a hole, and found again', () => {
  const probe = new MtuProbe(LINK_LIMITS, 0 as Instant);
  const rtt = 20_000 as Duration;
  const first = probe.probe(rtt, probe.nextAt)!;
  assert.equal(probe.mtu, 1232);
  probe.acknowledged({ id: first.id + 1, datagramBytes: 1452 }, 20_000 as Instant);
  assert.equal(probe.mtu, 1232);
  probe.acknowledged(first, 20_000 as Instant);
  assert.equal(probe.mtu, 1452);
  probe.noteLarge(5_000_000 as Instant);
  assert.equal(probe.nextAt, 5_000_001);
  for (let i = 0; i < 6; i++) assert.notEqual(probe.probe(rtt, probe.nextAt), undefined);
  assert.equal(probe.probe(rtt, probe.nextAt), undefined);
  assert.equal(probe.mtu, 1232);
  const again = probe.probe(rtt, probe.nextAt)!;
  probe.acknowledged(again, (probe.nextAt + 1) as Instant);
  assert.equal(probe.mtu, 1452);
});

test('where the largest size does not pass the next is found, and kept while the largest is tried again', () => {
  const probe = new MtuProbe(LINK_LIMITS, 0 as Instant);
  const rtt = 20_000 as Duration;
  for (const round of [1, 2]) {
    const sizes = [1, 2, 3, 4].map(() => probe.probe(rtt, probe.nextAt)!);
    assert.deepEqual(
      sizes.map(({ datagramBytes }) => datagramBytes),
      [1452, 1452, 1452, 1400],
    );
    assert.equal(probe.mtu, round === 1 ? 1232 : 1400);
    probe.acknowledged(sizes[3]!, probe.nextAt);
    assert.equal(probe.mtu, 1400);
    if (round === 2) continue;
    // While large packets pass, what is in use is confirmed, and the largest left alone for a minute.
    const tryAgainAt = probe.nextAt;
    for (let at = tryAgainAt - 58_000_000; at < tryAgainAt - 3_000_000; at += 3_000_000) {
      probe.noteLarge(at as Instant);
      const confirming = probe.probe(rtt, probe.nextAt)!;
      assert.equal(confirming.datagramBytes, 1400);
      probe.acknowledged(confirming, at as Instant);
    }
  }
});
