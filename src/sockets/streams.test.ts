import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Impairments } from '../impairment/index.ts';
import { milliseconds } from '../kernel/index.ts';
import { MS, pour, SECOND, TestNetwork } from './harness.test.ts';

const pair = (network: TestNetwork) => {
  const [a, b] = [network.nodes[0]!, network.nodes[1]!];
  return { a, b };
};

/** A stream from a to a listener on port 80 of b, answered. */
function opened(options: ConstructorParameters<typeof TestNetwork>[0] = {}) {
  const network = new TestNetwork(options);
  const { a, b } = pair(network);
  assert.ok(b.layer.streamListen({ port: 80 }, network.now).ok);
  const stream = a.layer.streamConnect(b.address, 80, {}, network.now);
  assert.ok(stream.ok);
  const isOpen = (): boolean => a.connected.has(stream.value) && b.incoming.length === 1;
  assert.ok(network.runUntil(isOpen, 5 * SECOND));
  return { network, a, b, here: stream.value, there: b.incoming[0]!.stream };
}

/** Slow enough that what is poured in the tests below is still pouring when something happens. */
const SLOW: Partial<Impairments>[] = [{ delay: milliseconds(10), rate: 8_000_000 }];

describe('a stream', () => {
  test('carries bytes both ways, in order, and closes when both sides have finished', () => {
    const { network, a, b, here, there } = opened();
    const heard: number[] = [];
    b.onData = (_, bytes) => heard.push(...bytes);
    const text = Uint8Array.from({ length: 5000 }, (_, i) => i % 256);
    assert.equal(a.layer.streamWrite(here, text, network.now), 5000);
    a.layer.streamFinish(here, network.now);
    assert.ok(network.runUntil(() => b.ended.has(there), SECOND));
    assert.deepEqual(Uint8Array.from(heard), text);
    assert.equal(a.closed.has(here), false, 'half-closed');
    b.layer.streamWrite(there, text, network.now);
    b.layer.streamFinish(there, network.now);
    assert.ok(network.runUntil(() => a.closed.has(here) && b.closed.has(there), SECOND));
    assert.equal(a.closed.get(here), undefined);
    assert.equal(b.closed.get(there), undefined);
    assert.equal(a.received.get(here), 5000);
    network.runFor(10 * SECOND);
    assert.equal(a.layer.status()['stream.lingering'], 0);
    assert.equal(a.layer.status()['stream.buffer-bytes'], 0);
    assert.equal(a.layer.nextTimeout(), undefined, 'nothing is left to do');
  });

  test('is refused where nobody listens', () => {
    const network = new TestNetwork();
    const { a, b } = pair(network);
    const stream = a.layer.streamConnect(b.address, 81, {}, network.now);
    assert.ok(stream.ok);
    assert.ok(network.runUntil(() => a.closed.has(stream.value), SECOND));
    assert.equal(a.closed.get(stream.value), 'refused');
    assert.equal(b.incoming.length, 0);
  });

  test('tells the other side of a reset, and what was on its way opens no new stream', () => {
    const { network, a, b, here, there } = opened({ hops: SLOW });
    pour(network, a, here, 10_000_000);
    network.runFor(200 * MS);
    b.layer.streamReset(there, network.now);
    assert.equal(b.closed.get(there), 'aborted');
    assert.ok(network.runUntil(() => a.closed.has(here), SECOND));
    assert.equal(a.closed.get(here), 'reset');
    network.runFor(SECOND);
    assert.equal(b.incoming.length, 1);
  });

  test('stops at the window of a reader that does not read, and goes on when it does', () => {
    const { network, a, b, here, there } = opened();
    b.isSlow = true;
    const progress = pour(network, a, here, 20_000_000);
    network.runFor(5 * SECOND);
    const held = b.received.get(there)!;
    assert.ok(held <= 1024 * 1024, `${held} bytes on a reader that reads nothing`);
    assert.ok(progress.written - held <= 1024 * 1024 + 65_536, 'writer is held back');
    b.isSlow = false;
    b.layer.streamConsumed(there, held, network.now);
    assert.ok(network.runUntil(() => b.ended.has(there), 60 * SECOND));
    assert.equal(b.received.get(there), 20_000_000);
  });

  test('a lost window update does not stop it for good', () => {
    const { network, a, b, here, there } = opened();
    b.isSlow = true;
    pour(network, a, here, 3_000_000);
    network.runFor(5 * SECOND);
    b.isSlow = false;
    network.drop = (from) => from === b;
    b.layer.streamConsumed(there, b.received.get(there)!, network.now);
    network.runFor(100 * MS);
    network.drop = undefined;
    assert.ok(network.runUntil(() => b.ended.has(there), 10 * SECOND));
  });

  test('ends on both sides when one restarts', () => {
    const { network, a, b, here } = opened({ hops: SLOW });
    pour(network, a, here, 100_000_000);
    network.runFor(SECOND);
    network.restart(b);
    assert.ok(network.runUntil(() => a.closed.has(here), 10 * SECOND));
    assert.equal(a.closed.get(here), 'peer-restarted');
    assert.ok(b.layer.streamListen({ port: 80 }, network.now).ok);
    const again = a.layer.streamConnect(b.address, 80, {}, network.now);
    assert.ok(again.ok);
    assert.ok(network.runUntil(() => a.connected.has(again.value), 5 * SECOND));
  });

  test('times out after 30 s of silence, and not before', () => {
    const { network, a, here } = opened({ hops: SLOW });
    pour(network, a, here, 100_000_000);
    network.runFor(SECOND);
    network.drop = () => true;
    network.runFor(29 * SECOND);
    assert.equal(a.closed.has(here), false);
    network.runFor(2 * SECOND);
    assert.equal(a.closed.get(here), 'timed-out');
  });

  test('finds out that an idle peer has gone', () => {
    const { network, a, here } = opened();
    network.runFor(60 * SECOND);
    assert.equal(a.closed.has(here), false, 'keepalives are answered');
    network.drop = () => true;
    network.runFor(50 * SECOND);
    assert.equal(a.closed.get(here), 'timed-out');
  });

  test('costs an idle pair of nodes less than a packet in 5 s', () => {
    const { network } = opened();
    network.runFor(SECOND);
    const before = network.packetsSent;
    network.runFor(100 * SECOND);
    assert.ok(network.packetsSent - before < 20, `${network.packetsSent - before} packets`);
  });

  test('goes on through the renewal of its session keys', () => {
    const limits = { sessionRekeyAfter: 2 * SECOND };
    const hops: Partial<Impairments>[] = [{ delay: milliseconds(10), rate: 8_000_000, loss: 0.01 }];
    const { network, a, b, here, there } = opened({ limits, hops });
    pour(network, a, here, 5_000_000);
    assert.ok(network.runUntil(() => b.ended.has(there), 60 * SECOND));
    const { status } = { status: a.layer.status() };
    assert.ok((status['session.made'] ?? 0) >= 3, 'keys were renewed');
    assert.equal(b.layer.status()['session.refused.bad-tag'] ?? 0, 0);
  });

  test('keeps every byte in place over a path that holds more than the first buffer', () => {
    const hop = { delay: milliseconds(60), rate: 200_000_000, queueBytes: 1_000_000, loss: 0.01 };
    const { network, a, b, here, there } = opened({ hops: [hop] });
    let at = 0;
    b.onData = (_, piece) => {
      for (let i = 0; i < piece.length; i++)
        if (piece[i] !== (at + i) % 251) assert.fail(`byte ${at + i} is wrong`);
      at += piece.length;
    };
    pour(network, a, here, 40_000_000);
    assert.ok(
      network.runUntil(() => b.ended.has(there), 8 * SECOND),
      `${at} bytes`,
    );
    assert.equal(at, 40_000_000);
  });

  test('and a datagram reach a socket of the same node', () => {
    const network = new TestNetwork({ hops: [{}], limits: { sessionRekeyAfter: 20 * SECOND } });
    const { a } = pair(network);
    const bound = a.layer.datagramBind({ port: 7 }, network.now);
    assert.ok(bound.ok && a.layer.streamListen({ port: 80 }, network.now).ok);
    const stream = a.layer.streamConnect(a.address, 80, {}, network.now);
    assert.ok(stream.ok);
    a.layer.datagramSend(bound.value.socket, a.address, 7, new Uint8Array(9), network.now);
    pour(network, a, stream.value, 1_000_000);
    assert.ok(network.runUntil(() => a.ended.size === 1, 5 * SECOND));
    assert.equal(a.datagrams.length, 1);
    a.layer.streamFinish(a.incoming[0]!.stream, network.now);
    assert.ok(network.runUntil(() => a.closed.size === 2, 5 * SECOND));
    for (let i = 0; i < 5; i++) {
      network.runFor(15 * SECOND);
      a.layer.datagramSend(bound.value.socket, a.address, 7, new Uint8Array(9), network.now);
    }
    network.runFor(5 * SECOND);
    assert.equal(a.datagrams.length, 6, 'through renewals of the keys');
  });

  test('local limits refuse, remote ones are answered with a refusal', () => {
    const network = new TestNetwork({ limits: { streamsMax: 2 } });
    const { a, b } = pair(network);
    assert.ok(b.layer.streamListen({ port: 80 }, network.now).ok);
    for (let i = 0; i < 2; i++) assert.ok(a.layer.streamConnect(b.address, 80, {}, network.now).ok);
    assert.deepEqual(a.layer.streamConnect(b.address, 80, {}, network.now), {
      ok: false,
      reason: 'limit-reached',
    });
  });

  test('delivers every byte once and in order whatever the path does', () => {
    const draw = fc.record({
      seed: fc.nat(),
      loss: fc.double({ min: 0, max: 0.2, noNaN: true }),
      reorder: fc.double({ min: 0, max: 0.3, noNaN: true }),
      duplicate: fc.double({ min: 0, max: 0.2, noNaN: true }),
      rate: fc.integer({ min: 500_000, max: 50_000_000 }),
      bytes: fc.integer({ min: 0, max: 300_000 }),
      mtu: fc.constantFrom(1232, 1400),
    });
    fc.assert(
      fc.property(draw, ({ seed, loss, reorder, duplicate, rate, bytes, mtu }) => {
        const hop: Partial<Impairments> = {
          delay: milliseconds(10),
          reorderDelay: milliseconds(15),
          queueBytes: 64_000,
          loss,
          reorder,
          duplicate,
          rate,
        };
        const network = new TestNetwork({ seed, hops: [hop], pathMtu: mtu });
        const { a, b } = pair(network);
        assert.ok(b.layer.streamListen({ port: 80 }, network.now).ok);
        const stream = a.layer.streamConnect(b.address, 80, {}, network.now);
        assert.ok(stream.ok);
        let at = 0;
        b.onData = (_, piece) => {
          for (let i = 0; i < piece.length; i++)
            if (piece[i] !== (at + i) % 251) assert.fail(`byte ${at + i} is wrong`);
          at += piece.length;
        };
        pour(network, a, stream.value, bytes);
        const isThere = (): boolean => b.ended.size === 1;
        assert.ok(network.runUntil(isThere, 120 * SECOND), 'all arrives');
        assert.equal(at, bytes);
        b.layer.streamFinish(b.incoming[0]!.stream, network.now);
        const isOver = (): boolean => a.closed.size === 1 && b.closed.size === 1;
        assert.ok(network.runUntil(isOver, 60 * SECOND), 'both sides close');
        assert.equal(a.closed.get(stream.value), undefined);
        assert.equal(b.closed.get(b.incoming[0]!.stream), undefined);
      }),
      { numRuns: 60 },
    );
  });
});
