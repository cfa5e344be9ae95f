import type { NodeStatus } from '../../host/index.ts';
import { OverlayError } from '../../kernel/index.ts';
import { type DefinedCommand, defineCommand } from '../command.ts';
import type { CliContext } from '../context.ts';
import {
  certificateFinding,
  clockFinding,
  daemonFinding,
  type Finding,
  linkFindings,
  memberFinding,
  nodeVersionFinding,
  permissionFindings,
  portFinding,
  socketBufferFinding,
  underlayFinding,
  worst,
} from '../doctor/findings.ts';
import { bufferFacts, clockFacts, portFacts, stateModes } from '../doctor/host-facts.ts';
import { EXIT } from '../exit-codes.ts';
import { packageFacts } from '../package-facts.ts';
import { doctorView } from '../views/doctor-view.ts';

interface Flags {
  readonly state?: string;
  readonly config?: string;
}

export const doctorCommand: DefinedCommand = defineCommand<Flags>({
  path: 'doctor',
  brief: 'Look for what is wrong on this host and on the way to others; each finding with its fix',
  description:
    'Checks the Node version, the clock, socket buffers, UDP ports, permissions of the state directory, the configuration, and with a running daemon also reachability and MTU of each neighbour, routes and the end of the certificate. Changes nothing.',
  usesDaemon: true,
  examples: [
    { line: 'overlane doctor', note: 'before the first overlane up, and when something is odd' },
    { line: 'overlane doctor --json | jq .findings', note: 'for monitoring' },
  ],
  fields: {
    worst: 'ok, note, warning or problem',
    findings: 'list of { check, severity, text, fix }',
  },
  exits: [[EXIT.negative, 'at least one problem; warnings and notes end with 0']],
  flags: {
    state: {
      kind: 'parsed',
      parse: String,
      optional: true,
      placeholder: 'dir',
      brief: 'State directory (default: $OVERLANE_STATE or the usual place)',
    },
    config: {
      kind: 'parsed',
      parse: String,
      optional: true,
      placeholder: 'file',
      brief: 'Configuration (default: $OVERLANE_CONFIG or the usual place)',
    },
  },
  async run(context, flags) {
    const socket = context.daemons.socketPath(flags.socket);
    const state = context.daemons.stateDirectory(flags.state);
    const status = await askDaemon(context, socket);
    const config = await readListen(context, context.daemons.configFile(flags.config, flags.state));
    const ours = status?.underlay.locals ?? [];
    const listen = status === undefined ? config.listen : ours;
    const findings: Finding[] = [
      nodeVersionFinding(process.versions.node, packageFacts().nodeFloor),
      clockFinding(await clockFacts(context)),
      socketBufferFinding(await bufferFacts()),
      ...config.findings,
      ...permissionFindings(await stateModes(state)),
      ...(await Promise.all(listen.map((a) => portFacts(a, ours)))).map(portFinding),
      daemonFinding(status !== undefined, socket),
      ...(status === undefined ? [] : nodeFindings(status, context.now())),
    ];
    const verdict = worst(findings);
    return {
      data: { worst: verdict, findings },
      text: doctorView(findings, context.paint),
      exit: verdict === 'problem' ? EXIT.negative : EXIT.ok,
    };
  },
});

const nodeFindings = (status: NodeStatus, now: Date): Finding[] => [
  underlayFinding(status),
  certificateFinding(status.certificateEnds, now),
  ...linkFindings(status.links),
  memberFinding(status),
];

async function askDaemon(context: CliContext, socket: string): Promise<NodeStatus | undefined> {
  try {
    await using daemon = await context.daemons.connect(socket, context.signal);
    return await daemon.status({ signal: context.signal });
  } catch {
    return undefined;
  }
}

/** The addresses the configuration wants opened, and what is wrong with the file. */
async function readListen(
  context: CliContext,
  file: string,
): Promise<{ listen: readonly string[]; findings: Finding[] }> {
  try {
    const { listen } = await context.daemons.checkConfig(file);
    const finding: Finding = {
      check: 'configuration',
      severity: 'ok',
      text: `${file} has no mistakes`,
      fix: undefined,
    };
    return { listen, findings: [finding] };
  } catch (error) {
    if (!(error instanceof OverlayError)) throw error;
    const isAbsent = error.code === 'CONFIG_UNREADABLE';
    const finding: Finding = {
      check: 'configuration',
      severity: isAbsent ? 'note' : 'problem',
      text: isAbsent ? `no configuration at ${file}: defaults apply` : error.message,
      fix: isAbsent ? undefined : 'Mend the lines named, then run overlane config check.',
    };
    return { listen: isAbsent ? context.daemons.listenDefault : [], findings: [finding] };
  }
}
