import { OverlayError } from '../../kernel/index.ts';
import { type DefinedCommand, defineCommand } from '../command.ts';
import type { CliContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { durationMs, memberNames, momentBefore } from '../parameters.ts';
import { flowsView, historyView, routesAtView, whyView } from '../views/why-view.ts';

interface Flags {
  readonly history: boolean;
  readonly since: number;
  readonly at?: string;
}

const DAY_MS = 86_400_000;

export const whyCommand: DefinedCommand = defineCommand<Flags, [flow?: string]>({
  path: 'why',
  brief: 'Say why a flow goes the way it goes, and what became of its route',
  description:
    'Shows the route of each flow to a node, every other path with its figures and what was against it (worse by, policy, hysteresis, down since), when it last changed and what set that off. Without FLOW it lists the flows that have routes of their own. Of a redundant flow it shows the graph of links it travels on, the trouble at its ends, and the graphs it did not take; in a big mesh the relay, and who told of it. A flow with a reserved rate shows it, with the links that hold it. With --history it shows the changes of the past day, which is as long as a daemon remembers; with --at the routes as they were at a moment of it.',
  usesDaemon: true,
  examples: [
    { line: 'overlane why LAX', note: 'the route to LAX, and flows that go there another way' },
    { line: 'overlane why LAX:5004', note: 'flows to one port' },
    { line: 'overlane why', note: 'flows of this node, with their numbers' },
    { line: 'overlane why LAX --history --since 6h', note: 'what the routes did meanwhile' },
    { line: 'overlane why LAX --at 14:05', note: 'the route as it was then; times are UTC' },
  ],
  fields: {
    from: 'name of this node',
    flows:
      'FlowRouteReport of the SDK for each: path, score, cause, reservation, candidates with verdicts',
    history: 'RouteHistoryEntry of the SDK, newest first; only with --history',
    at: 'the moment asked about, ISO 8601; only with --at',
    routes: 'RouteAt of the SDK: path, since, cause, until, endedBy; only with --at',
  },
  exits: [[EXIT.negative, 'there is no way to the node']],
  flags: {
    history: {
      kind: 'boolean',
      default: false,
      withNegated: false,
      brief: 'Show the changes of routes instead',
    },
    since: {
      kind: 'parsed',
      parse: durationMs,
      default: '24h',
      brief: 'With --history: how far back, at most a day',
    },
    at: {
      kind: 'parsed',
      parse: String,
      optional: true,
      placeholder: 'time',
      brief: 'Show the routes as they were then: 14:05, 14:05:30 or ISO 8601, in UTC',
    },
  },
  positional: {
    kind: 'tuple',
    parameters: [
      {
        brief: 'A node, NODE:PORT, or the number of a flow',
        placeholder: 'FLOW',
        parse: String,
        optional: true,
        proposeCompletions(this: CliContext, _partial: string): Promise<readonly string[]> {
          return memberNames(this);
        },
      },
    ],
  },
  async run(context, flags, flow) {
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const { signal, paint } = context;
    const from = daemon.name;
    if (flags.at !== undefined && flags.history)
      throw new OverlayError('USAGE', '--history and --at are two questions: ask one');
    const node = flow?.split(':')[0];
    if (flags.at !== undefined) {
      const at = momentBefore(flags.at, context.now()).toISOString();
      const routes = await daemon.routesAt({ at, signal, ...(node === undefined ? {} : { node }) });
      return { data: { from, at, routes }, text: routesAtView(at, routes, paint) };
    }
    if (flags.history) {
      const sinceMs = Math.max(1, Math.min(DAY_MS, flags.since));
      const history = await daemon.routeHistory({
        sinceMs,
        signal,
        ...(node === undefined ? {} : { node }),
      });
      return { data: { from, history }, text: historyView(history, paint) };
    }
    if (flow === undefined) {
      const flows = await daemon.flows({ signal });
      return { data: { from, flows }, text: flowsView(flows, paint) };
    }
    const flows = await daemon.why(flow, { signal });
    const hasWay = flows.some(({ path }) => path !== undefined && path.length > 0);
    const text = whyView(from, flows, paint);
    return { data: { from, flows }, text, exit: hasWay ? EXIT.ok : EXIT.negative };
  },
});
