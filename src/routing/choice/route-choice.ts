/**
 * Policy and choice, composed: what of the network each flow may use, the flows that have routes of
 * their own, the history of all routes, and the answers to "why". The rest of routing hands it each new
 * graph and asks which part of it the hop-by-hop routes may be computed over.
 */
import type { Counters, Duration, Instant, NodeAddress } from '../../kernel/index.ts';
import type { PolicyRule, RouteBlock } from '../../wire/index.ts';
import { decodePolicy, NO_POLICY, NO_ROUTE, SERVICE_DEFAULT } from '../../wire/index.ts';
import type { Graph } from '../graph.ts';
import { EMPTY_GRAPH } from '../graph.ts';
import type { GraphBegin, GraphChange } from '../graphs/index.ts';
import type { LinkChange, LinkChanges, NameOf } from '../link-changes.ts';
import type { MissingLink } from '../missing-links.ts';
import type { FactsOf } from '../policy/flow-class.ts';
import { PermittedGraphs } from '../policy/permitted-graphs.ts';
import { PolicyTable, permittedBetween, permittedGraph } from '../policy/policy-table.ts';
import type { HistoryQuery, RouteMoment, RouteRecord } from '../route-history.ts';
import { RouteHistory } from '../route-history.ts';
import type { RouteChange } from '../routes.ts';
import { causeOf, pathFigures } from '../routes.ts';
import { candidates } from './candidates.ts';
import type { FlowExplanation, FlowRouteStatus } from './explain-flow.ts';
import { explainFlow, flowStatus } from './explain-flow.ts';
import type { ChosenRoute, FlowRouteChange, FlowSpec } from './flow-chooser.ts';
import { FlowChooser } from './flow-chooser.ts';
import type { ApplicationMetric } from './metrics.ts';
import { metricText, scoreOf } from './metrics.ts';

export interface RouteChoiceOptions {
  readonly self: NodeAddress;
  readonly counters: Counters;
  readonly nameOf: NameOf;
  readonly factsOf: FactsOf;
  readonly flowRoutesMax: number;
  readonly policyFlowsMax: number;
  readonly historyMax: number;
  readonly changed: (destination: NodeAddress) => void;
}

/** What a flow between any two nodes could use, and why not the rest. */
export interface PolicyCheck {
  /** Whether it is routed hop by hop, as no rule singles it out. */
  readonly isDefault: boolean;
  /** The best permitted path, after the source; undefined: none. */
  readonly path: readonly NodeAddress[] | undefined;
  readonly latency: Duration;
  readonly links: readonly {
    readonly a: NodeAddress;
    readonly b: NodeAddress;
    /** Undefined: the link may carry it. */
    readonly denial: string | undefined;
  }[];
  readonly nodes: readonly {
    readonly node: NodeAddress;
    readonly denial: string | undefined;
  }[];
}

export class RouteChoice {
  readonly policy: PolicyTable;
  readonly chooser: FlowChooser;
  private readonly options: RouteChoiceOptions;
  private readonly history: RouteHistory;
  /** Routes of this node's own flows that policy singles out and that asked for nothing else. */
  private readonly classFlows = new Map<number, ChosenRoute>();
  private graph: Graph = EMPTY_GRAPH;
  private readonly permittedGraphs: PermittedGraphs;
  /** What hop-by-hop routes are computed on. */
  defaultGraph: Graph = EMPTY_GRAPH;
  /** Reads what applications reported; the performance database puts itself here. */
  application: ApplicationMetric = () => undefined;

  constructor(options: RouteChoiceOptions) {
    const { self, counters, factsOf } = options;
    this.options = options;
    this.history = new RouteHistory(options.historyMax);
    this.permittedGraphs = new PermittedGraphs(self);
    this.policy = new PolicyTable({ factsOf, counters, flowsMax: options.policyFlowsMax });
    this.chooser = new FlowChooser({
      self,
      counters,
      flowsMax: options.flowRoutesMax,
      permitted: (destination, lane) => this.permitted(destination, lane),
      application: (name, from, to) => this.application(name, from, to),
      changed: (change, now) => this.flowChanged(change, now),
    });
  }

  /** The manifest's policy. State: what is not understood changes nothing, and is counted. */
  setNetworkPolicy(bytes: Uint8Array): void {
    const policy = decodePolicy(bytes);
    if (policy === undefined) return this.options.counters.add('policy-not-understood');
    if (policy !== NO_POLICY || !this.policy.isOpen) this.policy.setNetwork(policy);
  }

  setLocalRules(rules: readonly PolicyRule[]): void {
    this.policy.setLocal(rules);
  }

  /** Takes the new graph over. */
  take(graph: Graph): void {
    this.graph = graph;
    this.permittedGraphs.take(graph);
    this.defaultGraph = permittedGraph(graph, this.policy.defaultClass);
  }

  /** After the route table: flows follow. */
  update(changes: readonly LinkChange[], now: Instant): void {
    const { self } = this.options;
    this.chooser.update((before, after) => causeOf(self, before, after, changes), now);
  }

  timeout(now: Instant): void {
    this.chooser.timeout(now);
  }

  nextTimeout(): Instant | undefined {
    return this.chooser.nextTimeout();
  }

