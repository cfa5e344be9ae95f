import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { milliseconds, seconds } from '../kernel/index.ts';
import type { ReservationNews } from '../node/index.ts';
import { Testbed } from './testbed.ts';
import type { TestbedNode, TestbedSocket } from './testbed-node.ts';
import type { Topology } from './topology.ts';
import { evenLink, lineTopology } from './topology.ts';

const MBIT = 1e6;
const link = (rate: number) => ({ delay: milliseconds(5), rate, queueBytes: 60_000 });

/** What was told of each reservation of a node, newest last. */
function newsOf(node: TestbedNode): ReservationNews[] {
  const news: ReservationNews[] = [];
  node.onEvent = (event) => {
    if (event.kind === 'reservation') news.push(event);
  };
  return news;
}

const bandwidthOf = (testbed: Testbed, node: string, to: string) =>
  testbed
    .node(node)
    .status()!
    .bandwidth!.links.find(({ neighbour }) => neighbour === testbed.addressOf(to))!;

/** Messages of 1200 bytes at a steady rate of bits a second with all headers, until closed. */
function stream(testbed: Testbed, socket: TestbedSocket, rate: number, to: string): () => void {
  const gap = Math.round(((1_200 + 130) * 8_000_000) / rate);
  const payload = new Uint8Array(1_200);
  let isOpen = true;
  testbed.every(gap as never, () => {
    if (isOpen) socket.send(payload, { to, port: 9 });
    return isOpen;
  });
  return () => {
    isOpen = false;
  };
}

/** From a to d by b, or by c where a link takes 7 ms more. */
function diamond(rate: number): Topology {
  const slow = { ...link(rate), delay: milliseconds(12) };
  return {
    nodes: ['a', 'b', 'c', 'd'],
    links: [
      evenLink('a', 'b', link(rate)),
      evenLink('b', 'd', link(rate)),
      evenLink('a', 'c', slow),
      evenLink('c', 'd', slow),
    ],
  };
}

function started(topology: Topology, options: { linkCapacity?: number } = {}): Testbed {
  const testbed = new Testbed({ seed: 5, topology, ...options });
  testbed.start();
  testbed.run(seconds(4));
  return testbed;
}

describe('what links carry', () => {
  for (const rate of [2, 10, 50])
    it(`an idle link of ${rate} Mbit/s is measured by itself to within 15 %`, () => {
      const testbed = started(lineTopology(2, link(rate * MBIT)));
      testbed.run(seconds(300));
      const { capacity, source } = bandwidthOf(testbed, 'n1', 'n2');
      if (rate === 50) return assert.equal(source, 'unknown', 'too fast for four packets');
      assert.equal(source, 'measured');
      assert.ok(Math.abs(capacity - rate * MBIT) < 0.15 * rate * MBIT, `${capacity}`);
    });

  for (const rate of [1, 10, 80])
    it(`a link of ${rate} Mbit/s in use is measured to within 15 %, and its use is known`, () => {
      const testbed = started(lineTopology(2, link(rate * MBIT)));
      testbed.node('n2').bind({ port: 9 });
      stream(testbed, testbed.node('n1').bind({}), 0.4 * rate * MBIT, 'n2');
      testbed.run(seconds(20));
      const { capacity, source, used, available } = bandwidthOf(testbed, 'n1', 'n2');
      assert.equal(source, 'measured');
      assert.ok(Math.abs(capacity - rate * MBIT) < 0.15 * rate * MBIT, `${capacity}`);
      assert.ok(Math.abs(used - 0.4 * rate * MBIT) < 0.05 * rate * MBIT, `${used}`);
      assert.ok(Math.abs(available - (capacity - used)) < 2);
      testbed.assertSound();
    });

  it('everybody hears of it', () => {
    const testbed = started(lineTopology(3, link(10 * MBIT)), { linkCapacity: 10 * MBIT });
    testbed.run(seconds(45));
    const { choice } = testbed.node('n1').call((node) => node as never as Inner)!.routing;
    const [from, to] = [testbed.addressOf('n2'), testbed.addressOf('n3')];
    const edge = choice.defaultGraph.edges.find((e) => Math.max(e.a, e.b) === Math.max(from, to))!;
    const told = edge.a === from ? edge.bandwidthAB : edge.bandwidthBA;
    assert.ok(Math.abs(told!.capacity - 10 * MBIT) < 0.04 * 10 * MBIT);
    assert.ok(told!.available > 9.5 * MBIT);
  });
});

