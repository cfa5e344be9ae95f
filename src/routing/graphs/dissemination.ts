/**
 * The graphs that this node's flows stamp on their packets, by scheme and deadline, made from the link
 * state of the moment and kept until that changes. A source that asks after a change gets the new graph
 * for its very next packet; forwarding nodes know nothing of it but what the packet says.
 *
 * - disjoint: k node-disjoint paths in time, of least cost;
 * - time-constrained: every link that can help in time;
 * - targeted: two paths, and a problem graph while an end is in trouble.
 *
 * Where no way keeps the deadline (a latency that rose) the packets take the best there are, and
 * the plan says that they are late. It computes when a flow asks, never by itself.
 */
import type { Counters, Duration, Instant, NodeAddress } from '../../kernel/index.ts';
import type { GraphEdge, GraphRoute, RouteBlock } from '../../wire/index.ts';
import { fitsGraphBlock, graphBlock } from '../../wire/index.ts';
import type { Graph } from '../graph.ts';
import { EMPTY_GRAPH } from '../graph.ts';
import type { LinkChange, NameOf, VanishedLink } from '../link-changes.ts';
import { nodeName } from '../link-changes.ts';
import type { MissingLink } from '../missing-links.ts';
import type { Ends } from './disjoint-paths.ts';
import { disjointPathsInTime } from './disjoint-paths.ts';
import type { Hop } from './distances.ts';
import { distances, edgesOf, leastOver, unionOf } from './distances.ts';
import type { GraphExplanation } from './explain-graph.ts';
import { explainGraph } from './explain-graph.ts';
import type { ProblemLink } from './problem-links.ts';
import { ProblemLinks } from './problem-links.ts';
import { PROBLEM_LINKS_MIN, type TargetedKind, targetedGraph } from './targeted.ts';
import { timeConstrainedGraph } from './time-constrained.ts';

export type DisseminationScheme = 'disjoint' | 'time-constrained' | 'targeted';
export type GraphKind = TargetedKind | 'time-constrained';

export interface DisseminationRequest {
  readonly destination: NodeAddress;
  /** Policy may leave a lane less than all of the network. */
  readonly lane: number;
  readonly scheme: DisseminationScheme;
  /** Disjoint paths wanted; with `disjoint` only. */
  readonly paths?: number;
  /** 0: none. */
  readonly deadline: Duration;
}

/** Fresh when something changed, the same object while nothing has. */
export interface DisseminationPlan {
  readonly route: RouteBlock;
  readonly kind: GraphKind;
  readonly edges: readonly GraphEdge[];
  /** Disjoint paths in it; 0 where that is not what it is made of. */
  readonly paths: number;
  /** Fewer than asked for, because there are no more. */
  readonly isShort: boolean;
  /** Over the best of its ways, as advertised. */
  readonly latency: Duration;
  readonly isInTime: boolean;
  readonly since: Instant;
  /** Why this one, in words. */
  readonly cause: string;
  /** Graphs that came before it. */
  readonly switches: number;
}

/** A flow's packets take another graph from now on. */
export interface GraphChange {
  readonly destination: NodeAddress;
  readonly lane: number;
  readonly scheme: DisseminationScheme;
  readonly deadline: Duration;
  readonly before: GraphKind;
  readonly after: GraphKind;
  readonly edges: number;
  readonly cause: string;
}

/** A flow has its first graph. */
export type GraphBegin = Omit<GraphChange, 'before'> & { readonly before: undefined };

export interface DisseminationOptions {
  readonly self: NodeAddress;
  readonly nameOf: NameOf;
  readonly counters: Counters;
  /** Plans kept. Overflow: the one asked for longest ago is made anew when asked for again. */
  readonly plansMax: number;
  /** Of the network, what policy lets a flow of this node use. */
  readonly permitted: (destination: NodeAddress, lane: number) => Graph;
  /** Whether that flow may use a link, which need not be up. */
  readonly permits: (request: DisseminationRequest, from: NodeAddress, to: NodeAddress) => boolean;
  readonly changed: (change: GraphBegin | GraphChange, now: Instant) => void;
}

interface Kept {
  version: number;
  plan: DisseminationPlan;
}

interface Task {
  readonly graph: Graph;
  readonly ends: Ends;
  readonly request: DisseminationRequest;
}

interface Drawn {
  readonly kind: GraphKind;
  readonly hops: readonly Hop[];
  readonly paths: number;
  readonly isShort: boolean;
  readonly isInTime: boolean;
  readonly because: readonly ProblemLink[];
}

