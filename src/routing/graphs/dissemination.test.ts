import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Duration, Instant, NodeAddress } from '../../kernel/index.ts';
import { Counters, instant, milliseconds, seconds } from '../../kernel/index.ts';
import { CITIES, CITY_LINKS } from '../../sim/continent.ts';
import type { LinkReport } from '../../wire/index.ts';
import type { Edge, Graph } from '../graph.ts';
import { buildGraph, edgeFromReports } from '../graph.ts';
import type { VanishedLink } from '../link-changes.ts';
import type { DisseminationRequest, GraphChange } from './dissemination.ts';
import { Dissemination } from './dissemination.ts';
import { BASE_FOLLOWS_AFTER, GONE_COUNTS_FOR } from './problem-links.ts';

const NAMES = CITIES.map(({ name }) => name);
const addressOf = (name: string): NodeAddress => (NAMES.indexOf(name) + 1) as NodeAddress;
const nameOf = (address: NodeAddress): string => NAMES[address - 1]!;
const ATL = addressOf('ATL');
const LAX = addressOf('LAX');

/** Direction "A-B" to what is changed about it; `isGone`, both. */
type Trouble = Record<string, { lossPpm?: number; moreLatency?: Duration; isGone?: true }>;

class Bench {
  readonly counters = new Counters();
  readonly changes: GraphChange[] = [];
  readonly dissemination: Dissemination;
  now: Instant = instant(1_000_000);
  private graph: Graph = buildGraph([], []);
  private gone: VanishedLink[] = [];

  constructor(plansMax = 16) {
    this.dissemination = new Dissemination({
      self: ATL,
      nameOf,
      counters: this.counters,
      plansMax,
      permitted: () => this.graph,
      permits: () => true,
      changed: (change) => {
        if (change.before !== undefined) this.changes.push(change);
      },
    });
    this.tell({});
  }

  /** What the network advertises from now on. */
  tell(trouble: Trouble, after: Duration = milliseconds(100)): void {
    this.now = (this.now + after) as Instant;
    const edges: Edge[] = [];
    const gone: VanishedLink[] = [];
    for (const { a, b, latencyMilliseconds } of CITY_LINKS) {
      const [low, high] = addressOf(a) < addressOf(b) ? [a, b] : [b, a];
      const [out, back] = [trouble[`${low}-${high}`] ?? {}, trouble[`${high}-${low}`] ?? {}];
      const more = Math.max(out.moreLatency ?? 0, back.moreLatency ?? 0);
      const report: LinkReport = {
        neighbour: addressOf(high),
        latency: (milliseconds(latencyMilliseconds) + more) as Duration,
        jitter: 0 as Duration,
        lossOutPpm: out.lossPpm ?? 0,
        lossInPpm: back.lossPpm ?? 0,
        mtu: 1400,
      };
      const reverse = { ...report, lossOutPpm: report.lossInPpm, lossInPpm: report.lossOutPpm };
      const edge = edgeFromReports({ a: addressOf(low), b: addressOf(high) }, report, reverse);
      if (out.isGone || back.isGone) {
        const known = this.gone.find((g) => g.edge.a === edge.a && g.edge.b === edge.b);
        gone.push(known ?? { edge, at: this.now });
      } else edges.push(edge);
    }
    this.gone = gone;
    this.graph = buildGraph(NAMES.map(addressOf), edges);
    this.dissemination.update(this.graph, gone, [], this.now);
  }

  plan(more: Partial<DisseminationRequest> = {}) {
    const usual = { destination: LAX, lane: 0, scheme: 'targeted', deadline: milliseconds(65) };
    return this.dissemination.plan({ ...usual, ...more } as DisseminationRequest, this.now);
  }

  get kind(): string | undefined {
    const plan = this.plan();
    return plan && `${plan.kind} ${plan.edges.length}`;
  }
}

const loss = (share: number): { lossPpm: number } => ({ lossPpm: Math.round(share * 1e6) });

