import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Duration, Instant, NodeAddress } from '../../kernel/index.ts';
import { Counters, instant } from '../../kernel/index.ts';
import { ROUTE_PATH, SERVICE_DEFAULT } from '../../wire/index.ts';
import { address, drawnGraph, graphOf } from '../drawn-graph.test.ts';
import type { Edge, Graph } from '../graph.ts';
import { buildGraph } from '../graph.ts';
import { linkCost } from '../metric.ts';
import { MOVE_ROUNDS, ROUND } from './draw.ts';
import type { FlowSpec } from './flow-chooser.ts';
import { FlowChooser, IDLE_AFTER } from './flow-chooser.ts';
import { parseMetric } from './metrics.ts';

const SELF = address(1);
const TO = address(2);

class Bench {
  graph: Graph;
  now = instant(1_000_000);
  readonly changes: string[] = [];
  readonly chooser: FlowChooser;

  constructor(graph: Graph, flowsMax = 1_000) {
    this.graph = graph;
    this.chooser = new FlowChooser({
      self: SELF,
      counters: new Counters(),
      flowsMax,
      permitted: () => this.graph,
      application: () => undefined,
      changed: ({ flow, after, cause }) =>
        this.changes.push(`${flow.id} ${after?.join('-') ?? 'none'}: ${cause}`),
    });
    this.chooser.tick(this.now);
  }

  open(key: number, metric = 'latency', more: Partial<FlowSpec> = {}) {
    return this.chooser.open({
      destination: TO,
      lane: 0,
      metric: parseMetric(metric)!,
      hops: 'any',
      isSpread: false,
      service: SERVICE_DEFAULT,
      key,
      ...more,
    });
  }

  change(graph: Graph): void {
    this.graph = graph;
    for (const flow of this.chooser.all) flow.uses++;
    this.chooser.update(() => 'link X', this.now);
  }

  wait(time: Duration): void {
    this.now = (this.now + time) as Instant;
    this.chooser.timeout(this.now);
  }

  path(id: number): string {
    return this.chooser.byId(id)?.path?.join('-') ?? 'none';
  }

  /** How many flows are on each path. */
  spread(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { path } of this.chooser.all) {
      const text = path?.join('-') ?? 'none';
      counts[text] = (counts[text] ?? 0) + 1;
    }
    return counts;
  }
}

/** Nodes 3, 4, 5 each two links of this latency, in milliseconds, between 1 and 2. */
function lens(...milliseconds: number[]): Graph {
  const edges: Edge[] = [];
  const nodes: NodeAddress[] = [SELF, TO];
  milliseconds.forEach((ms, i) => {
    const middle = address(3 + i);
    nodes.push(middle);
    for (const a of [SELF, TO]) edges.push(edge(a, middle, ms * 500));
  });
  return buildGraph(nodes, edges);
}

function edge(a: NodeAddress, b: NodeAddress, latency: number, loss = 0): Edge {
  const cost = linkCost(latency as Duration, loss);
  return {
    a,
    b,
    latency: latency as Duration,
    lossAB: loss,
    lossBA: loss,
    costAB: cost,
    costBA: cost,
    mtu: 1400,
    isOnProbation: false,
  };
}