export class Dissemination {
  readonly problems: ProblemLinks = new ProblemLinks();
  private readonly options: DisseminationOptions;
  private readonly kept = new Map<string, Kept>();
  private graph: Graph = EMPTY_GRAPH;
  private goneKnown: readonly VanishedLink[] = [];
  private changes: readonly LinkChange[] = [];
  private versionNow = 0;

  constructor(options: DisseminationOptions) {
    this.options = options;
  }

  /** Counts up with every change that may change a plan. */
  get version(): number {
    return this.versionNow;
  }

  /** State: every plan is looked at again when next asked for. */
  update(
    graph: Graph,
    gone: readonly VanishedLink[],
    changes: readonly LinkChange[],
    now: Instant,
  ): void {
    this.graph = graph;
    this.goneKnown = gone;
    if (changes.length > 0) this.changes = changes;
    this.problems.update(graph.edges, gone, now);
    this.versionNow++;
  }

  nextTimeout(): Instant | undefined {
    return this.problems.nextTimeout();
  }

  timeout(now: Instant): void {
    const due = this.problems.nextTimeout();
    if (due !== undefined && due <= now) this.update(this.graph, this.goneKnown, [], now);
  }

  /** Undefined: the destination cannot be reached. */
  plan(request: DisseminationRequest, now: Instant): DisseminationPlan | undefined {
    const { destination, lane, scheme, paths = 0, deadline } = request;
    const key = `${destination} ${lane} ${scheme} ${paths} ${deadline}`;
    const kept = this.kept.get(key);
    if (kept !== undefined && kept.version === this.versionNow) return kept.plan;
    const graph = this.options.permitted(destination, lane);
    const ends = this.endsOf(graph, destination);
    if (ends === undefined) return undefined;
    const task = { graph, ends, request };
    const drawn = this.draw(task);
    if (drawn.hops.length === 0) return undefined;
    const plan = this.replace(task, drawn, kept?.plan, now);
    this.kept.delete(key);
    this.kept.set(key, { version: this.versionNow, plan });
    if (this.kept.size > this.options.plansMax) {
      this.options.counters.add('dissemination-plans-full');
      this.kept.delete(this.kept.keys().next().value!);
    }
    return plan;
  }

  /** Why a flow has the graph that it has; undefined: it has none. */
  explain(
    request: DisseminationRequest,
    about: {
      missing: ReadonlyMap<string, MissingLink>;
      denialOf: (path: readonly NodeAddress[]) => string | undefined;
      now: Instant;
    },
  ): GraphExplanation | undefined {
    const graph = this.options.permitted(request.destination, request.lane);
    const ends = this.endsOf(graph, request.destination);
    const plan = this.plan(request, about.now);
    if (ends === undefined || plan === undefined) return undefined;
    const { nameOf, permits } = this.options;
    return explainGraph({
      ...about,
      request,
      plan,
      ends,
      graph,
      everything: this.graph,
      problems: this.problems,
      permits: (from, to) => permits(request, from, to),
      nameOf,
    });
  }

  /** The least time in which a packet can arrive, by what links are like when all is well. */
  leastLatency(destination: NodeAddress, lane: number): Duration | undefined {
    const graph = this.options.permitted(destination, lane);
    const ends = this.endsOf(graph, destination);
    if (ends === undefined) return undefined;
    const weight = this.problems.baseWeight();
    const least = distances(graph, ends.source, { weight, direction: 'away' });
    const latency = least.to[ends.destination]!;
    return Number.isFinite(latency) ? (latency as Duration) : undefined;
  }

  private endsOf(graph: Graph, destination: NodeAddress): Ends | undefined {
    const source = graph.numberOf.get(this.options.self);
    const number = graph.numberOf.get(destination);
    return source === undefined || number === undefined || source === number
      ? undefined
      : { source, destination: number };
  }

  private draw(task: Task): Drawn {
    const { graph, ends, request } = task;
    const deadline = request.deadline === 0 ? Number.POSITIVE_INFINITY : request.deadline;
    const drawn = this.drawInTime(task, request.scheme, deadline);
    if (drawn.hops.length === 0) return drawLate(task, request.paths ?? 2);
    // The problem graphs rest on base latencies; a way that is in time now must be among theirs.
    if (leastOver(graph, drawn.hops, ends) <= deadline) return drawn;
    const best = disjointPathsInTime(graph, ends, { count: 1, deadline });
    return { ...drawn, hops: unionOf(drawn.hops, best.flat()), isInTime: best.length > 0 };
  }

