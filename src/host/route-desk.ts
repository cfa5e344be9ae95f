/** Answers about routes: why flows go the way they go, what happened to them, what policy permits. */
import { LANE_WORDS, laneNumber, laneText } from '../forwarding/index.ts';
import type { Duration, Instant, NodeAddress } from '../kernel/index.ts';
import type * as core from '../node/index.ts';
import { failure } from './failure.ts';
import type { NodeDriver } from './node-driver.ts';
import type { NameOf } from './present.ts';
import { presentMs, presentRelays, presentTime } from './present.ts';
import { presentFlowReservation } from './present-bandwidth.ts';
import { presentGraphReport } from './present-graph.ts';
import type {
  FlowRouteReport,
  FlowSummary,
  HistoryOptions,
  PolicyOptions,
  PolicyReport,
  RouteAt,
  RouteHistoryEntry,
  RoutesAtOptions,
} from './route-api.ts';

const DAY_MS = 86_400_000;

/** Flows explained in one answer. */
export const WHY_FLOWS_MAX = 16;

export class RouteDesk {
  private readonly driver: NodeDriver;
  private readonly nameOf: NameOf;
  private readonly resolve: (node: string) => NodeAddress;

  constructor(options: {
    driver: NodeDriver;
    nameOf: NameOf;
    resolve: (node: string) => NodeAddress;
  }) {
    this.driver = options.driver;
    this.nameOf = options.nameOf;
    this.resolve = options.resolve;
  }

  why(flow: string): FlowRouteReport[] {
    const { id, node: destination, port } = this.asked(flow);
    return this.driver.read((node, now) => {
      if (id !== undefined) {
        const found = node.routes?.explainFlow(id, now);
        if (found === undefined) throw unknownFlow(flow, this.flows());
        return [this.report(found)];
      }
      const isAsked = (one: { destination: NodeAddress; port: number | undefined }): boolean =>
        one.destination === destination && (port === undefined || one.port === port);
      const reports = (node.routes?.flows(now) ?? [])
        .filter(isAsked)
        .slice(-WHY_FLOWS_MAX)
        .flatMap(({ id: own }) => node.routes?.explainFlow(own, now) ?? [])
        .map((found) => this.report(found));
      const own = [...this.redundant(node, { destination, port }, now), ...reports];
      if (port !== undefined && own.length > 0) return own;
      const network = node.explainRoute(destination!, now);
      return network === undefined ? own : [this.networkReport(network), ...own];
    });
  }

  flows(): FlowSummary[] {
    const flows = this.driver.read((node, now) => node.routes?.flows(now) ?? []);
    return flows.map((flow) => this.summary(flow));
  }

  history({ node: name, sinceMs }: HistoryOptions): RouteHistoryEntry[] {
    if (sinceMs !== undefined && !(sinceMs > 0)) throw failure('BAD_ARGUMENT', 'sinceMs');
    const within = sinceMs === undefined ? {} : { within: (sinceMs * 1_000) as Duration };
    const query = { ...this.queryOf(name), ...within };
    return this.driver.read((node, now) =>
      (node.routes?.history(query, now) ?? []).map((record) => ({
        at: this.timeOf(record, now),
        ...this.flowOf(record),
        before: record.before?.map(this.nameOf),
        after: record.after?.map(this.nameOf),
        cause: record.cause,
        ...(record.graph && { graph: record.graph }),
      })),
    );
  }

  /** Fails with BAD_ARGUMENT for what is no moment of the past day. */
  routesAt({ node: name, at }: RoutesAtOptions): RouteAt[] {
    const agoMs = this.driver.wall() / 1_000 - Date.parse(at);
    if (!(agoMs >= 0 && agoMs <= DAY_MS))
      throw failure(
        'BAD_ARGUMENT',
        `at ${at}: expected a moment of the past day, as 2026-01-31T14:05:00Z`,
      );
    return this.driver.read((node, now) => {
      const moment = (now - Math.round(agoMs * 1_000)) as Instant;
      return (node.routes?.at(this.queryOf(name), moment) ?? []).map(({ last, next }) => {
        const told = (last ?? next)!;
        const graph = last?.graph?.after ?? next?.graph?.before;
        return {
          ...this.flowOf(told),
          path: (last === undefined ? next?.before : last.after)?.map(this.nameOf),
          ...(graph === undefined ? {} : { graph }),
          since: last && this.timeOf(last, now),
          cause: last?.cause ?? '',
          until: next && this.timeOf(next, now),
          endedBy: next?.cause,
        };
      });
    });
  }

  /** A number is a flow's, unless a node has that name. */
  private asked(flow: string): { id?: number; node?: NodeAddress; port?: number } {
    if (/^\d+$/.test(flow) && this.driver.node.addressOf(flow) === undefined)
      return { id: Number(flow) };
    const { node, port } = /^(?<node>.+?)(?::(?<port>\d{1,5}))?$/.exec(flow)?.groups ?? {};
    const destination = this.resolve(node ?? flow);
    return { node: destination, ...(port === undefined ? {} : { port: Number(port) }) };
  }

  private queryOf(name: string | undefined): core.HistoryQuery {
    if (name === undefined) return {};
    const { id, node } = this.asked(name);
    return id === undefined ? { destination: node! } : { flow: id };
  }

  private timeOf(record: core.RouteRecord, now: Instant): string {
    const wall = this.driver.wall();
    return presentTime((wall - (now - record.at)) as typeof wall);
  }

