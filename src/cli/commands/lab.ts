import { NAMED_LANES, unknownLane } from '../../forwarding/index.ts';
import { OverlayError } from '../../kernel/index.ts';
import {
  type CapturedNode,
  capturedLines,
  DESTINATION,
  happenedText,
  LabShow,
  type LabSummary,
  laneText,
  parseTurncoat,
  renderScreen,
  SOURCE,
  STORY_MS,
  TURNCOAT_KINDS,
} from '../../lab/index.ts';
import { CITIES } from '../../sim/index.ts';
import { type DefinedCommand, defineCommand } from '../command.ts';
import { type CliContext, print } from '../context.ts';
import { EXIT } from '../exit-codes.ts';

interface Flags {
  readonly seconds?: number;
  readonly story: boolean;
  readonly plain: boolean;
  readonly keep?: string;
  readonly lane?: string;
  readonly turncoat?: readonly CapturedNode[];
}

/** A gap longer than this in the overlay's flow is a promise not kept. */
const GAP_BAR_MS = 1_500;
const REDRAW_MS = 200;

export const labCommand: DefinedCommand = defineCommand<Flags>({
  path: 'lab',
  brief: 'Run a twelve-city overlay on this machine and watch it reroute',
  description:
    'Starts twelve real daemons with 32 emulated links between them, sends a flow of 100 packets a second from ATL to LAX beside an unprotected twin that stays on the route it had when trouble began, and breaks things under it. In a terminal it goes on until you quit; otherwise it plays the story once, prints a summary and ends.',
  examples: [
    { line: 'overlane lab', note: 'what npm start runs' },
    { line: 'overlane lab --no-story', note: 'nothing breaks unless you break it' },
    { line: 'overlane lab --lane video', note: 'the measured flow in that lane' },
    {
      line: 'overlane lab --turncoat DFW=drop --lane control --no-story',
      note: 'a captured node on the way',
    },
    { line: 'overlane lab --seconds 30 --json', note: 'measure, and print the figures' },
  ],
  fields: {
    seconds: 'how long the flow ran',
    lane: 'lane, route, transmissions a packet, links of one way, recovered, late, dropped, duplicates',
    overlay: 'sent, received, lost, gapsMs, longestGapMs of the overlay flow',
    twin: 'the same of the unprotected flow',
    reroutes: 'route changes at the source',
    captured: 'what captured nodes do, by name',
  },
  exits: [[EXIT.negative, `the overlay flow had a gap of more than ${GAP_BAR_MS} ms`]],
  flags: {
    seconds: {
      kind: 'parsed',
      parse: parseSeconds,
      optional: true,
      placeholder: 'n',
      brief: 'End after so many seconds',
    },
    story: { kind: 'boolean', default: true, brief: 'Break things by script (default: on)' },
    plain: {
      kind: 'boolean',
      default: false,
      withNegated: false,
      brief: 'One line an event instead of a screen',
    },
    lane: {
      kind: 'parsed',
      parse: parseLane,
      optional: true,
      placeholder: 'name',
      proposeCompletions: () => NAMED_LANES.map((l) => l.name),
      brief: 'Lane of the measured flow; its twin stays unprotected',
    },
    turncoat: {
      kind: 'parsed',
      parse: parseCaptured,
      optional: true,
      variadic: true,
      placeholder: 'node=kind',
      brief: `Capture a node: ${Object.keys(TURNCOAT_KINDS).join(', ')}, or several with commas`,
    },
    keep: {
      kind: 'parsed',
      parse: String,
      optional: true,
      placeholder: 'dir',
      brief: 'Keep states and logs of the daemons in this directory',
    },
  },
  async run(context, flags) {
    const screen = !flags.json && !flags.plain && process.stdout.isTTY === true;
    if (!flags.json) print(context, 'starting twelve daemons ...');
    const began = performance.now();
    const show = await LabShow.start({
      ...(flags.keep === undefined ? {} : { directory: flags.keep }),
      ...(flags.lane === undefined ? {} : { lane: flags.lane }),
      ...(flags.turncoat === undefined ? {} : { turncoats: flags.turncoat }),
    });
    show.isStoryOn = flags.story;
    const seconds = flags.seconds ?? (screen ? undefined : STORY_MS / 1_000 + 3);
    const ending = new AbortController();
    const signal = AbortSignal.any([context.signal, ending.signal]);
    const endTimer =
      seconds === undefined ? undefined : setTimeout(() => ending.abort(), seconds * 1_000);
    try {
      if (screen) await runScreen(show, signal, ending);
      else await runPlain({ context, show, signal, isQuiet: flags.json, began });
    } finally {
      clearTimeout(endTimer);
    }
    const summary = await show.stop();
    const isKept = summary.overlay.longestGapMs <= GAP_BAR_MS;
    return {
      data: { ...summary },
      text: summaryText(summary),
      exit: isKept ? EXIT.ok : EXIT.negative,
    };
  },
});

