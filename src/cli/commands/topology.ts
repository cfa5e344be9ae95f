/** `overlane topology set|show|learn`: which links may exist, and the least latency each may claim. */
import { type DefinedCommand, defineCommand } from '../command.ts';
import { showShare } from '../views/quantities.ts';
import {
  learnedTopology,
  topologyFile,
  topologySetView,
  topologyShowView,
} from '../views/topology-view.ts';

export const topologySetCommand: DefinedCommand = defineCommand<
  Record<never, never>,
  [file: string]
>({
  path: 'topology set',
  brief: 'Say in the manifest which links may exist, and the least latency of each',
  description:
    'Reads links from a YAML file (docs/intrusion-tolerance.md), signs a new manifest with them in the place of those before, and floods it. From then on no node opens another link, and a captured node that claims one, or less than a link can have, draws no traffic by it. An empty file permits every link again. Works where the root key is, which is where overlane init was run.',
  usesDaemon: true,
  examples: [
    { line: 'overlane topology set links.yaml', note: 'in force within a second, everywhere' },
    { line: 'overlane topology set /dev/null', note: 'any link may exist again' },
  ],
  fields: {
    manifestVersion: 'version of the manifest that carries it',
    links: 'how many may exist; 0: any',
    bytes: 'of the 8192 a manifest has room for',
    unmatched: 'names in it that no member known here has',
    closed: 'links that exist now and may not any more',
  },
  positional: {
    kind: 'tuple',
    parameters: [{ brief: 'File of links', placeholder: 'FILE', parse: String }],
  },
  async run(context, flags, file) {
    const topology = await context.daemons.readTopology(file);
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const report = await daemon.setTopology(topology, { signal: context.signal });
    return { data: { ...report }, text: topologySetView(report, context.paint) };
  },
});

export const topologyShowCommand: DefinedCommand = defineCommand({
  path: 'topology show',
  brief: 'Show which links may exist, which there are, and claims that do not count',
  usesDaemon: true,
  examples: [{ line: 'overlane topology show', note: 'anywhere in the network' }],
  fields: {
    manifestVersion: 'version of the manifest that carries it',
    links: 'list of { between, latencyMin }, as their file has them; empty: any link may exist',
    present: 'list of { between, latencyMs }: links that both ends tell of',
    overruled:
      'list of { reporter, neighbour, claimedMs, latencyMinMs }: what nodes say that does not count; without latencyMinMs the link may not exist',
  },
  async run(context, flags) {
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const found = await daemon.topology({ signal: context.signal });
    return { data: { ...found }, text: topologyShowView(found, context.paint) };
  },
});

const MARGIN_DEFAULT = '10%';

/** `10%`: 0.1. */
function parseMargin(text: string): number {
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1];
  if (percent !== undefined && Number(percent) < 100) return Number(percent) / 100;
  throw new SyntaxError(`"${text}" is no share below 100 %, such as "10%"`);
}

export const topologyLearnCommand: DefinedCommand = defineCommand<{ readonly margin: number }>({
  path: 'topology learn',
  brief: 'Print the links there are now as a file for overlane topology set',
  description:
    'Takes the links that both ends tell of, as this node hears them, and for each the latency of the moment less a margin. Learn while all is well and no node is captured, and read the file before setting it.',
  usesDaemon: true,
  examples: [
    { line: 'overlane topology learn > links.yaml', note: 'a tenth below what is measured' },
    { line: 'overlane topology learn --margin 30%', note: 'where the Internet changes its ways' },
  ],
  fields: { links: 'list of { between, latencyMin }' },
  flags: {
    margin: {
      kind: 'parsed',
      parse: parseMargin,
      default: MARGIN_DEFAULT,
      brief: `How far below the measured latency the least one is`,
      placeholder: 'share',
    },
  },
  async run(context, flags) {
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const { present } = await daemon.topology({ signal: context.signal });
    const topology = learnedTopology(present, flags.margin);
    const about = `${present.length} links, ${showShare(flags.margin)} below what is measured`;
    return { data: { ...topology }, text: `# ${about}\n${topologyFile(topology)}` };
  },
});