  private flowOf({
    destination,
    flow,
    lane,
    metric,
  }: core.RouteRecord): Pick<RouteAt, 'destination' | 'flow' | 'lane' | 'metric'> {
    return {
      destination: this.nameOf(destination),
      flow: flow === 0 ? undefined : flow,
      lane: laneText(lane),
      metric,
    };
  }

  checkPolicy(from: string, to: string, options: PolicyOptions): PolicyReport {
    const lane = laneNumber(options.lane ?? 0);
    if (lane === undefined)
      throw failure('BAD_ARGUMENT', `lane ${options.lane}: ${LANE_WORDS.join(', ')} or 0..255`);
    const [source, destination] = [this.resolve(from), this.resolve(to)];
    if (source === destination) throw failure('BAD_ARGUMENT', `from and to are both ${from}`);
    const found = this.driver.read((node) =>
      node.routes?.checkPolicy({ source, destination, lane }),
    );
    return {
      from: this.nameOf(source),
      to: this.nameOf(destination),
      lane: laneText(lane),
      isSingledOut: found?.isDefault === false,
      path: found?.path?.map(this.nameOf),
      latencyMs: presentMs(found?.latency ?? (0 as Duration)),
      links: (found?.links ?? []).map(({ a, b, denial }) => ({
        link: [a, b].map(this.nameOf).sort().join('-'),
        denial,
      })),
      nodes: (found?.nodes ?? []).map(({ node, denial }) => ({ node: this.nameOf(node), denial })),
    };
  }

  /** Flows along graphs. Where those of a datagram socket go is known but for the port. */
  private redundant(
    node: core.OverlayNodeApi,
    asked: { destination: NodeAddress | undefined; port: number | undefined },
    now: Instant,
  ): FlowRouteReport[] {
    const found = new Map<string, FlowRouteReport>();
    for (const { id, request, kind, port } of node.status(now).flows ?? []) {
      if (request === undefined || request.destination !== asked.destination) continue;
      const own = kind === 'stream' ? port : undefined;
      if (asked.port !== undefined && own !== undefined && own !== asked.port) continue;
      const explained = node.routes?.explainGraph(request, now);
      if (explained === undefined) continue;
      const report = presentGraphReport(explained, { nameOf: this.nameOf, port: own, now });
      const { destination } = request;
      const reservation = this.reservationOf(
        (one) => one.socket === id && one.destination === destination,
      );
      found.set(`${JSON.stringify(request)} ${own}`, { ...report, ...reservation });
    }
    return [...found.values()].slice(-WHY_FLOWS_MAX);
  }

  private report({ flow, candidates }: core.FlowExplanation): FlowRouteReport {
    return {
      ...this.summary(flow),
      candidates: candidates.map(({ path, score, latency, lossPpm, isChosen, verdict }) => ({
        path: path.map(this.nameOf),
        score,
        latencyMs: presentMs(latency),
        loss: lossPpm / 1e6,
        isChosen,
        verdict,
      })),
    };
  }

  private summary(flow: core.FlowRouteStatus): FlowSummary {
    return {
      id: flow.id,
      destination: this.nameOf(flow.destination),
      port: flow.port,
      lane: laneText(flow.lane),
      metric: flow.metric,
      hops: flow.hops,
      spread: flow.isSpread,
      path: flow.path?.map(this.nameOf),
      score: flow.score,
      latencyMs: presentMs(flow.latency),
      loss: flow.lossPpm / 1e6,
      sinceMs: presentMs(flow.since),
      changes: flow.changes,
      cause: flow.cause,
      ...this.reservationOf(({ routeId }) => routeId === flow.id),
    };
  }

  private reservationOf(
    isIt: (one: core.FlowReservation) => boolean,
  ): Pick<FlowSummary, 'reservation'> | undefined {
    const found = this.driver.node.bandwidth?.reservations().find(isIt);
    return found && { reservation: presentFlowReservation(found, this.nameOf) };
  }

  /** The route of all that asks for nothing, in the same shape. */
  private networkReport({
    name,
    route,
    candidates,
    relays,
  }: core.RouteExplanation): FlowRouteReport {
    const words = (cost: Duration): string => `${presentMs(cost).toFixed(1)} ms`;
    return {
      id: undefined,
      destination: name,
      port: undefined,
      lane: 'default',
      metric: 'default',
      hops: 'any',
      spread: false,
      path: route?.path.map(this.nameOf),
      score: route === undefined ? '' : words(route.cost),
      latencyMs: route === undefined ? 0 : presentMs(route.latency),
      loss: (route?.lossPpm ?? 0) / 1e6,
      sinceMs: route === undefined ? 0 : presentMs(route.since),
      changes: route?.changes ?? 0,
      cause: route?.cause ?? '',
      candidates: candidates.map(({ path, cost, latency, lossPpm, isChosen, verdict }) => ({
        path: path.map(this.nameOf),
        score: words(cost),
        latencyMs: presentMs(latency),
        loss: lossPpm / 1e6,
        isChosen,
        verdict,
      })),
      ...(relays && { relays: presentRelays(relays, this.nameOf) }),
    };
  }
}

const unknownFlow = (id: string, flows: readonly FlowSummary[]): Error =>
  failure(
    'UNKNOWN_DESTINATION',
    flows.length === 0
      ? `flow ${id}: no flow of this node has a route of its own; ask for a node`
      : `flow ${id}: there are ${flows
          .slice(0, 8)
          .map((flow) => flow.id)
          .join(', ')}`,
  );
