import type { NodeStatus, OverlayNodeHandle, RouteExplanation } from '../../host/index.ts';
import { type CommonFlags, type DefinedCommand, defineCommand, type Outcome } from '../command.ts';
import { type CliContext, print } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { durationMs, nodeArgument } from '../parameters.ts';
import { explanationView } from '../views/route-view.ts';
import { statusView } from '../views/status-view.ts';

interface Flags {
  readonly sockets: boolean;
  readonly counters: boolean;
  readonly watch: boolean;
  readonly every: number;
}

/** Runners-up are asked for one destination each; beyond this many the column stays empty. */
const EXPLAINED_MAX = 64;

export const statusCommand: DefinedCommand = defineCommand<Flags, [node?: string]>({
  path: 'status',
  brief: 'Show links, routes and what lost against them',
  description:
    'Shows the node, its links as measured, its routes and for each the next best way and why it lost. With a NODE: everything that was considered on the way there.',
  usesDaemon: true,
  examples: [
    { line: 'overlane status', note: 'this node, its links and routes' },
    { line: 'overlane status LAX', note: 'the route to LAX and why the others lost' },
    { line: 'overlane status --watch', note: 'again every second' },
    { line: 'overlane status --json | jq .status.links', note: 'for programs' },
  ],
  fields: {
    status:
      'NodeStatus of the SDK: node, links, routes, members, flows, sockets, counters, underlay',
    explanations: 'RouteExplanation of each destination: the route, the candidates, their verdicts',
  },
  exits: [[EXIT.negative, 'NODE was given and there is no route to it']],
  flags: {
    sockets: { kind: 'boolean', default: false, brief: 'Add open sockets', withNegated: false },
    counters: {
      kind: 'boolean',
      default: false,
      brief: 'Add what was sent, dropped and refused, by reason',
      withNegated: false,
    },
    watch: {
      kind: 'boolean',
      default: false,
      brief: 'Show it again and again; with --json one document a line',
      withNegated: false,
    },
    every: { kind: 'parsed', parse: durationMs, default: '1s', brief: 'With --watch: how often' },
  },
  aliases: { w: 'watch' },
  positional: { kind: 'tuple', parameters: [{ ...nodeArgument, optional: true }] },
  async run(context, flags, node) {
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    let outcome = await look(context, daemon, flags, node);
    while (flags.watch && !context.signal.aborted) {
      const document = JSON.stringify({ schema: 'overlane.status/1', ...outcome.data });
      print(context, flags.json ? document : `${clearScreen(context)}${outcome.text}\n`);
      await context.pause(flags.every, context.signal);
      if (context.signal.aborted) return { data: outcome.data, text: '' };
      outcome = await look(context, daemon, flags, node);
    }
    return outcome;
  },
});

async function look(
  context: CliContext,
  daemon: OverlayNodeHandle,
  flags: Flags & CommonFlags,
  node: string | undefined,
): Promise<Outcome> {
  const { paint, signal } = context;
  const status = await daemon.status({ signal });
  if (node !== undefined) {
    const explanation = await daemon.explain(node, { signal });
    const hasRoute = explanation.route !== undefined && explanation.route.path.length > 0;
    return {
      data: { status, explanations: [explanation] },
      text: explanationView(status.name, explanation, paint),
      exit: hasRoute ? EXIT.ok : EXIT.negative,
    };
  }
  const explanations = await explainAll(daemon, status, signal);
  const text = statusView(status, {
    paint,
    now: context.now(),
    explanations: new Map(explanations.map((e) => [e.destination, e])),
    withSockets: flags.sockets,
    withCounters: flags.counters,
  });
  return { data: { status, explanations }, text };
}

async function explainAll(
  daemon: OverlayNodeHandle,
  status: NodeStatus,
  signal: AbortSignal,
): Promise<RouteExplanation[]> {
  const asked = status.routes.slice(0, EXPLAINED_MAX);
  const answers = await Promise.allSettled(
    asked.map((route) => daemon.explain(route.destination, { signal })),
  );
  // A member may leave between the two questions; its row then has no runner-up.
  return answers.flatMap((a) => (a.status === 'fulfilled' ? [a.value] : []));
}

const clearScreen = (context: CliContext): string =>
  context.paint('bold', 'x') === 'x' ? '' : '\u001b[H\u001b[2J';
