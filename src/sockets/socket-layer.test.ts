import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { milliseconds, type NodeAddress } from '../kernel/index.ts';
import {
  blankDataHeader,
  DATA_HEADER_BYTES,
  KIND_NODE_CONTROL,
  KIND_SEALED,
  KIND_SESSION,
} from '../wire/index.ts';
import { MS, SECOND, TestNetwork, type TestNode } from './harness.test.ts';

const pair = (network: TestNetwork) => {
  const [a, b] = [network.nodes[0]!, network.nodes[1]!];
  return { a, b };
};

const bind = (network: TestNetwork, node: TestNode, port?: number): number => {
  const bound = node.layer.datagramBind(port === undefined ? {} : { port }, network.now);
  assert.ok(bound.ok);
  return bound.value.socket;
};

const text = (length: number, seed = 0): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 7 + seed) % 256);

describe('datagram sockets', () => {
  test('the first message waits for the session, later ones go at once', () => {
    const network = new TestNetwork();
    const { a, b } = pair(network);
    const from = bind(network, a);
    const to = bind(network, b, 7);
    assert.equal(a.layer.datagramSend(from, b.address, 7, text(10), network.now), 'queued');
    network.runFor(100 * MS);
    assert.equal(a.layer.datagramSend(from, b.address, 7, text(0), network.now), 'sent');
    network.runFor(100 * MS);
    assert.deepEqual(
      b.datagrams.map((d) => [d.socket, d.payload, d.meta.from]),
      [
        [to, text(10), a.address],
        [to, text(0), a.address],
      ],
    );
    assert.ok(b.datagrams[0]!.at <= 31 * MS, 'one round trip and a half');
  });

  test('both ends may begin at the same moment', () => {
    const network = new TestNetwork();
    const { a, b } = pair(network);
    const [here, there] = [bind(network, a, 7), bind(network, b, 7)];
    a.layer.datagramSend(here, b.address, 7, text(1), network.now);
    b.layer.datagramSend(there, a.address, 7, text(2), network.now);
    network.runFor(SECOND);
    assert.equal(a.datagrams.length, 1);
    assert.equal(b.datagrams.length, 1);
  });

  test('messages up to 65,000 bytes arrive whole, longer ones are refused', () => {
    const network = new TestNetwork();
    const { a, b } = pair(network);
    const from = bind(network, a);
    bind(network, b, 7);
    for (const size of [1300, 1330, 5000, 65_000])
      a.layer.datagramSend(from, b.address, 7, text(size, size), network.now);
    assert.equal(
      a.layer.datagramSend(from, b.address, 7, new Uint8Array(65_001), network.now),
      'too-big',
    );
    network.runFor(SECOND);
    assert.deepEqual(
      b.datagrams.map((d) => d.payload),
      [1300, 1330, 5000, 65_000].map((size) => text(size, size)),
    );
  });

  test('a message that lost a fragment is dropped and its memory given back', () => {
    const network = new TestNetwork();
    const { a, b } = pair(network);
    const from = bind(network, a);
    bind(network, b, 7);
    a.layer.datagramSend(from, b.address, 7, text(1), network.now);
    network.runFor(SECOND);
    let count = 0;
    network.drop = () => ++count === 2;
    a.layer.datagramSend(from, b.address, 7, text(5000), network.now);
    network.runFor(SECOND);
    assert.equal(b.layer.status()['datagram.reassemblies'], 1);
    network.runFor(2 * SECOND);
    assert.equal(b.layer.status()['datagram.reassemblies'], 0);
    assert.equal(b.layer.counters.value('datagram.reassembly-timed-out'), 1);
    assert.equal(b.datagrams.length, 1);
  });

  test('what waits is bounded: the oldest goes first, and the rest in order', () => {
    const network = new TestNetwork();
    const { a, b } = pair(network);
    const from = bind(network, a);
    bind(network, b, 7);
    for (let i = 0; i < 70; i++) a.layer.datagramSend(from, b.address, 7, text(1, i), network.now);
    network.runFor(SECOND);
    assert.deepEqual(
      b.datagrams.map((d) => d.payload[0]),
      Array.from({ length: 64 }, (_, i) => i + 6),
    );
    assert.equal(a.layer.counters.value('datagram.pending-dropped'), 6);
  });

  test('a full node says so and says when there is room', () => {
    const network = new TestNetwork({ limits: { pendingBytesMax: 1000 } });
    const { a, b } = pair(network);
    const from = bind(network, a);
    a.layer.datagramSend(from, b.address, 7, text(900), network.now);
    assert.equal(a.layer.datagramSend(from, b.address, 7, text(200), network.now), 'full');
    network.runFor(SECOND);
    assert.deepEqual(a.drained, [from]);
  });

  test('ports: in use, out of range, ephemeral, free again after closing', () => {
    const network = new TestNetwork();
    const { a } = pair(network);
    const first = bind(network, a, 7);
    const again = a.layer.datagramBind({ port: 7 }, network.now);
    assert.deepEqual(again, { ok: false, reason: 'port-in-use' });
    assert.equal(a.layer.datagramBind({ port: 70_000 }, network.now).ok, false);
    a.layer.socketClose(first, network.now);
    assert.ok(a.layer.datagramBind({ port: 7 }, network.now).ok);
    assert.equal(a.layer.datagramSend(first, a.address, 7, text(1), network.now), 'closed');
    const ephemeral = a.layer.datagramBind({}, network.now);
    assert.ok(ephemeral.ok && ephemeral.value.port >= 49_152);
  });

  test('an unknown node, an unreachable one, and a closed port', () => {
    const network = new TestNetwork();
    const { a, b } = pair(network);
    const from = bind(network, a);
    const stranger = 9 as NodeAddress;
    assert.equal(a.layer.datagramSend(from, stranger, 7, text(1), network.now), 'unreachable');
    network.unreachable.add(b.address);
    assert.equal(a.layer.datagramSend(from, b.address, 7, text(1), network.now), 'unreachable');
    network.unreachable.clear();
    a.layer.datagramSend(from, b.address, 7, text(1), network.now);
    network.runFor(SECOND);
    assert.equal(a.layer.counters.value('datagram.port-unreachable-heard'), 1);
  });

  test('every message arrives at most once, though packets arrive twice', () => {
    const hop = { delay: milliseconds(10), duplicate: 0.5, loss: 0.1 };
    const network = new TestNetwork({ hops: [hop] });
    const { a, b } = pair(network);
    const from = bind(network, a);
    bind(network, b, 7);
    for (let i = 0; i < 500; i++) {
      const message = new Uint8Array([i >> 8, i & 255]);
      network.after(i * MS, (now) => a.layer.datagramSend(from, b.address, 7, message, now));
    }
    network.runFor(5 * SECOND);
    const heard = b.datagrams.map((d) => d.payload[0]! * 256 + d.payload[1]!);
    assert.equal(new Set(heard).size, heard.length);
    assert.ok(heard.length > 400);
    assert.ok(b.layer.counters.value('session.refused.replayed') > 100);
  });
});