interface PlainRun {
  readonly context: CliContext;
  readonly show: LabShow;
  readonly signal: AbortSignal;
  readonly isQuiet: boolean;
  readonly began: number;
}

async function runPlain({ context, show, signal, isQuiet, began }: PlainRun): Promise<void> {
  if (!isQuiet) {
    show.onEvent((h) => print(context, happenedText(h)));
    while (show.delivered === 0 && !signal.aborted) await context.pause(20, signal);
    const took = ((performance.now() - began) / 1_000).toFixed(1);
    print(context, `first packet delivered ${took} s after the start: ${show.route().join(' > ')}`);
  }
  while (!signal.aborted) await context.pause(60_000, signal);
}

async function runScreen(
  show: LabShow,
  signal: AbortSignal,
  ending: AbortController,
): Promise<void> {
  const { stdin, stdout } = process;
  const hasColour = process.env['NO_COLOR'] === undefined;
  const draw = (): void => {
    const size = { columns: stdout.columns || 100, rows: stdout.rows || 40, hasColour };
    const lines = renderScreen(show.screen(stdin.isTTY === true), size);
    stdout.write(`\u001b[H${lines.map((l) => `${l}\u001b[K`).join('\n')}\u001b[J`);
  };
  const onKey = (bytes: Buffer): void => {
    for (const key of bytes.toString('latin1')) void act(show, key, ending).then(draw);
  };
  stdout.write('\u001b[?1049h\u001b[?25l\u001b[2J');
  if (stdin.isTTY) {
    stdin.setRawMode(true);
    stdin.on('data', onKey);
    stdin.resume();
  }
  const timer = setInterval(draw, REDRAW_MS);
  try {
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  } finally {
    clearInterval(timer);
    if (stdin.isTTY) {
      stdin.setRawMode(false);
      stdin.off('data', onKey);
      stdin.pause();
    }
    stdout.write('\u001b[?25h\u001b[?1049l');
  }
}

async function act(show: LabShow, key: string, ending: AbortController): Promise<void> {
  if (key === 'q' || key === '\u0003') ending.abort();
  else if (key === 's') show.isStoryOn = !show.isStoryOn;
  else if (key === 'd') await show.degradeFirst();
  else if (key === 'k') await show.killMiddle();
  else if (key === 'c') await show.captureMiddle();
  else if (key === 'h') await show.healAll();
  else if (key >= '1' && key <= '9') await show.toggleLink(Number(key) - 1);
}

function summaryText(summary: LabSummary): string {
  const row = (name: string, flow: LabSummary['overlay']): string =>
    `  ${name.padEnd(18)}${String(flow.sent).padStart(8)}${String(flow.received).padStart(10)}` +
    `${String(flow.lost).padStart(8)}${`${flow.longestGapMs} ms`.padStart(14)}`;
  return [
    '',
    `${summary.seconds} s, ${summary.reroutes} reroutes`,
    `  ${'flow'.padEnd(18)}${'sent'.padStart(8)}${'received'.padStart(10)}${'lost'.padStart(8)}${'longest gap'.padStart(14)}`,
    row('overlay', summary.overlay),
    row('unprotected twin', summary.twin),
    `  ${laneText(summary.lane)}`,
    ...capturedLines(summary.captured),
  ].join('\n');
}

/** The ends of the flow stay honest: there is nothing to see otherwise. */
function parseCaptured(text: string): CapturedNode {
  const inner = CITIES.map(({ name }) => name).filter((n) => n !== SOURCE && n !== DESTINATION);
  return parseTurncoat(text, inner);
}

function parseSeconds(text: string): number {
  const n = Number(text);
  if (!(n > 0 && n <= 86_400)) throw new SyntaxError('expected seconds, 1 to 86400');
  return n;
}

/** Before twelve daemons are started for nothing. */
function parseLane(text: string): string {
  if (NAMED_LANES.some((l) => l.name === text)) return text;
  const { message, nearest } = unknownLane(text, NAMED_LANES);
  const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
  throw new OverlayError('USAGE', `${message}${hint}`);
}