describe('the route of a flow', () => {
  it('is stamped, stays for less than the margin, and moves for more in its turn', () => {
    const bench = new Bench(lens(40, 60));
    const flow = bench.open(7);
    assert.equal(flow.route?.form, ROUTE_PATH);
    assert.equal(bench.path(flow.id), '3-2');
    bench.change(lens(40, 39));
    assert.equal(bench.path(flow.id), '3-2', '2.5 % better is within the margin of 5 %');
    bench.change(lens(40, 20));
    for (let i = 0; i < 200 && bench.path(flow.id) === '3-2'; i++) bench.wait(ROUND);
    assert.equal(bench.path(flow.id), '4-2');
    assert.equal(bench.changes.length, 2, bench.changes.join());
  });

  it('with a reserved rate stays until another is better by half, and moves when the rate is granted there', () => {
    const bench = new Bench(lens(40, 60));
    const flow = bench.open(7);
    flow.rate = 1e6;
    const turns = (): void => {
      for (let i = 0; i < 200 && flow.wish === undefined; i++, flow.uses++) bench.wait(ROUND);
    };
    bench.change(lens(40, 28));
    turns();
    assert.equal(flow.wish, undefined, '30 % better is what load may do');
    bench.change(lens(40, 20));
    turns();
    assert.deepEqual(flow.wish, [address(4), TO]);
    assert.equal(bench.path(flow.id), '3-2', 'nothing is reserved there yet');
    bench.chooser.refused(flow, { rate: 1e6, lacking: [], askedAt: bench.now });
    assert.equal(flow.wish, undefined);
    turns();
    bench.change(lens(40, 20));
    assert.deepEqual(flow.wish, [address(4), TO], 'other news leave the wish as it is');
    bench.chooser.granted(flow, bench.now);
    assert.equal(bench.path(flow.id), '4-2');
    assert.match(bench.changes.at(-1)!, /better by 50 %, and the rate is reserved/);
    turns();
    bench.change(lens(20, 60));
    bench.wait(ROUND);
    bench.change(lens(20));
    assert.equal(bench.path(flow.id), '3-2', 'a path that is gone is left at once');
  });

  it('without room on its path wishes for the best that may have it, and comes to it when that is granted', () => {
    const full =
      (a: number, b: number, available: number, capacity = 10e6) =>
      (one: Edge): Edge =>
        one.a === a && one.b === b ? { ...one, bandwidthAB: { capacity, available } } : one;
    // What 2 sends is full, too, and no matter to what it is sent. 3 has said no.
    const told = [full(1, 4, 1e6), full(1, 5, 9e6, 3e6), full(2, 6, 0)];
    const { nodes, edges } = lens(20, 24, 28, 32, 40);
    const graph = buildGraph(
      nodes,
      told.reduce((all, tell) => all.map(tell), [...edges]),
    );
    const bench = new Bench(graph);
    const flow = bench.open(7);
    flow.rate = 4e6;
    const lacking = [{ from: address(3), to: TO, available: 2e6 }];
    const seek = () =>
      bench.chooser.seek(flow, { rate: 4e6, lacking: [...lacking], askedAt: bench.now });
    const wishes: (string | undefined)[] = [];
    for (let i = 0; i < 5; i++) {
      wishes.push(seek() ? flow.wish?.join('-') : undefined);
      bench.change(graph);
      assert.equal(flow.wish?.join('-'), wishes.at(-1), 'other news leave the wish as it is');
      lacking.push({ from: SELF, to: flow.wish?.[0] ?? TO, available: 0 });
    }
    // 4 tells of too little, which may be use that gives way; 5 carries less than the rate at all.
    assert.deepEqual(wishes, ['6-2', '7-2', '4-2', undefined, undefined]);
    lacking.length = 1;
    assert.ok(seek());
    bench.chooser.granted(flow, bench.now);
    assert.equal(bench.path(flow.id), '6-2');
    assert.match(bench.changes.at(-1)!, /no room for its rate before, and the rate is reserved/);
    lacking.push({ from: address(6), to: TO, available: 0 });
    assert.ok(seek());
    bench.change(lens(20));
    assert.equal(flow.wish, undefined, 'it is no path any more');
  });

  it('leaves at once when its path is gone, says why, and has none where there is none', () => {
    const bench = new Bench(lens(40, 60));
    const flow = bench.open(1);
    bench.change(lens(9_999, 60));
    bench.change(buildGraph([SELF, TO], []));
    assert.equal(flow.route, undefined);
    bench.change(lens(40));
    assert.equal(bench.path(flow.id), '3-2');
    assert.match(bench.changes.at(-1)!, /link X/);
  });

  it('leaves a path that has come to lose a tenth more without waiting for its turn', () => {
    const bench = new Bench(lens(40, 60));
    const flow = bench.open(1, 'default');
    const lossy = buildGraph(
      [SELF, TO, address(3), address(4)],
      [
        edge(SELF, address(3), 20_000, 200_000),
        edge(SELF, address(4), 30_000),
        edge(TO, address(3), 20_000),
        edge(TO, address(4), 30_000),
      ],
    );
    bench.change(lossy);
    assert.equal(bench.path(flow.id), '4-2');
  });

  it('many flows on a path that loses do not all flee at once, and a lone one does', () => {
    const losing = (ppm: number): Graph =>
      buildGraph(
        [SELF, TO, address(3), address(4)],
        [
          edge(SELF, address(3), 20_000, ppm),
          edge(SELF, address(4), 30_000),
          edge(TO, address(3), 20_000),
          edge(TO, address(4), 30_000),
        ],
      );
    for (const [ppm, least, most] of [
      [150_000, 80, 160],
      [300_000, 200, 280],
      [600_000, 400, 400],
    ] as const) {
      const bench = new Bench(losing(0));
      for (let key = 0; key < 400; key++) bench.open(key, 'default');
      bench.change(losing(ppm));
      const fled = bench.spread()['4-2'] ?? 0;
      assert.ok(fled >= least && fled <= most, `${fled} of 400 fled from ${ppm} ppm`);
      bench.change(losing(ppm + 1));
      assert.equal(bench.spread()['4-2'], fled, 'news before the next draw moves nobody');
      for (let i = 0; i < 60; i++) {
        for (const flow of bench.chooser.all) flow.uses++;
        bench.wait(ROUND);
      }
      assert.equal(bench.spread()['4-2'], 400, 'a loss that stays empties the path');
    }
  });

  it('a flow at the edge of a full path stays longer after each move', () => {
    const bench = new Bench(lens(40, 60));
    const flow = bench.open(7);
    const moves: number[] = [];
    for (let i = 0, isFirst = false; i < 600; i++) {
      const before = bench.path(flow.id);
      // Whichever it is on has become the worse one.
      isFirst = before === '4-2';
      bench.change(isFirst ? lens(40, 60) : lens(60, 40));
      bench.wait(ROUND);
      if (bench.path(flow.id) !== before) moves.push(i);
    }
    const half = moves.filter((i) => i < 300).length;
    assert.ok(moves.length < 25, `${moves.length} moves in 100 minutes`);
    assert.ok(moves.length - half <= 6, `${moves.length - half} of them in the second half`);
  });

  it('many flows among near-equal paths spread over them, each for good', () => {
    const bench = new Bench(lens(40, 40.4, 41, 80));
    for (let key = 0; key < 300; key++) bench.open(key);
    const before = bench.chooser.all.map(({ path }) => path!.join());
    const counts = bench.spread();
    assert.deepEqual(Object.keys(counts).sort(), ['3-2', '4-2', '5-2']);
    for (const count of Object.values(counts)) assert.ok(count > 70, JSON.stringify(counts));
    for (let i = 0; i < 50; i++) {
      bench.change(lens(40 + (i % 3) / 2, 41 - (i % 2) / 2, 40.5, 80));
      bench.wait(ROUND);
    }
    assert.deepEqual(
      bench.chooser.all.map(({ path }) => path!.join()),
      before,
    );
  });

  it('a path that goes moves only its own flows', () => {
    const bench = new Bench(lens(40, 40.4, 41));
    for (let key = 0; key < 100; key++) bench.open(key);
    const before = bench.chooser.all.map(({ path }) => path!.join());
    const { nodes, edges } = bench.graph;
    bench.change(
      buildGraph(
        nodes,
        edges.filter(({ b }) => b !== 4),
      ),
    );
    bench.chooser.all.forEach(({ path }, i) => {
      if (before[i] !== '4,2') assert.equal(path!.join(), before[i]);
      else assert.notEqual(path!.join(), '4,2');
    });
  });

  it('flows that see one path become better move a share at a time', () => {
    const bench = new Bench(lens(40));
    for (let key = 0; key < 400; key++) bench.open(key);
    bench.change(lens(40, 20));
    const first = bench.spread()['4-2'] ?? 0;
    assert.ok(first < 400 / MOVE_ROUNDS + 40, `${first} moved at once`);
    for (let i = 0; i < 200; i++) {
      for (const flow of bench.chooser.all) flow.uses++;
      bench.wait(ROUND);
    }
    assert.deepEqual(bench.spread(), { '4-2': 400 });
  });

  it('a flow that spreads keeps its path while it stands, whatever the graph does', () => {
    const property = fc.property(
      drawnGraph,
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }),
      (drawn, latencies) => {
        const bench = new Bench(graphOf(drawn));
        for (let key = 0; key < 8; key++) bench.open(key, 'latency', { isSpread: true });
        for (const [i, latency] of latencies.entries()) {
          const before = bench.chooser.all.map(({ path }) => path);
          const links = drawn.links
            .filter((_, at) => (at + i) % 7 !== 0)
            .map((link, at) => ({
              ...link,
              lossAB: 0,
              lossBA: 0,
              latency: at % 3 === 0 ? latency * 1_000 : link.latency,
            }));
          bench.change(graphOf({ ...drawn, links }));
          bench.wait(ROUND);
          bench.chooser.all.forEach(({ path }, at) => {
            if (stands(bench.graph, before[at])) assert.equal(path?.join(), before[at]?.join());
          });
        }
      },
    );
    fc.assert(property, { numRuns: 100 });
  });

  it('a flow that nobody uses is forgotten by the clock alone', () => {
    const bench = new Bench(lens(40));
    const [used, idle] = [bench.open(1), bench.open(2)];
    for (let i = 0; i < 4; i++) {
      used.uses++;
      const due = bench.chooser.nextTimeout()!;
      assert.ok(due - bench.now <= IDLE_AFTER);
      bench.wait((due - bench.now) as Duration);
    }
    assert.deepEqual([used.isLive, idle.isLive], [true, false]);
    for (let i = 0; i < 3; i++) bench.wait(IDLE_AFTER);
    assert.equal(bench.chooser.all.length, 0);
    assert.equal(bench.chooser.nextTimeout(), undefined, 'no flow, no clock');
  });

  it('the table of flows is bounded, and a forgotten flow knows that it is', () => {
    const bench = new Bench(lens(40), 4);
    const flows = [1, 2, 3, 4, 5, 6].map((key) => bench.open(key));
    assert.equal(bench.chooser.all.length, 4);
    assert.equal(flows.filter(({ isLive }) => isLive).length, 4);
    assert.ok(flows[5]!.isLive);
  });
});

/** Free of loss the links are drawn, so a path stands when its links do. */
function stands(graph: Graph, path: readonly NodeAddress[] | undefined): boolean {
  let at = SELF;
  for (const node of path ?? []) {
    const arcs = graph.arcs[graph.numberOf.get(at)!]!;
    if (!arcs.some(({ to }) => graph.nodes[to] === node)) return false;
    at = node;
  }
  return path !== undefined;
}