interface Inner {
  readonly routing: {
    readonly choice: {
      readonly defaultGraph: {
        readonly edges: readonly {
          readonly a: number;
          readonly b: number;
          readonly bandwidthAB?: { capacity: number; available: number };
          readonly bandwidthBA?: { capacity: number; available: number };
        }[];
      };
    };
  };
}

describe('rates reserved along the whole way', () => {
  it('the second hop refuses what the first would grant, and says what is left', () => {
    const testbed = started(lineTopology(3, link(10 * MBIT)), { linkCapacity: 10 * MBIT });
    const [one, two] = [testbed.node('n1'), testbed.node('n2')];
    const [first, second] = [newsOf(one), newsOf(two)];
    two.bind({}).reserve('n3', 6 * MBIT);
    testbed.run(seconds(1));
    assert.equal(second.at(-1)!.state, 'held');
    one.bind({}).reserve('n3', 4 * MBIT);
    testbed.run(seconds(2));
    const { state, short } = first.at(-1)!;
    assert.equal(state, 'refused');
    assert.deepEqual(
      [short!.from, short!.to, short!.verdict, short!.available],
      [testbed.addressOf('n2'), testbed.addressOf('n3'), 'no-room', 3 * MBIT],
    );
    assert.equal(one.status()!.bandwidth!.granted.length, 0, 'nothing stays reserved');
    one.bind({}).reserve('n3', 3 * MBIT);
    testbed.run(seconds(2));
    assert.equal(first.at(-1)!.state, 'held');
    testbed.assertSound();
  });

  it('one flow has one rate: another takes a release first, or another socket', () => {
    const testbed = started(lineTopology(2, link(10 * MBIT)), { linkCapacity: 10 * MBIT });
    const one = testbed.node('n1');
    const news = newsOf(one);
    const socket = one.bind({});
    const first = socket.reserve('n2', 2 * MBIT);
    assert.ok(first.ok);
    testbed.run(seconds(1));
    const again = () => socket.reserve('n2', 3 * MBIT);
    assert.deepEqual(again(), { ok: false, reason: 'rate-already-reserved' });
    assert.ok(one.bind({}).reserve('n2', 3 * MBIT).ok);
    testbed.run(seconds(1));
    const reserved = () => bandwidthOf(testbed, 'n1', 'n2').reserved;
    assert.equal(reserved(), 5 * MBIT);
    one.call((node, now) => node.bandwidth!.release(first.value, now));
    assert.ok(again().ok);
    testbed.run(seconds(1));
    assert.equal(reserved(), 6 * MBIT);
    assert.deepEqual(
      news.map(({ state }) => state),
      ['held', 'held', 'held'],
    );
    testbed.assertSound();
  });

  it('one member gets half of a foreign link at most', () => {
    const testbed = started(lineTopology(3, link(10 * MBIT)), { linkCapacity: 10 * MBIT });
    const news = newsOf(testbed.node('n1'));
    testbed
      .node('n1')
      .bind({})
      .reserve('n3', 6 * MBIT);
    testbed.run(seconds(2));
    assert.equal(news.at(-1)!.short!.verdict, 'member-limit');
    assert.equal(news.at(-1)!.short!.available, 5 * MBIT);
    const { counters } = testbed.node('n2').status()!;
    assert.equal(counters['forwarding.reservation.member-limit'], 1);
  });

  it('a reserved flow keeps its rate beside greedy ones, and loses it with its socket', () => {
    const testbed = started(lineTopology(3, link(10 * MBIT)), { linkCapacity: 10 * MBIT });
    const [one, two, three] = ['n1', 'n2', 'n3'].map((name) => testbed.node(name)) as [
      TestbedNode,
      TestbedNode,
      TestbedNode,
    ];
    let heard = 0;
    three.bind({ port: 9 });
    three.bind({ port: 8, onMessage: () => heard++ });
    const news = newsOf(one);
    const socket = one.bind({});
    socket.reserve('n3', 5 * MBIT);
    testbed.run(seconds(1));
    assert.equal(news.at(-1)!.state, 'held');
    for (const node of [one, two])
      for (let i = 0; i < 3; i++) stream(testbed, node.bind({}), 10 * MBIT, 'n3');
    testbed.run(seconds(3));
    const payload = new Uint8Array(1_200);
    let sent = 0;
    testbed.every(milliseconds(2.2), () => {
      socket.send(payload, { to: 'n3', port: 8 });
      return ++sent < 2_000;
    });
    testbed.run(seconds(6));
    assert.equal(heard, 2_000);
    socket.close();
    testbed.run(seconds(6));
    assert.deepEqual(two.status()!.bandwidth!.granted, []);
    testbed.assertSound();
  });

  it('a forwarding node that restarts knows the reservation again', () => {
    const testbed = started(lineTopology(3, link(10 * MBIT)), { linkCapacity: 10 * MBIT });
    const news = newsOf(testbed.node('n1'));
    testbed
      .node('n1')
      .bind({})
      .reserve('n3', 4 * MBIT);
    testbed.run(seconds(2));
    testbed.crash('n2');
    testbed.run(seconds(3));
    testbed.start('n2');
    testbed.run(seconds(30));
    assert.equal(testbed.node('n2').status()!.bandwidth!.granted.length, 1);
    assert.equal(news.at(-1)!.state, 'held');
    testbed.crash('n1');
    testbed.run(seconds(20));
    assert.equal(testbed.node('n2').status()!.bandwidth!.granted.length, 0, 'it lapses');
  });

  it('a reservation moves with its flow, and where there is no room the flow is told', () => {
    const testbed = started(diamond(10 * MBIT), { linkCapacity: 10 * MBIT });
    const news = newsOf(testbed.node('a'));
    const others = newsOf(testbed.node('c'));
    const blocking = testbed.node('c').bind({});
    blocking.reserve('d', 7 * MBIT);
    testbed
      .node('a')
      .bind({})
      .reserve('d', 4 * MBIT);
    testbed.run(seconds(2));
    assert.equal(news.at(-1)!.state, 'held');
    assert.equal(others.at(-1)!.state, 'held');
    testbed.cut('b', 'd');
    testbed.run(seconds(3));
    assert.equal(news.at(-1)!.state, 'lost');
    assert.equal(news.at(-1)!.short!.from, testbed.addressOf('c'));
    assert.equal(testbed.node('b').status()!.bandwidth!.granted.length, 0, 'left behind is free');
    blocking.close();
    testbed.run(seconds(30));
    assert.equal(news.at(-1)!.state, 'held');
    testbed.assertSound();
  });

  describe('of which the best way has no room', () => {
    /** A flow from a to d asks for 4 Mbit/s; so much is reserved on b-d and c-d before. */
    const asking = (before: { b: number; c: number }) => {
      const testbed = started(diamond(10 * MBIT), { linkCapacity: 10 * MBIT });
      const blocking = (['b', 'c'] as const).map((name) => {
        const socket = testbed.node(name).bind({});
        socket.reserve('d', before[name] * MBIT);
        return socket;
      });
      testbed.run(seconds(2));
      const a = testbed.node('a');
      const news = newsOf(a);
      const socket = a.bind({});
      socket.reserve('d', 4 * MBIT);
      testbed.run(seconds(3));
      return { testbed, a, news, socket, blocking };
    };

    it('take another way that has it, and come back when there is room', () => {
      const { testbed, a, news, socket, blocking } = asking({ b: 7, c: 3 });
      assert.deepEqual(
        news.map(({ state }) => state),
        ['held'],
      );
      const way = () =>
        a.status()!.bandwidth!.reservations[0]!.links.map(({ to }) => testbed.nameOf(to));
      assert.deepEqual(way(), ['c', 'd']);
      const taken = () =>
        testbed
          .node('b')
          .status()!
          .bandwidth!.granted.filter(({ source }) => source === testbed.addressOf('a'));
      assert.deepEqual(taken(), [], 'nothing stays reserved where there was no room');
      let heard = 0;
      testbed.node('d').bind({ port: 8, onMessage: () => heard++ });
      const sentOver = () =>
        testbed.node('c').status()!.counters['forwarding.packets-forwarded'] ?? 0;
      const before = sentOver();
      socket.send(new Uint8Array(100), { to: 'd', port: 8 });
      testbed.run(seconds(1));
      assert.equal(heard, 1);
      assert.ok(sentOver() > before, 'by c');
      blocking[0]!.close();
      assert.ok(testbed.runUntil(() => way()[0] === 'b', { within: seconds(300) }));
      assert.equal(news.at(-1)!.state, 'held');
      testbed.assertSound();
    });

    it('are refused where no other has it: the way that could give most is named', () => {
      const { testbed, a, news } = asking({ b: 8, c: 6 });
      assert.deepEqual(
        news.map(({ state }) => state),
        ['refused'],
      );
      const { from, to, verdict, available, capacity, ways } = news[0]!.short!;
      assert.deepEqual([testbed.nameOf(from), testbed.nameOf(to)], ['c', 'd']);
      assert.deepEqual([verdict, available, capacity, ways], ['no-room', 3 * MBIT, 10 * MBIT, 2]);
      assert.equal(a.status()!.bandwidth!.granted.length, 0, 'nothing stays reserved');
      testbed.run(seconds(1));
      for (const name of ['b', 'c'])
        assert.equal(testbed.node(name).status()!.bandwidth!.granted.length, 1);
      assert.equal(a.status()!.counters['forwarding.reservation.other-way-asked'], 1);
    });
  });

  it('a flow that has lost its room on the way it has takes another', () => {
    const testbed = started(diamond(10 * MBIT), { linkCapacity: 10 * MBIT });
    const a = testbed.node('a');
    const news = newsOf(a);
    a.bind({}).reserve('d', 4 * MBIT);
    testbed.run(seconds(2));
    assert.equal(news.at(-1)!.state, 'held');
    // The node at the tail forgets; before it is asked again another member takes what there is.
    testbed.crash('b');
    testbed.run(seconds(2));
    testbed.start('b');
    testbed
      .node('b')
      .bind({})
      .reserve('d', 9 * MBIT);
    testbed.run(seconds(60));
    assert.equal(news.at(-1)!.state, 'held');
    assert.deepEqual(
      a.status()!.bandwidth!.reservations[0]!.links.map(({ to }) => testbed.nameOf(to)),
      ['c', 'd'],
    );
    testbed.assertSound();
  });

  describe('beside best effort that fills both ways of a diamond, a flow with a rate', () => {
    /** A reserved flow from a to d by b, its messages counted; best effort that moves with the routes. */
    const loaded = (blocked: number) => {
      const testbed = started(diamond(2 * MBIT), { linkCapacity: 2 * MBIT });
      const [a, b, c] = [testbed.node('a'), testbed.node('b'), testbed.node('c')];
      const news = newsOf(a);
      if (blocked > 0) c.bind({}).reserve('d', blocked);
      const socket = a.bind({});
      socket.reserve('d', 0.8 * MBIT);
      testbed.node('d').bind({ port: 9 });
      testbed.run(seconds(3));
      for (const node of [a, b, c]) stream(testbed, node.bind({}), 2.6 * MBIT, 'd');
      const count = { sent: 0, inTime: 0 };
      const sentAt: number[] = [];
      testbed.node('d').bind({
        port: 8,
        onMessage: ({ payload }) => {
          if (testbed.now - sentAt[new DataView(payload.buffer).getUint32(0)]! <= 200_000)
            count.inTime++;
        },
      });
      testbed.every(milliseconds(15), () => {
        const payload = new Uint8Array(1_200);
        new DataView(payload.buffer).setUint32(0, count.sent++);
        sentAt.push(testbed.now);
        socket.send(payload, { to: 'd', port: 8 });
        return true;
      });
      const way = (): string => {
        const { links } = a.status()!.bandwidth!.reservations[0]!;
        return links.map(({ to }) => testbed.nameOf(to)).join(' ');
      };
      testbed.run(seconds(5));
      return { testbed, news, count, way };
    };
    const assertWhole = ({ testbed, news, count }: ReturnType<typeof loaded>): void => {
      testbed.run(seconds(1));
      assert.ok(count.sent - count.inTime <= 14, `${count.sent} sent, ${count.inTime} in time`);
      assert.deepEqual(
        news.map(({ state }) => state),
        ['held'],
      );
      testbed.assertSound();
    };

    it('stays on its way when the network’s route moves, and loses nothing', () => {
      const run = loaded(0);
      run.testbed.impairLink('a', 'b', { delay: milliseconds(20) });
      run.testbed.run(seconds(20));
      const route = run.testbed.node('a').explainRoute('d')!.route!;
      assert.equal(route.path[0], run.testbed.addressOf('c'));
      assert.equal(run.way(), 'b d');
      assertWhole(run);
    });

    it('moves where it is far better, after its rate is reserved there, and loses nothing', () => {
      const run = loaded(0);
      run.testbed.impairLink('a', 'b', { delay: milliseconds(80) });
      assert.ok(run.testbed.runUntil(() => run.way() === 'c d', { within: seconds(300) }));
      run.testbed.run(seconds(3));
      const { granted } = run.testbed.node('b').status()!.bandwidth!;
      assert.equal(granted.length, 0, 'what it left is free');
      assertWhole(run);
    });

    it('stays where the better way has no room for it', () => {
      const run = loaded(1.4 * MBIT);
      run.testbed.impairLink('a', 'b', { delay: milliseconds(80) });
      run.testbed.run(seconds(200));
      const { counters } = run.testbed.node('a').status()!;
      assert.ok(counters['forwarding.reservation.wish-refused']! > 0);
      assert.equal(run.way(), 'b d');
      assertWhole(run);
    });
  });

  it('of two that want the same last capacity in one moment one gets it', () => {
    const nodes = ['s1', 's2', 'm', 'e'];
    const fast = link(100 * MBIT);
    const topology = {
      nodes,
      links: [evenLink('s1', 'm', fast), evenLink('s2', 'm', fast), evenLink('m', 'e', fast)],
    };
    const testbed = started(topology, { linkCapacity: 10 * MBIT });
    const news = ['s1', 's2'].map((name) => newsOf(testbed.node(name)));
    for (const name of ['s1', 's2'])
      testbed
        .node(name)
        .bind({})
        .reserve('e', 5 * MBIT);
    testbed.run(seconds(4));
    const states = news.map((heard) => heard.at(-1)!.state).sort();
    assert.deepEqual(states, ['held', 'refused']);
  });

  it('on a link that nobody stated the reservation waits for the measurement', () => {
    const testbed = started(lineTopology(2, link(8 * MBIT)));
    const news = newsOf(testbed.node('n1'));
    testbed
      .node('n1')
      .bind({})
      .reserve('n2', 9 * MBIT);
    testbed.run(seconds(4));
    assert.equal(news.at(-1)!.state, 'refused');
    assert.ok(Math.abs(news.at(-1)!.short!.capacity - 8 * MBIT) < 1.2 * MBIT);
    testbed
      .node('n1')
      .bind({})
      .reserve('n2', 6 * MBIT);
    testbed.run(seconds(4));
    assert.equal(news.at(-1)!.state, 'held');
  });
});

