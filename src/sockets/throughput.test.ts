/**
 * What a stream gets out of impaired hops, in virtual time: 20 s over three hops of 10 ms and 20 Mbit/s
 * with a drop-tail queue of about 100 ms. Payload is 91.4 % of what such a link carries at best.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Impairments } from '../impairment/index.ts';
import { milliseconds } from '../kernel/index.ts';
import { MS, pour, SECOND, TestNetwork } from './harness.test.ts';

const LINK_RATE = 20_000_000;
/** The stream is measured from here on: start-up is judged apart. */
const WARM_UP = 2 * SECOND;

const HOP: Partial<Impairments> = {
  delay: milliseconds(10),
  rate: LINK_RATE,
  queueBytes: 256 * 1024,
};
const three = (changes: Partial<Impairments> = {}): Partial<Impairments>[] =>
  [0, 1, 2].map(() => ({ ...HOP, ...changes }));

interface Measured {
  /** Of the link's rate, per stream, after warming up. */
  readonly shares: number[];
  readonly total: number;
  /** Mean and greatest queueing delay at the first hop, in milliseconds. */
  readonly queueMean: number;
  readonly queueMax: number;
}

interface Trial {
  readonly name: string;
  readonly hops: Partial<Impairments>[];
  readonly streams?: number;
  readonly duration?: number;
  readonly timerGranularity?: number;
  readonly script?: (network: TestNetwork) => void;
}

function measure(trial: Trial): Measured {
  const { timerGranularity = MS, streams = 1, duration = 20 * SECOND } = trial;
  const network = new TestNetwork({ seed: 7, hops: trial.hops, timerGranularity });
  const [a, b] = [network.nodes[0]!, network.nodes[1]!];
  assert.ok(b.layer.streamListen({ port: 80 }, network.now).ok);
  for (let i = 0; i < streams; i++) {
    const stream = a.layer.streamConnect(b.address, 80, {}, network.now);
    assert.ok(stream.ok);
    pour(network, a, stream.value, Number.MAX_SAFE_INTEGER);
  }
  trial.script?.(network);
  const queue = { sum: 0, max: 0, samples: 0, next: WARM_UP };
  network.workloads.push((now) => {
    if (now < queue.next) return;
    queue.next = now + 10 * MS;
    const waiting = (network.hops(a, b)[0]!.queuedBytes(now) * 8_000) / LINK_RATE;
    queue.sum += waiting;
    queue.samples++;
    queue.max = Math.max(queue.max, waiting);
  });
  network.runFor(WARM_UP);
  const before = b.incoming.map((s) => b.received.get(s.stream) ?? 0);
  network.runFor(duration - WARM_UP);
  const time = (duration - WARM_UP) / SECOND;
  const shares = b.incoming.map(
    (s, i) => ((b.received.get(s.stream)! - before[i]!) * 8) / time / LINK_RATE,
  );
  const total = shares.reduce((sum, share) => sum + share, 0);
  const measured = { shares, total, queueMean: queue.sum / queue.samples, queueMax: queue.max };
  const percent = shares.map((share) => `${(share * 100).toFixed(1)} %`).join(' + ');
  console.log(
    `${trial.name.padEnd(48)} ${percent.padStart(16)}  queue mean ` +
      `${measured.queueMean.toFixed(0)} ms, max ${measured.queueMax.toFixed(0)} ms`,
  );
  return measured;
}

const setDelay = (network: TestNetwork, ms: number): void => {
  const [a, b] = [network.nodes[0]!, network.nodes[1]!];
  for (const hop of [...network.hops(a, b), ...network.hops(b, a)])
    hop.change({ delay: milliseconds(ms) });
};

const setCut = (network: TestNetwork, cut: boolean): void => {
  const [a, b] = [network.nodes[0]!, network.nodes[1]!];
  for (const hop of [...network.hops(a, b), ...network.hops(b, a)]) hop.change({ cut });
};

