/**
 * The routes of the control API, one entry each; docs/api.md describes every one, which a test
 * holds. A path that ends in `/` takes the rest of the path as a name.
 */
import type {
  HistoryOptions,
  OverlayNodeHandle,
  PerformanceQuery,
  PingOptions,
  RoutesAtOptions,
  TraceOptions,
} from '../host/index.ts';
import { METRICS_TYPE, metricsOf, metricsText } from '../host/index.ts';
import { type Impairments, LOG_LEVELS, LOG_SUBSYSTEMS } from './config.ts';
import type {
  DaemonControls,
  ExposeRequest,
  ForwardRequest,
  InviteOptions,
} from './control-api.ts';
import { Fields } from './fields.ts';
import { FLOW_FIELDS, flowFields } from './flow-fields.ts';
import { formatHostPort } from './units.ts';

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  run(request: RouteRequest): unknown;
  /** Of an answer that is text; others are JSON. */
  readonly type?: string;
  /** Once the answer has gone out. */
  after?(controls: DaemonControls): void;
}

export interface RouteRequest {
  readonly node: OverlayNodeHandle;
  readonly controls: DaemonControls;
  readonly body: unknown;
  readonly url: URL;
  /** What follows a path that ends in `/`. */
  readonly rest: string;
  /** Aborted when the client hangs up. */
  readonly signal: AbortSignal;
}

const HOUR_MS = 3_600_000;
const PROFILE_MS = 10_000;
const PROFILE_MS_MAX = 600_000;
const YEAR_MS = 366 * 24 * HOUR_MS;

export const CONTROL_ROUTES: readonly Route[] = [
  { method: 'GET', path: '/v1/info', run: ({ controls }) => controls.info() },
  { method: 'GET', path: '/v1/status', run: ({ node, signal }) => node.status({ signal }) },
  {
    method: 'GET',
    path: '/v1/metrics',
    type: METRICS_TYPE,
    run: async ({ node, signal }) => metricsText(metricsOf(await node.status({ signal }))),
  },
  {
    method: 'GET',
    path: '/v1/links',
    run: async ({ node, signal }) => ({ links: (await node.status({ signal })).links }),
  },
  {
    method: 'GET',
    path: '/v1/routes',
    run: async ({ node, signal }) => ({ routes: (await node.status({ signal })).routes }),
  },
  {
    method: 'GET',
    path: '/v1/route/',
    run: ({ node, rest, signal }) => node.explain(rest, { signal }),
  },
  {
    method: 'GET',
    path: '/v1/why/',
    run: async ({ node, rest, signal }) => ({ flows: await node.why(rest, { signal }) }),
  },
  {
    method: 'GET',
    path: '/v1/flows',
    run: async ({ node, signal }) => ({ flows: await node.flows({ signal }) }),
  },
  { method: 'GET', path: '/v1/history', run: history },
  { method: 'GET', path: '/v1/past', run: routesAt },
  { method: 'GET', path: '/v1/policy', run: ({ controls }) => controls.policy() },
  { method: 'PUT', path: '/v1/policy', run: ({ controls, body }) => controls.setPolicy(body) },
  { method: 'GET', path: '/v1/topology', run: ({ controls }) => controls.topology() },
  { method: 'PUT', path: '/v1/topology', run: ({ controls, body }) => controls.setTopology(body) },
  { method: 'GET', path: '/v1/permitted', run: policyCheck },
  {
    method: 'GET',
    path: '/v1/members',
    run: async ({ node, signal }) => ({ members: (await node.status({ signal })).members }),
  },
  {
    method: 'GET',
    path: '/v1/lanes',
    run: async ({ node, url, signal }) => {
      const to = url.searchParams.get('to');
      return { lanes: await node.lanes(to === null ? { signal } : { to, signal }) };
    },
  },
  { method: 'POST', path: '/v1/lane', run: checkLane },
  {
    method: 'GET',
    path: '/v1/performance',
    run: async ({ node, url, signal }) => ({
      rows: await node.performance({ ...performanceFilter(url), signal }),
    }),
  },
  { method: 'GET', path: '/v1/best', run: bestPerformance },
  { method: 'POST', path: '/v1/performance', run: reportPerformance },
  { method: 'GET', path: '/v1/config', run: ({ controls }) => controls.config() },
  { method: 'POST', path: '/v1/reload', run: ({ controls }) => controls.reload() },
  { method: 'GET', path: '/v1/log', run: ({ controls }) => controls.logLevels() },
  { method: 'POST', path: '/v1/log', run: setLogLevel },
  { method: 'POST', path: '/v1/profile', run: profile },
  { method: 'POST', path: '/v1/ping', run: ping },
  { method: 'POST', path: '/v1/trace', run: trace },
  {
    method: 'GET',
    path: '/v1/invites',
    run: ({ controls }) => ({ invites: controls.invites() }),
  },
  { method: 'POST', path: '/v1/invite', run: invite },
  {
    method: 'POST',
    path: '/v1/revoke',
    run: ({ controls, body }) => controls.revoke(new Fields(body, ['name']).text('name')),
  },
  {
    method: 'POST',
    path: '/v1/stop',
    run: () => ({ isStopping: true }),
    after: (controls) => controls.stop(),
  },
  {
    method: 'GET',
    path: '/v1/impairments',
    run: ({ controls }) => ({ impairments: controls.impairments() }),
  },
  { method: 'PUT', path: '/v1/impairments', run: impair },
  {
    method: 'GET',
    path: '/v1/forwards',
    run: ({ controls }) => ({ forwards: controls.forwards() }),
  },
  { method: 'POST', path: '/v1/forwards', run: addForward },
  {
    method: 'DELETE',
    path: '/v1/forwards/',
    run: ({ controls, rest }) => controls.removeForward(rest),
  },
  {
    method: 'GET',
    path: '/v1/processors',
    run: ({ controls }) => ({ processors: controls.processors() }),
  },
  { method: 'GET', path: '/v1/exposes', run: ({ controls }) => ({ exposes: controls.exposes() }) },
  { method: 'POST', path: '/v1/exposes', run: addExpose },
  {
    method: 'DELETE',
    path: '/v1/exposes/',
    run: ({ controls, rest }) => controls.removeExpose(rest),
  },
];