describe('reservations under load', () => {
  it('are held when the flow can send: what it sends from then on is in time', () => {
    const testbed = started(lineTopology(3, link(2 * MBIT)), { linkCapacity: 2 * MBIT });
    const [one, three] = [testbed.node('n1'), testbed.node('n3')];
    const news = newsOf(one);
    three.bind({ port: 9 });
    for (const name of ['n1', 'n2'])
      stream(testbed, testbed.node(name).bind({}), 3 * MBIT, name === 'n1' ? 'n2' : 'n3');
    testbed.run(seconds(2));
    const socket = one.bind({});
    const sentAt: number[] = [];
    let inTime = 0;
    three.bind({
      port: 8,
      onMessage: ({ payload }) => {
        if (testbed.now - sentAt[payload[0]!]! <= 60_000) inTime++;
      },
    });
    socket.reserve('n3', 0.5 * MBIT);
    assert.ok(testbed.runUntil(() => news.length > 0, { within: seconds(3) }));
    testbed.every(milliseconds(25), () => {
      const payload = new Uint8Array(1_200).fill(sentAt.push(testbed.now) - 1);
      socket.send(payload, { to: 'n3', port: 8 });
      return sentAt.length < 200;
    });
    testbed.run(seconds(6));
    assert.equal(inTime, 200);
  });

  it('are opened and kept beside best effort of the same source and priority, without a session before', () => {
    const testbed = started(lineTopology(4, link(2 * MBIT)), { linkCapacity: 2 * MBIT });
    const one = testbed.node('n1');
    const news = newsOf(one);
    for (const node of ['n2', 'n3', 'n4']) testbed.node(node).bind({ port: 9 });
    for (const name of ['n1', 'n2', 'n3'])
      for (const to of ['n2', 'n3', 'n4'])
        if (to !== name) stream(testbed, testbed.node(name).bind({}), 3 * MBIT, to);
    testbed.run(seconds(5));
    one.bind({}).reserve('n4', 0.5 * MBIT);
    testbed.run(seconds(40));
    assert.deepEqual(
      news.map(({ state }) => state),
      ['held'],
    );
    testbed.assertSound();
  });
});