describe('end-to-end sessions', () => {
  test('replayed, forged and cut packets are refused and counted', () => {
    const network = new TestNetwork();
    const { a, b } = pair(network);
    const from = bind(network, a);
    bind(network, b, 7);
    const frames: Uint8Array[] = [];
    network.onFrame = (to, frame) => to === b && frames.push(frame.slice());
    a.layer.datagramSend(from, b.address, 7, text(100), network.now);
    network.runFor(SECOND);
    network.onFrame = undefined;
    assert.equal(b.datagrams.length, 1);
    const sealed = frames.find((f) => f[3] === KIND_SEALED && f.length > 100)!;
    network.inject(b, sealed);
    assert.equal(b.layer.counters.value('session.refused.replayed'), 1);
    const renumbered = sealed.slice();
    renumbered[23] = 200;
    network.inject(b, renumbered);
    const flipped = renumbered.slice();
    flipped[60]! ^= 1;
    network.inject(b, flipped);
    assert.equal(b.layer.counters.value('session.refused.bad-tag'), 2);
    network.inject(b, sealed.slice(0, 40));
    assert.equal(b.layer.counters.value('session.refused.truncated'), 1);
    const initiation = frames.find((f) => f[3] === KIND_SESSION)!;
    network.inject(b, initiation);
    assert.equal(b.layer.counters.value('session.refused.stale-initiation'), 1);
    assert.equal(b.datagrams.length, 1);
  });

  test('a node that forgot its sessions is sent to again within a round trip or two', () => {
    const network = new TestNetwork();
    const { a, b } = pair(network);
    const from = bind(network, a);
    bind(network, b, 7);
    a.layer.datagramSend(from, b.address, 7, text(1), network.now);
    network.runFor(SECOND);
    network.restart(b);
    bind(network, b, 7);
    a.layer.datagramSend(from, b.address, 7, text(2), network.now);
    network.runFor(100 * MS);
    a.layer.datagramSend(from, b.address, 7, text(3), network.now);
    network.runFor(100 * MS);
    assert.equal(b.datagrams.at(-1)?.payload.length, 3);
    assert.equal(a.layer.counters.value('session.unknown-at-peer'), 1);
  });

  test('set-up survives loss of any of its messages', () => {
    for (let lost = 0; lost < 4; lost++) {
      const network = new TestNetwork();
      const { a, b } = pair(network);
      const from = bind(network, a);
      const back = bind(network, b, 7);
      let count = 0;
      network.drop = () => count++ === lost;
      a.layer.datagramSend(from, b.address, 7, text(1), network.now);
      network.runFor(SECOND);
      a.layer.datagramSend(from, b.address, 7, text(2), network.now);
      network.runFor(100 * MS);
      assert.ok(b.datagrams.length >= 1, `message ${lost} lost`);
      const { fromPort } = b.datagrams[0]!.meta;
      b.layer.datagramSend(back, a.address, fromPort, text(3), network.now);
      network.runFor(SECOND);
      assert.equal(a.datagrams.length, 1, `message ${lost} lost, the way back`);
    }
  });

  test('a round trip longer than the wait between tries makes one session and loses nothing', () => {
    for (const isMutual of [false, true]) {
      const network = new TestNetwork({ hops: [{ delay: milliseconds(300) }] });
      const { a, b } = pair(network);
      const from = bind(network, a, 8);
      const back = bind(network, b, 7);
      const initiations: Uint8Array[] = [];
      // The byte of the kind has the form of the route in front: tries go every way.
      network.onFrame = (to, frame) =>
        to === b && (frame[3]! & 0x0f) === KIND_SESSION && initiations.push(frame.slice());
      const reply = () => b.layer.datagramSend(back, a.address, 8, text(2), network.now);
      a.layer.datagramSend(from, b.address, 7, text(1), network.now);
      if (isMutual) reply();
      // The answerer has a session by now, and its initiator does not know of it.
      else network.after(350 * MS, reply);
      network.runFor(3 * SECOND);
      assert.deepEqual([a.datagrams.length, b.datagrams.length], [1, 1]);
      for (const { layer } of [a, b]) {
        assert.equal(layer.counters.value('session.made'), 1);
        assert.equal(layer.counters.value('session.refused.unknown-session'), 0);
      }
      assert.equal(b.layer.counters.value('session.answered'), 1);
      // Afterwards none of them is answered: they may be replays by now.
      assert.ok(initiations.length > 1);
      network.onFrame = undefined;
      const sent = network.packetsSent;
      for (const initiation of initiations) network.inject(b, initiation);
      assert.equal(network.packetsSent, sent);
      b.layer.datagramSend(back, a.address, 8, text(3), network.now);
      network.runFor(SECOND);
      assert.equal(a.datagrams.length, 2);
    }
  });

  test('an initiation that comes again is answered as before, and displaces nothing', () => {
    const network = new TestNetwork();
    const { a, b } = pair(network);
    const from = bind(network, a);
    bind(network, b, 7);
    let initiation: Uint8Array | undefined;
    network.onFrame = (to, frame) => {
      if (to === b && frame[3] === KIND_SESSION) initiation ??= frame.slice();
    };
    const responses: Uint8Array[] = [];
    network.drop = (sender, _, payload) => sender === b && responses.push(payload.slice()) > 0;
    a.layer.datagramSend(from, b.address, 7, text(1), network.now);
    network.runFor(20 * MS);
    for (let i = 0; i < 3; i++) network.inject(b, initiation!);
    assert.equal(responses.length, 4);
    for (const response of responses) assert.deepEqual(response, responses[0]);
    assert.equal(b.layer.counters.value('session.answered'), 1);
    assert.equal(b.layer.counters.value('session.answered-again'), 3);
    // Tries go on, and another initiation takes the place of one that may be known to nobody.
    network.runFor(9 * SECOND);
    assert.equal(b.layer.counters.value('session.answered'), 2);
    network.drop = undefined;
    network.inject(b, initiation!);
    assert.equal(b.layer.counters.value('session.refused.stale-initiation'), 1);
    network.runFor(10 * SECOND);
    assert.equal(b.datagrams.length, 1);
    assert.equal(a.layer.counters.value('session.made'), 1);
  });

  test('responses that are kept are bounded: the oldest initiator begins anew', () => {
    const network = new TestNetwork({ nodes: 4, limits: { sessionResponsesMax: 2 } });
    const [b, ...initiators] = network.nodes as [TestNode, ...TestNode[]];
    bind(network, b, 7);
    network.drop = (sender) => sender === b && network.now < 2 * SECOND;
    for (const node of initiators) {
      node.layer.datagramSend(bind(network, node), b.address, 7, text(1), network.now);
      network.runFor(MS);
    }
    network.runFor(2 * SECOND);
    assert.equal(b.layer.counters.value('session.responses-forgotten'), 1);
    assert.ok(b.layer.counters.value('session.refused.stale-initiation') > 0);
    network.runFor(15 * SECOND);
    assert.equal(b.datagrams.length, 3);
  });

  test('renewing the keys loses nothing that is under way, though both ends want to', () => {
    const limits = { sessionRekeyAfter: 2 * SECOND };
    for (const delay of [40, 110]) {
      const late = { reorder: 0.2, reorderDelay: milliseconds(50) };
      const network = new TestNetwork({ limits, hops: [{ delay: milliseconds(delay), ...late }] });
      const { a, b } = pair(network);
      const ends = [
        { node: a, socket: bind(network, a, 7), to: b },
        { node: b, socket: bind(network, b, 7), to: a },
      ];
      let sent = 0;
      for (const { node, socket, to } of ends)
        for (let at = 0; at < 20 * SECOND; at += 3 * MS)
          network.after(at, (now) => {
            const outcome = node.layer.datagramSend(socket, to.address, 7, text(9), now);
            if (outcome === 'sent') sent++;
          });
      network.runFor(22 * SECOND);
      for (const { node } of ends) {
        assert.ok(node.layer.counters.value('session.made') >= 5, 'keys were renewed');
        assert.equal(node.layer.counters.value('session.refused.unknown-session'), 0, `${delay}`);
      }
      assert.ok(sent > 13_000);
      assert.ok(a.datagrams.length + b.datagrams.length >= sent, 'and nothing was lost');
    }
  });

  test('a peer that never answers costs a bounded number of attempts', () => {
    const network = new TestNetwork();
    const { a, b } = pair(network);
    const from = bind(network, a);
    network.drop = () => true;
    a.layer.datagramSend(from, b.address, 7, text(1), network.now);
    network.runFor(60 * SECOND);
    const attempts = a.layer.counters.value('session.initiations');
    assert.ok(attempts > 5 && attempts < 15, `${attempts}`);
    assert.equal(a.layer.counters.value('datagram.pending-expired'), 1);
    assert.equal(a.layer.nextTimeout(), undefined);
  });

  test('the number of sessions is bounded', () => {
    const network = new TestNetwork({ nodes: 6, limits: { sessionsMax: 3 } });
    const a = network.nodes[0]!;
    const from = bind(network, a);
    for (const node of network.nodes.slice(1)) {
      bind(network, node, 7);
      a.layer.datagramSend(from, node.address, 7, text(1), network.now);
      network.runFor(SECOND);
      assert.equal(node.datagrams.length, 1);
    }
    assert.equal(a.layer.status()['session.peers'], 3);
  });

  test('whatever bytes arrive, nothing throws and nothing is delivered', () => {
    const network = new TestNetwork();
    const { a, b } = pair(network);
    bind(network, b, 7);
    const from = bind(network, a);
    const frames: Uint8Array[] = [];
    network.onFrame = (to, frame) => to === b && frames.push(frame.slice());
    a.layer.datagramSend(from, b.address, 7, text(100), network.now);
    network.runFor(SECOND);
    network.onFrame = undefined;
    const kinds = fc.constantFrom(KIND_SEALED, KIND_SESSION, KIND_NODE_CONTROL, 9);
    fc.assert(
      fc.property(kinds, fc.uint8Array({ maxLength: 200 }), fc.nat(), (kind, bytes, cut) => {
        const frame = frames[cut % frames.length]!.slice();
        frame[3] = kind;
        const forged = new Uint8Array(DATA_HEADER_BYTES + bytes.length);
        forged.set(frame.subarray(0, Math.min(forged.length, DATA_HEADER_BYTES + (cut % 20))));
        forged.set(bytes, DATA_HEADER_BYTES);
        network.inject(b, forged);
      }),
      { numRuns: 2000 },
    );
    assert.equal(b.datagrams.length, 1);
  });
});