const PERFORMANCE_FIELDS = ['from', 'to', 'metric'] as const;

function performanceFilter(url: URL): PerformanceQuery {
  const fields = new Fields(Object.fromEntries(url.searchParams), [...PERFORMANCE_FIELDS, 'most']);
  const filter: Record<string, string> = {};
  for (const name of PERFORMANCE_FIELDS) if (fields.has(name)) filter[name] = fields.text(name);
  return filter;
}

async function bestPerformance({ node, url, signal }: RouteRequest): Promise<unknown> {
  const fields = new Fields(Object.fromEntries(url.searchParams), [...PERFORMANCE_FIELDS, 'most']);
  const metric = fields.text('metric');
  const most = fields.optionalText('most') === 'true';
  const row = await node.bestPerformance({ ...performanceFilter(url), metric, most, signal });
  return { row: row ?? null };
}

async function reportPerformance({ node, body, signal }: RouteRequest): Promise<unknown> {
  const fields = new Fields(body, [...PERFORMANCE_FIELDS, 'value']);
  const value = fields.number('value', { min: -Number.MAX_VALUE, max: Number.MAX_VALUE });
  const from = fields.optionalText('from');
  const report = { to: fields.text('to'), metric: fields.text('metric'), value };
  await node.reportPerformance({ ...report, ...(from === undefined ? {} : { from }) }, { signal });
  return { isTaken: true };
}

function setLogLevel({ controls, body }: RouteRequest): unknown {
  const fields = new Fields(body, ['level', 'subsystem', 'forMs']);
  return controls.setLogLevel({
    level: fields.choice('level', LOG_LEVELS),
    subsystem: fields.has('subsystem') ? fields.choice('subsystem', LOG_SUBSYSTEMS) : undefined,
    forMs: fields.optionalNumber('forMs', { min: 1, max: 24 * HOUR_MS }),
  });
}

function profile({ controls, body, signal }: RouteRequest): unknown {
  const fields = new Fields(body, ['durationMs']);
  const limits = { min: 10, max: PROFILE_MS_MAX };
  return controls.profile(fields.optionalNumber('durationMs', limits) ?? PROFILE_MS, signal);
}

function ping({ node, body, signal }: RouteRequest): unknown {
  const known = ['node', 'timeoutMs', 'payloadBytes', 'hopLimit', ...FLOW_FIELDS];
  const fields = new Fields(body, known);
  const options = present<PingOptions>({
    signal,
    ...flowFields(fields),
    timeoutMs: fields.optionalNumber('timeoutMs', { min: 1, max: 60_000 }),
    payloadBytes: fields.optionalNumber('payloadBytes', { min: 0, max: 1_024, isWhole: true }),
    hopLimit: fields.optionalNumber('hopLimit', { min: 1, max: 255, isWhole: true }),
  });
  return node.ping(fields.text('node'), options);
}

function trace({ node, body, signal }: RouteRequest): unknown {
  const known = ['node', 'timeoutMs', 'probesPerHop', 'hopsMax', ...FLOW_FIELDS];
  const fields = new Fields(body, known);
  const options = present<TraceOptions>({
    signal,
    ...flowFields(fields),
    timeoutMs: fields.optionalNumber('timeoutMs', { min: 1, max: 60_000 }),
    probesPerHop: fields.optionalNumber('probesPerHop', { min: 1, max: 16, isWhole: true }),
    hopsMax: fields.optionalNumber('hopsMax', { min: 1, max: 64, isWhole: true }),
  });
  return node.trace(fields.text('node'), options);
}

