/** Answers about routes: why flows go the way they go, what happened to them, what policy permits. */
import { LANE_WORDS, laneNumber, laneText } from '../forwarding/index.ts';
import type { Duration, NodeAddress } from '../kernel/index.ts';
import type * as core from '../node/index.ts';
import { failure } from './failure.ts';
import type { NodeDriver } from './node-driver.ts';
import type { NameOf } from './present.ts';
import { presentMs, presentTime } from './present.ts';
import type {
  FlowRouteReport,
  FlowSummary,
  HistoryOptions,
  PolicyOptions,
  PolicyReport,
  RouteHistoryEntry,
} from './route-api.ts';

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
    const asked = /^(?<node>.+?)(?::(?<port>\d{1,5}))?$/.exec(flow)?.groups;
    const isId = /^\d+$/.test(flow) && this.driver.node.addressOf(flow) === undefined;
    return this.driver.read((node, now) => {
      if (isId) {
        const found = node.explainFlow?.(Number(flow), now);
        if (found === undefined) throw unknownFlow(flow, this.flows());
        return [this.report(found)];
      }
      const destination = this.resolve(asked?.['node'] ?? flow);
      const port = asked?.['port'] === undefined ? undefined : Number(asked['port']);
      const reports = (node.flowRoutes?.(now) ?? [])
        .filter((one) => one.destination === destination)
        .filter((one) => port === undefined || one.port === port)
        .slice(-WHY_FLOWS_MAX)
        .flatMap(({ id }) => node.explainFlow?.(id, now) ?? [])
        .map((found) => this.report(found));
      if (port !== undefined && reports.length > 0) return reports;
      const network = node.explainRoute(destination, now);
      return network === undefined ? reports : [this.networkReport(network), ...reports];
    });
  }

  flows(): FlowSummary[] {
    const flows = this.driver.read((node, now) => node.flowRoutes?.(now) ?? []);
    return flows.map((flow) => this.summary(flow));
  }

  history({ node: name, sinceMs }: HistoryOptions): RouteHistoryEntry[] {
    if (sinceMs !== undefined && !(sinceMs > 0)) throw failure('BAD_ARGUMENT', 'sinceMs');
    const query = {
      ...(name === undefined ? {} : { destination: this.resolve(name) }),
      ...(sinceMs === undefined ? {} : { within: (sinceMs * 1_000) as Duration }),
    };
    const wall = this.driver.wall();
    return this.driver.read((node, now) =>
      (node.routeHistory?.(query, now) ?? []).map((record) => ({
        at: presentTime((wall - (now - record.at)) as typeof wall),
        destination: this.nameOf(record.destination),
        flow: record.flow === 0 ? undefined : record.flow,
        lane: laneText(record.lane),
        metric: record.metric,
        before: record.before?.map(this.nameOf),
        after: record.after?.map(this.nameOf),
        cause: record.cause,
      })),
    );
  }

  checkPolicy(from: string, to: string, options: PolicyOptions): PolicyReport {
    const lane = laneNumber(options.lane ?? 0);
    if (lane === undefined)
      throw failure('BAD_ARGUMENT', `lane ${options.lane}: ${LANE_WORDS.join(', ')} or 0..255`);
    const [source, destination] = [this.resolve(from), this.resolve(to)];
    if (source === destination) throw failure('BAD_ARGUMENT', `from and to are both ${from}`);
    const found = this.driver.read((node) => node.checkPolicy?.({ source, destination, lane }));
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
    };
  }

  /** The route of all that asks for nothing, in the same shape. */
  private networkReport({ name, route, candidates }: core.RouteExplanation): FlowRouteReport {
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