describe('a stream over three hops of 10 ms and 20 Mbit/s', () => {
  test('fills a clean link and leaves its queue nearly empty', () => {
    const clean = measure({ name: 'clean', hops: three() });
    assert.ok(clean.total > 0.9, `${clean.total}`);
    assert.ok(clean.queueMean < 15 && clean.queueMax < 60, 'queue');
  });

  test('keeps more than 85 % of the link with 1 % loss on each hop, single or in bursts', () => {
    const single = measure({ name: '1 % loss on each hop', hops: three({ loss: 0.01 }) });
    assert.ok(single.total > 0.85, `${single.total}`);
    const bursts = { loss: 0.01, burst: 0.5 };
    const burst = measure({ name: '1 % loss on each hop, bursts of 2', hops: three(bursts) });
    assert.ok(burst.total > 0.83, `${burst.total}`);
  });

  test('keeps 3 out of 4 bits of the link with 3 % loss on each hop', () => {
    const lossy = measure({ name: '3 % loss on each hop', hops: three({ loss: 0.03 }) });
    assert.ok(lossy.total > 0.75, `${lossy.total}`);
  });

  test('does not slow down when packets arrive out of order', () => {
    const reorder = { reorder: 0.1, reorderDelay: milliseconds(20) };
    const plain = measure({ name: '10 % late by 20 ms on each hop', hops: three(reorder) });
    assert.ok(plain.total > 0.88, `${plain.total}`);
    const lossy = measure({
      name: '10 % late by 20 ms and 1 % loss on each hop',
      hops: three({ ...reorder, loss: 0.01 }),
    });
    assert.ok(lossy.total > 0.8, `${lossy.total}`);
    const jitter = measure({
      name: '+-2 ms on each hop',
      hops: three({ jitter: milliseconds(2) }),
    });
    assert.ok(jitter.total > 0.88, `${jitter.total}`);
  });

  test('gets by with a queue of 13 ms', () => {
    const shallow = measure({ name: '32 KiB queues', hops: three({ queueBytes: 32 * 1024 }) });
    assert.ok(shallow.total > 0.85, `${shallow.total}`);
  });

  test('does not depend on timers being punctual', () => {
    const late = measure({
      name: 'timers late by up to 20 ms',
      hops: three(),
      timerGranularity: 20 * MS,
    });
    assert.ok(late.total > 0.88, `${late.total}`);
  });

  test('shares with a second stream, with and without loss', () => {
    const clean = measure({
      name: 'two streams',
      hops: three(),
      streams: 2,
      duration: 40 * SECOND,
    });
    const hops = three({ loss: 0.01 });
    const lossy = measure({
      name: 'two streams, 1 % loss',
      hops,
      streams: 2,
      duration: 40 * SECOND,
    });
    for (const pair of [clean, lossy]) {
      assert.ok(pair.total > 0.82, `${pair.total}`);
      assert.ok(Math.min(...pair.shares) > 0.3 * pair.total, `${pair.shares}`);
      assert.ok(pair.queueMax < 105, 'queue');
    }
  });

  test('survives a reroute by 100 ms there and back, told of it or not', () => {
    const reroute = (isTold: boolean) => (network: TestNetwork) => {
      const step = (ms: number): void => {
        setDelay(network, ms);
        const [a, b] = [network.nodes[0]!, network.nodes[1]!];
        if (isTold) a.layer.routeChanged(b.address, network.now);
      };
      network.after(6 * SECOND, () => step(26));
      network.after(12 * SECOND, () => step(10));
    };
    const told = measure({
      name: 'RTT 62 - 158 - 62 ms, told',
      hops: three(),
      script: reroute(true),
    });
    assert.ok(told.total > 0.85, `${told.total}`);
    const untold = measure({ name: 'the same, not told', hops: three(), script: reroute(false) });
    assert.ok(untold.total > 0.75, `${untold.total}`);
  });

  test('is back at full rate within 2 s of a 5 s outage', () => {
    const script = (network: TestNetwork): void => {
      network.after(6 * SECOND, () => setCut(network, true));
      network.after(11 * SECOND, () => setCut(network, false));
    };
    const outage = measure({ name: '5 s without any packet', hops: three(), script });
    assert.ok(outage.total > (0.9 * (18 - 7)) / 18, `${outage.total}`);
  });
});