  private drawInTime(task: Task, scheme: DisseminationScheme, deadline: number): Drawn {
    const { graph, ends, request } = task;
    const usual = { isInTime: true, isShort: false, because: [] };
    if (scheme === 'targeted') {
      const problems = (found: ProblemLink[]): ProblemLink[] =>
        found.filter(({ from, to }) => this.options.permits(request, from, to));
      const drawn = targetedGraph(graph, ends, deadline, this.problems, problems);
      return { ...usual, ...drawn, isShort: drawn.kind === 'paths' && drawn.paths < 2 };
    }
    if (scheme === 'time-constrained') {
      const hops = timeConstrainedGraph(graph, ends, deadline);
      if (hops.length === 0 || fitsGraphBlock(routeOf(task, hops)))
        return { ...usual, kind: 'time-constrained', hops, paths: 0 };
      this.options.counters.add('dissemination-graph-too-large');
      return this.drawInTime(task, 'targeted', deadline);
    }
    const count = request.paths ?? 2;
    const paths = disjointPathsInTime(graph, ends, { count, deadline });
    const found = paths.length;
    return { ...usual, kind: 'paths', hops: paths.flat(), paths: found, isShort: found < count };
  }

  private replace(
    task: Task,
    drawn: Drawn,
    before: DisseminationPlan | undefined,
    now: Instant,
  ): DisseminationPlan {
    const { counters, changed } = this.options;
    const whole = routeOf(task, drawn.hops);
    const isTooLarge = !fitsGraphBlock(whole);
    // A single path always fits.
    const hops = isTooLarge ? drawLate(task, 1).hops : drawn.hops;
    if (isTooLarge) counters.add('dissemination-graph-too-large');
    const route = isTooLarge ? routeOf(task, hops) : whole;
    const latency = Math.round(leastOver(task.graph, hops, task.ends)) as Duration;
    const { kind, paths, isShort, isInTime } = drawn;
    const facts = { kind, paths, isShort, isInTime, latency };
    if (before !== undefined && before.kind === kind && isSameEdges(before.edges, route.edges))
      return { ...before, ...facts };
    if (isShort) counters.add('dissemination-fewer-paths');
    if (!isInTime) counters.add('dissemination-late');
    const cause = before === undefined ? 'first packet' : this.causeOf(task, before, drawn);
    if (before !== undefined) counters.add('dissemination-graph-changed');
    const { destination, lane, scheme, deadline } = task.request;
    const change = { destination, lane, scheme, deadline, after: kind };
    changed({ ...change, before: before?.kind, edges: route.edges.length, cause }, now);
    return {
      ...facts,
      route: graphBlock(route),
      edges: route.edges,
      since: now,
      cause,
      switches: before === undefined ? 0 : before.switches + 1,
    };
  }

  private causeOf({ graph, ends }: Task, before: DisseminationPlan, drawn: Drawn): string {
    const { nameOf } = this.options;
    if (drawn.because.length >= PROBLEM_LINKS_MIN) {
      const words = drawn.because.map(
        ({ from, to, words }) => `${nodeName(nameOf, from)}-${nodeName(nameOf, to)} ${words}`,
      );
      return `in trouble: ${words.join(', ')}`;
    }
    if (before.kind !== 'paths' && drawn.kind === 'paths') {
      const source = nodeName(nameOf, graph.nodes[ends.source]!);
      const destination = nodeName(nameOf, graph.nodes[ends.destination]!);
      return `fewer than ${PROBLEM_LINKS_MIN} bad links at ${source} and at ${destination}`;
    }
    const isTouched = ({ a, b }: LinkChange): boolean =>
      before.edges.some(({ from, to }) => (from === a && to === b) || (from === b && to === a));
    return (this.changes.find(isTouched) ?? this.changes[0])?.words ?? 'membership changed';
  }
}

/** Nothing is in time: the best there are, as many as were asked for. */
function drawLate({ graph, ends }: Task, count: number): Drawn {
  const found = disjointPathsInTime(graph, ends, { count, deadline: Number.POSITIVE_INFINITY });
  const paths = found.length;
  const isShort = paths < count;
  return { kind: 'paths', hops: found.flat(), paths, isShort, isInTime: false, because: [] };
}

const routeOf = ({ graph, ends }: Task, hops: readonly Hop[]): GraphRoute => ({
  source: graph.nodes[ends.source]!,
  destination: graph.nodes[ends.destination]!,
  edges: edgesOf(graph, hops),
});

function isSameEdges(x: readonly GraphEdge[], y: readonly GraphEdge[]): boolean {
  if (x.length !== y.length) return false;
  const known = new Set(x.map(({ from, to }) => `${from}-${to}`));
  return y.every(({ from, to }) => known.has(`${from}-${to}`));
}
