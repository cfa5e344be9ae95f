import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import type { Duration } from '../kernel/index.ts';
import { PRIORITY_DEFAULT } from '../wire/index.ts';
import { MS, SECOND, TestNetwork, type TestNode } from './harness.test.ts';
import type { FlowOptions } from './index.ts';

const service = (deadline: number) => ({
  recovery: 0,
  priority: PRIORITY_DEFAULT,
  requests: 0,
  retransmissions: 0,
  deadline: deadline as Duration,
});

const bind = (network: TestNetwork, node: TestNode, options: FlowOptions & { port?: number }) => {
  const bound = node.layer.datagramBind(options, network.now);
  assert.ok(bound.ok);
  return bound.value.socket;
};

const numbered = (n: number, length = 100): Uint8Array => {
  const bytes = new Uint8Array(length);
  new DataView(bytes.buffer).setUint32(0, n);
  return bytes;
};
const numbersOf = (node: TestNode): number[] =>
  node.datagrams.map(({ payload }) => new DataView(payload.buffer).getUint32(0));

/** Sends `count` reliable messages as fast as the socket takes them. */
function sendAll(network: TestNetwork, from: TestNode, to: TestNode, count: number, length = 100) {
  const socket = bind(network, from, {});
  let next = 0;
  network.workloads.push(() => {
    while (next < count) {
      const message = { id: next, payload: numbered(next, length) };
      const outcome = from.layer.datagramSendReliable(socket, to.address, 7, message, network.now);
      if (outcome === 'full') return;
      assert.equal(outcome, 'queued');
      next++;
    }
  });
  return socket;
}

describe('reliable messages', () => {
  test('arrive once each over a path that loses a fifth, and are told as delivered', () => {
    const network = new TestNetwork({ hops: [{ loss: 0.2, delay: (10 * MS) as Duration }] });
    const [a, b] = [network.nodes[0]!, network.nodes[1]!];
    bind(network, b, { port: 7 });
    sendAll(network, a, b, 1_000);
    assert.ok(network.runUntil(() => a.receipts.size === 1_000, 60 * SECOND));
    assert.deepEqual([...new Set(a.receipts.values())], ['delivered']);
    assert.equal(numbersOf(b).length, 1_000);
    assert.deepEqual(
      numbersOf(b).sort((x, y) => x - y),
      Array.from({ length: 1_000 }, (_, i) => i),
    );
    assert.equal(a.layer.status()['reliable.bytes-under-way'], 0);
  });

  test('outlive a way that carries nothing for five seconds', () => {
    const network = new TestNetwork();
    const [a, b] = [network.nodes[0]!, network.nodes[1]!];
    bind(network, b, { port: 7 });
    sendAll(network, a, b, 400);
    network.runFor(30 * MS);
    network.drop = () => true;
    network.runFor(5 * SECOND);
    network.drop = undefined;
    assert.ok(network.runUntil(() => a.receipts.size === 400, 5 * SECOND));
    assert.equal(new Set(numbersOf(b)).size, b.datagrams.length);
    assert.equal(b.datagrams.length, 400);
  });

  test('longer than the path carries come whole, and lost receipts cost no second delivery', () => {
    const network = new TestNetwork({ hops: [{ loss: 0.1, delay: (5 * MS) as Duration }] });
    const [a, b] = [network.nodes[0]!, network.nodes[1]!];
    bind(network, b, { port: 7 });
    sendAll(network, a, b, 50, 20_000);
    assert.ok(network.runUntil(() => a.receipts.size === 50, 120 * SECOND));
    assert.deepEqual([...new Set(a.receipts.values())], ['delivered']);
    assert.equal(b.datagrams.length, 50);
    assert.ok(b.datagrams.every(({ payload }) => payload.length === 20_000));
  });

  test('to a port nobody has are refused, to nobody time out, and each says so', () => {
    const network = new TestNetwork({ limits: { reliablePatience: 2 * SECOND } });
    const [a, b] = [network.nodes[0]!, network.nodes[1]!];
    sendAll(network, a, b, 1);
    network.runFor(SECOND);
    assert.deepEqual([...a.receipts.values()], ['refused']);
    network.drop = () => true;
    const socket = bind(network, a, {});
    const message = { id: 99, payload: numbered(0) };
    a.layer.datagramSendReliable(socket, b.address, 7, message, network.now);
    network.runFor(3 * SECOND);
    assert.equal(a.receipts.get(99), 'timed-out');
  });

  test('that may have arrived before the destination restarted are told so', () => {
    const network = new TestNetwork();
    const [a, b] = [network.nodes[0]!, network.nodes[1]!];
    bind(network, b, { port: 7 });
    sendAll(network, a, b, 1);
    network.runFor(SECOND);
    // Receipts are lost, then the destination's memory.
    network.drop = (from) => from === b;
    const socket = bind(network, a, {});
    a.layer.datagramSendReliable(
      socket,
      b.address,
      7,
      { id: 5, payload: numbered(5) },
      network.now,
    );
    network.runFor(100 * MS);
    network.drop = undefined;
    network.restart(b);
    bind(network, b, { port: 7 });
    assert.ok(network.runUntil(() => a.receipts.has(5), 20 * SECOND));
    assert.equal(a.receipts.get(5), 'peer-restarted');
    assert.deepEqual(numbersOf(b), [0, 5], 'it was delivered, once');
  });

  test('are bounded: the socket says full, and drains when there is room', () => {
    const network = new TestNetwork({ limits: { reliableMessagesMax: 4 } });
    const [a, b] = [network.nodes[0]!, network.nodes[1]!];
    bind(network, b, { port: 7 });
    const socket = bind(network, a, {});
    const send = (id: number) =>
      a.layer.datagramSendReliable(
        socket,
        b.address,
        7,
        { id, payload: numbered(id) },
        network.now,
      );
    assert.deepEqual([0, 1, 2, 3, 4].map(send), ['queued', 'queued', 'queued', 'queued', 'full']);
    network.runFor(SECOND);
    assert.deepEqual(a.drained, [socket]);
    assert.equal(send(5), 'queued');
  });

  test('whatever the path does, each is delivered at most once and has one outcome', () => {
    const path = fc.record({
      loss: fc.double({ min: 0, max: 0.4, noNaN: true }),
      duplicate: fc.double({ min: 0, max: 0.3, noNaN: true }),
      jitter: fc.integer({ min: 0, max: 20 * MS }) as fc.Arbitrary<Duration>,
    });
    fc.assert(
      fc.property(path, fc.integer(), (impairments, seed) => {
        const delay = (10 * MS) as Duration;
        const network = new TestNetwork({ seed, hops: [{ delay, ...impairments }] });
        const [a, b] = [network.nodes[0]!, network.nodes[1]!];
        bind(network, b, { port: 7 });
        sendAll(network, a, b, 60);
        assert.ok(network.runUntil(() => a.receipts.size === 60, 60 * SECOND));
        const delivered = numbersOf(b);
        assert.equal(new Set(delivered).size, delivered.length);
        for (const [id, outcome] of a.receipts)
          if (outcome === 'delivered') assert.ok(delivered.includes(id));
      }),
      { numRuns: 20 },
    );
  });
});

