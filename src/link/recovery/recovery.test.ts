import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Duration } from '../../kernel/index.ts';
import { milliseconds, seconds } from '../../kernel/index.ts';
import type { RecoveryStatus } from '../../node/index.ts';
import type { LinkEffect } from '../../sim/index.ts';
import { lineTopology, Testbed } from '../../sim/index.ts';
import type { PacketService } from '../../wire/index.ts';
import { RECOVERY_DEADLINE, RECOVERY_REALTIME, SERVICE_DEFAULT } from '../../wire/index.ts';

const realtime: Partial<PacketService> = { recovery: RECOVERY_REALTIME };
const deadline = (time: number): Partial<PacketService> => ({
  recovery: RECOVERY_DEADLINE,
  deadline: milliseconds(time),
});

interface Outcome {
  readonly delivered: number;
  /** Latency of each message by its number; absent: it was lost. */
  readonly latency: (number | undefined)[];
  readonly links: readonly (RecoveryStatus | undefined)[];
}

/** Sends messages down a line of three nodes whose second link is bad. */
function flow(options: {
  seed: number;
  service: Partial<PacketService>;
  effect: LinkEffect;
  packets?: number;
  interval?: Duration;
  /** Of each link. */
  delay?: Duration;
}): Outcome {
  const { packets = 1000, interval = milliseconds(5) } = options;
  const topology = lineTopology(3, { delay: options.delay ?? milliseconds(10) });
  const testbed = new Testbed({ seed: options.seed, topology });
  const [a, , c] = topology.nodes;
  testbed.start();
  testbed.run(seconds(5));
  const sentAt: number[] = [];
  const latency: (number | undefined)[] = Array(packets).fill(undefined);
  let delivered = 0;
  testbed.node(c!).bind({
    port: 9,
    onMessage: ({ payload }) => {
      const n = payload[0]! * 256 + payload[1]!;
      assert.equal(latency[n], undefined, 'delivered twice');
      latency[n] = testbed.now - sentAt[n]!;
      delivered++;
    },
  });
  const service = { ...SERVICE_DEFAULT, ...options.service };
  const socket = testbed.node(a!).bind({ service });
  const payload = new Uint8Array(200);
  socket.send(payload.fill(255, 0, 2), { to: c!, port: 9 });
  testbed.run(seconds(1));
  delivered = 0;
  testbed.impairLink(topology.nodes[1]!, c!, options.effect);
  let n = 0;
  testbed.every(interval, () => {
    payload[0] = n >> 8;
    payload[1] = n & 255;
    sentAt[n] = testbed.now;
    socket.send(payload, { to: c!, port: 9 });
    return ++n < packets;
  });
  testbed.run((packets * interval + seconds(1)) as Duration);
  testbed.assertSound();
  const links = topology.nodes.flatMap((name) =>
    testbed
      .node(name)
      .status()!
      .links.map((link) => link.recovery),
  );
  return { delivered, latency: latency.slice(0, packets), links };
}

test('realtime: one request and one retransmission repair nine losses of ten', () => {
  const plain = flow({ seed: 1, service: {}, effect: { loss: 0.05 } });
  assert.ok(plain.delivered < 970, `${plain.delivered}`);
  const out = flow({ seed: 1, service: realtime, effect: { loss: 0.05 } });
  assert.ok(out.delivered > 985, `${out.delivered}`);
  const late = out.latency.filter((time) => time !== undefined && time > milliseconds(75));
  assert.equal(late.length, 0);
});

test('deadline: what realtime leaves is repaired too, within the deadline', () => {
  const out = flow({ seed: 2, service: deadline(200), effect: { loss: 0.1, burst: 0.5 } });
  assert.ok(out.delivered >= 998, `${out.delivered}`);
  assert.ok(out.latency.every((time) => (time ?? 0) < milliseconds(200)));
});

test('parities repair where there is no time to ask', () => {
  const way = { effect: { loss: 0.05 }, delay: milliseconds(40) };
  const service = deadline(110);
  const inTime = (out: Outcome): number =>
    out.latency.filter((time) => time !== undefined && time <= milliseconds(110)).length;
  for (const interval of [milliseconds(2), milliseconds(20)]) {
    const plain = flow({ seed: 4, service: {}, interval, packets: 2000, ...way });
    const out = flow({ seed: 4, service, interval, packets: 2000, ...way });
    const saved = 1 - (2000 - inTime(out)) / (2000 - inTime(plain));
    assert.ok(saved > 0.5, `${interval}: ${inTime(plain)} without, ${inTime(out)} with parities`);
    const parity = out.links.reduce((sum, link) => sum + (link?.parity.recovered ?? 0), 0);
    assert.ok(parity > 30, `${parity}`);
    for (const link of out.links)
      if (link !== undefined)
        assert.ok(link.givenUp + link.parity.recovered <= link.missing, JSON.stringify(link));
  }
});

test('nothing is delivered twice, whatever the way does, and no invariant breaks', () => {
  const share = (max: number): fc.Arbitrary<number> => fc.nat(100).map((n) => (n / 100) * max);
  const effect = fc.record({
    loss: share(0.4),
    burst: share(0.8),
    reorder: share(0.2),
    duplicate: share(0.2),
    replay: share(0.1),
    reorderDelay: fc.nat(20).map((n) => milliseconds(n)),
  });
  fc.assert(
    fc.property(
      fc.nat(10_000),
      fc.constantFrom(realtime, deadline(120)),
      effect,
      (seed, service, way) => {
        const out = flow({ seed, service, effect: way, packets: 150 });
        assert.ok(out.delivered >= 40, `${out.delivered} of 150 over ${JSON.stringify(way)}`);
        for (const link of out.links) assert.ok((link?.historyBytes ?? 0) < 200_000);
      },
    ),
    { numRuns: 12 },
  );
});