describe('echo', () => {
  test('a reply tells the round trip; a reply is no longer than its request', () => {
    const network = new TestNetwork();
    const { a, b } = pair(network);
    const sizes: number[] = [];
    network.onFrame = (_, frame) => sizes.push(frame.length);
    assert.ok(a.layer.echo(5, b.address, { payloadBytes: 100 }, network.now).ok);
    network.runFor(SECOND);
    assert.deepEqual(a.echoes, [
      { id: 5, outcome: { kind: 'reply', from: b.address, rtt: 20 * MS } },
    ]);
    assert.equal(sizes[0], sizes[1]);
  });

  test('a node on the way says that the hop limit was reached', () => {
    const network = new TestNetwork({ nodes: 3 });
    const [a, b, c] = network.nodes as [TestNode, TestNode, TestNode];
    // Node b stands in the way: it takes what is meant for c.
    network.drop = (from, packet) => {
      if (from !== a || packet.destination !== c.address) return false;
      const { destination, kind, flow, sequence } = packet;
      const name = { source: a.address, destination, kind, flow, sequence, epoch: 1 };
      const header = { ...blankDataHeader(), ...name };
      b.layer.notice('hop-limit-exceeded', header, new Uint8Array([1]), 0, 1, network.now);
      return true;
    };
    assert.ok(a.layer.echo(1, c.address, { hopLimit: 1 }, network.now).ok);
    network.runFor(SECOND);
    assert.deepEqual(a.echoes, [
      { id: 1, outcome: { kind: 'hop-limit-exceeded', from: b.address, rtt: 10 * MS } },
    ]);
  });

  test('floods of requests are answered at a bounded rate, and notices cause no notices', () => {
    const network = new TestNetwork({ limits: { repliesPerSecond: 10, echoesMax: 5 } });
    const { a, b } = pair(network);
    for (let i = 0; i < 50; i++) a.layer.echo(i, b.address, {}, network.now);
    network.runFor(SECOND);
    assert.equal(b.layer.counters.value('echo.rate-limited'), 40);
    const header = { kind: KIND_NODE_CONTROL, source: a.address, destination: b.address };
    const rest = { ...blankDataHeader(), hopLimit: 1, epoch: 1, sequence: 1 };
    const before = network.packetsSent;
    b.layer.notice('unreachable', { ...rest, ...header }, new Uint8Array([4]), 0, 1, network.now);
    assert.equal(network.packetsSent, before);
  });

  test('a stopped node takes nothing and resets its streams', () => {
    const network = new TestNetwork();
    const { a, b } = pair(network);
    assert.ok(b.layer.streamListen({ port: 80 }, network.now).ok);
    const stream = a.layer.streamConnect(b.address, 80, {}, network.now);
    assert.ok(stream.ok);
    network.runFor(SECOND);
    a.layer.stop(network.now);
    network.runFor(SECOND);
    assert.equal(a.closed.get(stream.value), 'node-stopped');
    assert.equal(b.closed.get(b.incoming[0]!.stream), 'reset');
    assert.deepEqual(a.layer.datagramBind({}, network.now), { ok: false, reason: 'closed' });
  });
});