  /** Of the links, those a flow of this node may use: what all its schemes are computed on. */
  permitted(destination: NodeAddress, lane: number): Graph {
    const flowClass = this.policy.classOf(this.options.self, destination, lane);
    return this.permittedGraphs.to(destination, flowClass);
  }

  /** Whether a flow of this node may go over all these nodes in turn. */
  permitsPath(destination: NodeAddress, lane: number, path: readonly NodeAddress[]): boolean {
    const { self: source } = this.options;
    const flow = { source, destination, lane };
    return (
      this.policy.isOpen ||
      path.every((to, i) => this.policy.permits(flow, i === 0 ? source : path[i - 1]!, to))
    );
  }

  /**
   * The route of a flow that asks for nothing: none where every node finds it by itself, one stamped
   * where policy singles the flow out; undefined where policy leaves it no way.
   */
  defaultRoute(destination: NodeAddress, lane: number): RouteBlock | undefined {
    if (this.policy.isOpen) return NO_ROUTE;
    const { self } = this.options;
    if (this.policy.classOf(self, destination, lane).isDefault) return NO_ROUTE;
    const flow = this.classFlow(destination, lane);
    flow.uses++;
    return flow.route;
  }

  flows(now: Instant): FlowRouteStatus[] {
    return this.chooser.all.map((entry) =>
      flowStatus(entry, this.chooser.scoreOf(entry.spec), now),
    );
  }

  /** The flow that stands for a destination and lane that policy singles out, if it does. */
  classFlowOf(destination: NodeAddress, lane: number): number | undefined {
    const { self } = this.options;
    if (this.policy.isOpen || this.policy.classOf(self, destination, lane).isDefault)
      return undefined;
    return this.classFlow(destination, lane).id;
  }

  explain(
    id: number,
    about: {
      links: LinkChanges;
      missing: ReadonlyMap<string, MissingLink>;
      candidatesMax: number;
      now: Instant;
    },
  ): FlowExplanation | undefined {
    const entry = this.chooser.byId(id);
    if (entry === undefined) return undefined;
    const { self, nameOf } = this.options;
    const { destination, lane } = entry.spec;
    return explainFlow({
      ...about,
      self,
      nameOf,
      entry,
      score: this.chooser.scoreOf(entry.spec),
      graph: this.graph,
      permitted: this.permitted(destination, lane),
      denial: (from, to) => this.policy.denial({ source: self, destination, lane }, from, to),
    });
  }

  /** What any flow of the network may use; asked by people, on any node. */
  check(flow: { source: NodeAddress; destination: NodeAddress; lane: number }): PolicyCheck {
    const { source, destination, lane } = flow;
    const flowClass = this.policy.classOf(source, destination, lane);
    const open = permittedBetween(this.graph, flowClass, flow);
    const score = scoreOf({ kind: 'default' }, SERVICE_DEFAULT, this.application);
    const path = candidates(open, flow, score, 'any')[0]?.path;
    const figures = path && pathFigures(open, source, path);
    return {
      isDefault: flowClass.isDefault,
      path,
      latency: figures?.latency ?? (0 as Duration),
      links: this.graph.edges.map(({ a, b }) => ({ a, b, denial: flowClass.linkDenial(a, b) })),
      nodes: this.graph.nodes
        .filter((node) => node !== source && node !== destination)
        .map((node) => ({ node, denial: flowClass.transitDenial(node) })),
    };
  }

  remember(change: RouteChange, now: Instant): void {
    const { destination, before, after, cause } = change;
    const record = { at: now, destination, flow: 0, lane: 0, metric: 'default' };
    this.history.add({ ...record, before, after, cause });
  }

  rememberGraph(change: GraphBegin | GraphChange, now: Instant): void {
    const { destination, lane, scheme, before, after, edges, cause } = change;
    const none = { before: undefined, after: undefined };
    const graph = { before, after, links: edges };
    this.history.add({
      at: now,
      destination,
      flow: 0,
      lane,
      metric: scheme,
      ...none,
      cause,
      graph,
    });
  }

  past(query: HistoryQuery, now: Instant): RouteRecord[] {
    return this.history.query(query, now);
  }

  at(query: HistoryQuery, at: Instant): RouteMoment[] {
    return this.history.at(query, at);
  }

  private flowChanged({ flow, before, after, cause }: FlowRouteChange, now: Instant): void {
    const { destination, lane, metric } = flow.spec;
    const record = { at: now, destination, flow: flow.id, lane, metric: metricText(metric) };
    this.history.add({ ...record, before, after, cause });
    this.options.changed(destination);
  }

  private classFlow(destination: NodeAddress, lane: number): ChosenRoute {
    // 40 bits: exact in a double.
    const key = destination * 256 + lane;
    const known = this.classFlows.get(key);
    if (known?.isLive === true) return known;
    const spec: FlowSpec = {
      destination,
      lane,
      metric: { kind: 'default' },
      hops: 'any',
      isSpread: false,
      service: SERVICE_DEFAULT,
      key: 0,
    };
    const flow = this.chooser.open(spec);
    for (const [old, one] of this.classFlows) if (!one.isLive) this.classFlows.delete(old);
    this.classFlows.set(key, flow);
    return flow;
  }
}