describe('messages with playout', () => {
  test('in order: a path that reorders is put right, late ones are dropped and counted', () => {
    const jitter = (40 * MS) as Duration;
    const network = new TestNetwork({ hops: [{ delay: (10 * MS) as Duration, jitter }] });
    const [a, b] = [network.nodes[0]!, network.nodes[1]!];
    bind(network, b, { port: 7 });
    const flow = { playout: 'order', service: service(200 * MS) } as const;
    const socket = bind(network, a, flow);
    a.layer.datagramSend(socket, b.address, 7, numbered(0), network.now);
    network.runFor(SECOND);
    for (let n = 1; n < 300; n++) {
      a.layer.datagramSend(socket, b.address, 7, numbered(n), network.now);
      network.runFor(5 * MS);
    }
    network.runFor(SECOND);
    assert.deepEqual(
      numbersOf(b),
      Array.from({ length: 300 }, (_, i) => i),
    );
  });

  test('smooth: jitter of the path is gone at the socket', () => {
    const jitter = (30 * MS) as Duration;
    const network = new TestNetwork({ hops: [{ delay: (10 * MS) as Duration, jitter }] });
    const [a, b] = [network.nodes[0]!, network.nodes[1]!];
    bind(network, b, { port: 7 });
    const socket = bind(network, a, { playout: 'smooth', service: service(100 * MS) });
    const sent: number[] = [];
    for (let n = 0; n < 200; n++) {
      sent.push(network.now);
      a.layer.datagramSend(socket, b.address, 7, numbered(n), network.now);
      network.runFor(10 * MS);
    }
    network.runFor(SECOND);
    const delays = b.datagrams.slice(100).map(({ at, payload }) => {
      const n = new DataView(payload.buffer).getUint32(0);
      return at - sent[n]!;
    });
    assert.ok(delays.length >= 90);
    const spread = Math.max(...delays) - Math.min(...delays);
    assert.ok(spread <= 5 * MS, `the delay varies by ${spread} us`);
    const [row] = b.layer.conversations(network.now);
    assert.equal(row?.late, 0);
  });
});