function checkLane({ node, body, signal }: RouteRequest): unknown {
  const fields = new Fields(body, ['to', ...FLOW_FIELDS]);
  const to = fields.optionalText('to');
  return node.checkLane(flowFields(fields), to === undefined ? { signal } : { to, signal });
}

function history({ node, url, signal }: RouteRequest): unknown {
  const fields = new Fields(Object.fromEntries(url.searchParams), ['node', 'sinceMs']);
  const options = present<HistoryOptions>({
    signal,
    node: fields.optionalText('node'),
    sinceMs: fields.optionalNumber('sinceMs', { min: 1, max: 24 * HOUR_MS }),
  });
  return node.routeHistory(options).then((changes) => ({ changes }));
}

function routesAt({ node, url, signal }: RouteRequest): unknown {
  const fields = new Fields(Object.fromEntries(url.searchParams), ['node', 'at']);
  const options = present<RoutesAtOptions>({
    signal,
    node: fields.optionalText('node'),
    at: fields.text('at'),
  });
  return node.routesAt(options).then((routes) => ({ routes }));
}

function policyCheck({ node, url, signal }: RouteRequest): unknown {
  const fields = new Fields(Object.fromEntries(url.searchParams), ['from', 'to', 'lane']);
  const lane = fields.optionalText('lane') ?? 'default';
  return node.checkPolicy(fields.text('from'), fields.text('to'), { lane, signal });
}

function invite({ controls, body }: RouteRequest): unknown {
  const fields = new Fields(body, ['name', 'roles', 'labels', 'expiresMs', 'validityMs']);
  const options: InviteOptions = {
    name: fields.optionalText('name'),
    roles: fields.has('roles') ? fields.texts('roles', 16) : undefined,
    labels: fields.has('labels') ? labelsField(fields) : undefined,
    expiresMs: fields.optionalNumber('expiresMs', { min: 1_000, max: 30 * 24 * HOUR_MS }),
    validityMs: fields.optionalNumber('validityMs', { min: HOUR_MS / 60, max: 3 * YEAR_MS }),
  };
  return controls.invite(options);
}

function impair({ controls, body }: RouteRequest): unknown {
  const fields = new Fields(body, ['neighbour', 'remote', 'impairments']);
  const remote = fields.optionalText('remote');
  const neighbour = fields.text('neighbour');
  const change = fields.value('impairments');
  if (change === 'none') return controls.impair(neighbour, 'none', remote);
  const known = Object.keys(IMPAIRMENT_BOUNDS);
  const inner = new Fields(change, [...known, 'cut']);
  const read: Record<string, unknown> = { cut: inner.optionalFlag('cut') };
  for (const name of known) read[name] = inner.optionalNumber(name, IMPAIRMENT_BOUNDS[name]!);
  return controls.impair(neighbour, present<Impairments>(read), remote);
}

const SHARE = { min: 0, max: 1 };
const IMPAIRMENT_BOUNDS: Readonly<Record<string, { min: number; max: number }>> = {
  delayMs: { min: 0, max: 60_000 },
  jitterMs: { min: 0, max: 60_000 },
  loss: SHARE,
  burst: SHARE,
  burstTimeMs: { min: 0, max: 60_000 },
  rate: { min: 0, max: 1e12 },
  queueBytes: { min: 0, max: 1e9 },
  reorder: SHARE,
  duplicate: SHARE,
  mtu: { min: 0, max: 65_535 },
};

function addForward({ controls, body }: RouteRequest): unknown {
  const fields = new Fields(body, ['protocol', 'listen', 'to', 'port', ...FLOW_FIELDS]);
  const request: ForwardRequest = {
    protocol: fields.choice('protocol', ['tcp', 'udp']),
    listen: formatHostPort(fields.hostPort('listen', { isPortZeroAllowed: true })),
    to: fields.text('to'),
    port: fields.port('port'),
    ...flowFields(fields),
  };
  return controls.addForward(request);
}

function addExpose({ controls, body }: RouteRequest): unknown {
  const fields = new Fields(body, ['protocol', 'port', 'to', 'from', ...FLOW_FIELDS]);
  const request: ExposeRequest = {
    protocol: fields.choice('protocol', ['tcp', 'udp']),
    port: fields.port('port'),
    to: formatHostPort(fields.hostPort('to')),
    from: fields.value('from') === 'any' ? 'any' : fields.texts('from'),
    ...flowFields(fields),
  };
  return controls.addExpose(request);
}

function labelsField(fields: Fields): Record<string, string> {
  const value = fields.value('labels');
  const inner = new Fields(value, Object.keys((value as object | undefined) ?? {}).slice(0, 16));
  return Object.fromEntries(Object.keys(value as object).map((key) => [key, inner.text(key)]));
}

/** Without the fields that are undefined, as optional properties want it. */
function present<T>(values: Record<string, unknown>): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}