test('one bad link at an end is got around, two put it in trouble', () => {
  const bench = new Bench();
  assert.equal(bench.kind, 'paths 4');
  bench.tell({ 'DFW-LAX': loss(0.1) });
  assert.equal(bench.plan()?.kind, 'paths');
  bench.tell({ 'DFW-LAX': loss(0.1), 'DEN-LAX': loss(0.03) });
  assert.equal(bench.kind, 'destination-problem 8');
  assert.equal(bench.changes.at(-1)?.cause, 'in trouble: DEN-LAX loss 3 %, DFW-LAX loss 10 %');
  bench.tell({ 'LAX-DFW': loss(0.1), 'LAX-DEN': loss(0.03) });
  assert.equal(bench.kind, 'paths 4', 'what leaves the destination does not matter');
});

test('trouble at the source, at both ends, and elsewhere in the graph of an end', () => {
  const bench = new Bench();
  assert.equal(bench.kind, 'paths 4');
  const atSource: Trouble = { 'ATL-DFW': loss(0.2), 'ATL-DEN': loss(0.2) };
  bench.tell(atSource);
  assert.equal(bench.kind, 'source-problem 10');
  bench.tell({ ...atSource, 'WAS-LAX': loss(0.2) });
  assert.equal(bench.plan()?.kind, 'robust');
  bench.tell({ ...atSource, 'CHI-NYC': loss(0.2) });
  assert.equal(bench.kind, 'source-problem 10', 'a bad link that the graph does not use');
  bench.tell({ ...atSource, 'WAS-LAX': loss(0.2), 'SJC-LAX': loss(0.2) });
  assert.equal(bench.plan()?.kind, 'robust');
  bench.tell({});
  assert.equal(bench.kind, 'paths 4');
  assert.equal(bench.changes.at(-1)?.cause, 'fewer than 2 bad links at ATL and at LAX');
  assert.equal(bench.plan()?.switches, bench.changes.length);
});

test('trouble begins above 2 % loss or a quarter and 2.5 ms more, and ends well below', () => {
  const bench = new Bench();
  const both = (trouble: Trouble[string]): Trouble => ({ 'DFW-LAX': trouble, 'DEN-LAX': trouble });
  bench.tell(both(loss(0.02)));
  assert.equal(bench.plan()?.kind, 'paths');
  bench.tell(both(loss(0.021)));
  assert.equal(bench.plan()?.kind, 'destination-problem');
  bench.tell(both(loss(0.006)));
  assert.equal(bench.plan()?.kind, 'destination-problem');
  bench.tell(both(loss(0.004)));
  assert.equal(bench.plan()?.kind, 'paths');
  bench.tell(both({ moreLatency: milliseconds(3.6) }));
  assert.equal(bench.plan()?.kind, 'paths', 'a quarter of 14.9 ms is more');
  bench.tell(both({ moreLatency: milliseconds(3.8) }));
  assert.equal(bench.plan()?.kind, 'destination-problem');
  bench.tell(both({ moreLatency: milliseconds(2.3) }));
  assert.equal(bench.plan()?.kind, 'destination-problem');
  bench.tell(both({ moreLatency: milliseconds(1.4) }));
  assert.equal(bench.plan()?.kind, 'paths');
});

test('a latency that stays is the new base; a link that has gone is trouble for a minute', () => {
  const bench = new Bench();
  const slow = { moreLatency: milliseconds(10) };
  bench.tell({ 'DFW-LAX': slow, 'DEN-LAX': slow });
  assert.equal(bench.plan()?.kind, 'destination-problem');
  assert.ok(bench.dissemination.nextTimeout()! <= bench.now + BASE_FOLLOWS_AFTER);
  bench.now = bench.dissemination.nextTimeout()!;
  bench.dissemination.timeout(bench.now);
  assert.equal(bench.plan()?.kind, 'paths');
  const gone: Trouble = { 'DFW-LAX': { isGone: true }, 'DEN-LAX': { isGone: true } };
  bench.tell(gone);
  assert.equal(bench.plan()?.kind, 'destination-problem');
  const due = bench.dissemination.nextTimeout()!;
  assert.ok(due <= bench.now + GONE_COUNTS_FOR);
  bench.now = due;
  bench.dissemination.timeout(bench.now);
  assert.equal(bench.plan()?.kind, 'paths');
  assert.equal(bench.dissemination.nextTimeout(), undefined);
});

