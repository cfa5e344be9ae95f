import { type DefinedCommand, defineCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { FLOW_FLAGS, type FlowFlags, flowOfFlags } from '../flow-flags.ts';
import { durationMs, nodeArgument, wholeNumber } from '../parameters.ts';
import { flowsView } from '../views/flows-view.ts';
import { traceView } from '../views/route-view.ts';

interface Flags extends FlowFlags {
  readonly probes: number;
  readonly timeout: number;
}

export const traceCommand: DefinedCommand = defineCommand<Flags, [node: string]>({
  path: 'trace',
  brief: 'Measure the way to a node hop by hop, and say why it is the way',
  description:
    'Sends echoes that run out of hops one node further each time, and shows beside the answers what this node computed: the route, every other way through a neighbour, and why each lost. Below it the flows of this node to there, with their lane and what it cost.',
  usesDaemon: true,
  examples: [
    { line: 'overlane trace LAX', note: 'three probes a hop' },
    { line: 'overlane trace LAX --json | jq .result.explanation', note: 'only the reasons' },
  ],
  fields: {
    from: 'name of this node',
    lane: 'LaneReport of the SDK: what the probes asked for',
    flows: 'FlowTraffic of the SDK, those of this node to the destination',
    result: 'TraceResult of the SDK: hops, isReached, explanation with candidates and verdicts',
  },
  exits: [[EXIT.negative, 'the destination did not answer']],
  flags: {
    probes: {
      kind: 'parsed',
      parse: wholeNumber(1, 10),
      default: '3',
      brief: 'Probes a hop',
      placeholder: 'n',
    },
    timeout: { kind: 'parsed', parse: durationMs, default: '2s', brief: 'Wait for each probe' },
    ...FLOW_FLAGS,
  },
  positional: { kind: 'tuple', parameters: [nodeArgument] },
  async run(context, flags, node) {
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const result = await daemon.trace(node, {
      ...flowOfFlags(flags),
      probesPerHop: flags.probes,
      timeoutMs: flags.timeout,
      signal: context.signal,
    });
    const lane = await daemon.checkLane(flowOfFlags(flags), { signal: context.signal });
    const { flows = [] } = await daemon.status({ signal: context.signal });
    const own = flows.filter(
      (f) => f.source === daemon.name && f.destination === result.destination,
    );
    const more = own.length === 0 ? '' : `\n\n${flowsView(own, context.paint)}`;
    return {
      data: { from: daemon.name, lane, flows: own, result },
      text: `${traceView(daemon.name, result, context.paint)}${more}`,
      exit: result.isReached ? EXIT.ok : EXIT.negative,
    };
  },
});