test('a plan is the same object until something changes, and made anew when forgotten', () => {
  const bench = new Bench(2);
  const first = bench.plan();
  assert.equal(bench.plan(), first);
  bench.tell({});
  assert.deepEqual(bench.plan(), first);
  for (const name of ['SJC', 'DEN', 'DFW']) bench.plan({ destination: addressOf(name) });
  assert.equal(bench.counters.value('dissemination-plans-full'), 2);
  assert.deepEqual(bench.plan()?.edges, first?.edges);
});

test('fewer disjoint paths than asked for are used and said; a missed deadline too', () => {
  const bench = new Bench();
  const many = bench.plan({ scheme: 'disjoint', paths: 8, deadline: 0 as Duration })!;
  assert.equal(many.paths, 4);
  assert.equal(many.isShort, true);
  assert.equal(bench.counters.value('dissemination-fewer-paths'), 1);
  const late = bench.plan({ scheme: 'disjoint', paths: 2, deadline: milliseconds(20) })!;
  assert.equal(late.isInTime, false);
  assert.equal(late.paths, 2);
  assert.equal(bench.counters.value('dissemination-late'), 1);
  assert.equal(bench.dissemination.leastLatency(LAX, 0), milliseconds(23.6) + 2);
  assert.equal(bench.plan({ destination: 99 as NodeAddress }), undefined);
});

test('in any trouble the graph of a targeted flow has a way in time, when there is one', () => {
  const bench = new Bench();
  for (let n = 1; n < 200; n++) {
    const trouble: Trouble = {};
    for (const [i, { a, b }] of CITY_LINKS.entries()) {
      const dice = (n * 7_919 + i * 104_729) % 97;
      if (dice < 8) trouble[`${a}-${b}`] = loss(dice / 20);
      else if (dice < 14) trouble[`${b}-${a}`] = { moreLatency: milliseconds(5 * dice) };
      else if (dice < 18) trouble[`${a}-${b}`] = { isGone: true };
    }
    bench.tell(trouble, seconds(1));
    const flood = bench.plan({ scheme: 'time-constrained' });
    const targeted = bench.plan();
    if (flood?.isInTime !== true) continue;
    assert.equal(targeted?.isInTime, true);
    assert.ok(targeted.latency <= milliseconds(65));
  }
});

test('says since when an end is in trouble, and what is against each graph not taken', () => {
  const bench = new Bench();
  const request = {
    destination: LAX,
    lane: 0,
    scheme: 'targeted',
    deadline: milliseconds(65),
  } as const;
  const explain = (more: Partial<DisseminationRequest> = {}) =>
    bench.dissemination.explain(
      { ...request, ...more },
      { missing: new Map(), denialOf: () => undefined, now: bench.now },
    )!;
  assert.deepEqual(
    explain().candidates.map(({ name, verdict }) => `${name}: ${verdict}`),
    [
      '2 paths: chosen',
      'source-problem: 0 bad links at ATL: it takes 2 to make trouble',
      'destination-problem: 0 bad links at LAX: it takes 2 to make trouble',
      'robust: no end is in trouble',
    ],
  );
  bench.tell({ 'DFW-LAX': { lossPpm: 300_000 } });
  assert.equal(explain().troubles[0]?.since, undefined);
  const both: Trouble = { 'DFW-LAX': { lossPpm: 300_000 }, 'DEN-LAX': { isGone: true } };
  bench.tell(both, seconds(5));
  bench.tell(both, seconds(7));
  const [trouble] = explain().troubles;
  assert.equal(nameOf(trouble!.end), 'LAX');
  assert.equal(trouble!.since, seconds(7));
  assert.deepEqual(
    trouble!.links.map(({ words }) => words),
    ['loss 30 %', 'down'],
  );
  const verdicts = Object.fromEntries(explain().candidates.map((c) => [c.name, c.verdict]));
  assert.equal(verdicts['destination-problem'], 'chosen');
  assert.equal(verdicts['2 paths'], '2 bad links at LAX: two paths get around one');
  assert.equal(verdicts['robust'], 'the trouble is at one end only');
  const late = explain({ scheme: 'disjoint', paths: 4, deadline: milliseconds(30) });
  assert.match(late.candidates[1]!.verdict, /^one takes [\d.]+ ms, later than 30\.0 ms$/);
});
