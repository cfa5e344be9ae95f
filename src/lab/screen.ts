/**
 * What the lab shows: a pure function from what is known to lines of text. Colour is an argument, so
 * that tests and pipes see plain text.
 */
import type { FlowSnapshot } from './flow-meter.ts';

export interface ScreenState {
  readonly elapsedMs: number;
  readonly cities: number;
  readonly links: number;
  readonly source: string;
  readonly destination: string;
  readonly overlay: FlowView;
  readonly twin: FlowView;
  readonly lane?: LaneView | undefined;
  readonly routeLinks: readonly RouteLinkView[];
  readonly candidates: readonly CandidateView[];
  readonly happened: readonly HappenedView[];
  /** What captured nodes do, by name. */
  readonly captured: Readonly<Record<string, string>>;
  readonly nextAct: string | undefined;
  /** What the keys act on: the numbered links of the current route. */
  readonly isInteractive: boolean;
}

export interface FlowView {
  readonly route: readonly string[] | undefined;
  readonly flow: FlowSnapshot;
  /** Share lost in each of the last seconds, oldest first. */
  readonly lossBySecond: readonly number[];
}

/** What a flow asked for and what came of it, over all nodes. */
export interface LaneView {
  readonly lane: string;
  readonly route: string;
  /** Transmissions on links for each packet sent. */
  readonly transmissions: number;
  /** Links of the best route: what one way alone would take. */
  readonly links: number;
  readonly recovered: number;
  readonly late: number;
  readonly dropped: number;
  readonly duplicates: number;
}

export function laneText(view: LaneView): string {
  const { transmissions, links } = view;
  const cost = links === 0 ? '-' : (transmissions / links).toFixed(2);
  return (
    `lane ${view.lane}, led by ${view.route}: ${transmissions.toFixed(2)} transmissions a packet ` +
    `(${cost} x one way); ${view.recovered} recovered, ${view.late} late, ` +
    `${view.dropped} dropped, ${view.duplicates} duplicates`
  );
}

export interface RouteLinkView {
  readonly a: string;
  readonly b: string;
  readonly latencyMs: number | undefined;
  /** What the lab is doing to it: "", "cut", "30 % loss". */
  readonly impairment: string;
}

export interface CandidateView {
  readonly path: readonly string[];
  readonly latencyMs: number;
  readonly verdict: string;
}

export interface HappenedView {
  readonly atMs: number;
  readonly kind: 'act' | 'reroute' | 'gap' | 'note';
  readonly text: string;
}

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
  readonly hasColour: boolean;
}

/** Lines no longer than `columns` and, where the state allows it, no more than `rows`. */
export function renderScreen(state: ScreenState, size: ScreenSize): string[] {
  const paint = painter(size.hasColour);
  const head = [
    `${paint.bold('overlane lab')}   ${state.cities} cities, ${state.links} links, one daemon each` +
      `   ${paint.dim(clock(state.elapsedMs))}`,
    '',
    ...flowLines(state, paint, size.columns),
    '',
    ...routeLinkLines(state, paint),
    '',
    ...candidateLines(state, paint),
    '',
  ];
  const foot = ['', ...keyLines(state, paint)];
  const room = Math.max(3, size.rows - head.length - foot.length - 1);
  const happened = state.happened.slice(-room).map((h) => happenedLine(h, paint));
  return [...head, paint.bold('What happened'), ...happened, ...foot].map((line) =>
    clip(line, size.columns),
  );
}

/** One line for a log without a terminal. */
export function happenedText(h: HappenedView): string {
  return `${clock(h.atMs)}  ${h.kind.padEnd(7)}  ${h.text}`;
}

export const pathText = (source: string, path: readonly string[] | undefined): string =>
  path === undefined || path.length === 0 ? 'no route' : [source, ...path].join(' > ');

export function clock(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1_000));
  return `${String(Math.floor(total / 60)).padStart(2, '0')}:${String(total % 60).padStart(2, '0')}`;
}

function flowLines(state: ScreenState, paint: Paint, columns: number): string[] {
  const header =
    '                    ' +
    `${'route'.padEnd(30)}${'latency'.padStart(10)}${'loss now'.padStart(10)}${'lost'.padStart(8)}${'longest gap'.padStart(13)}`;
  const width = Math.max(10, Math.min(60, columns - 22));
  return [
    paint.bold(`${state.source} to ${state.destination}, 100 packets a second`),
    paint.dim(header),
    flowLine('overlay', state.source, state.overlay, paint),
    flowLine('unprotected twin', state.source, state.twin, paint),
    ...(state.lane === undefined ? [] : [`  ${paint.dim(laneText(state.lane))}`]),
    ...capturedLines(state.captured).map((line) => paint.red(line)),
    '',
    `  ${'loss, by second'.padEnd(18)}`,
    `  ${'overlay'.padEnd(18)}${sparkline(state.overlay.lossBySecond, width, paint)}`,
    `  ${'unprotected twin'.padEnd(18)}${sparkline(state.twin.lossBySecond, width, paint)}`,
  ];
}

/** A line for each captured node. */
export const capturedLines = (captured: Readonly<Record<string, string>>): string[] =>
  Object.entries(captured).map(([node, what]) => `  ${node} is captured: ${what}`);

function flowLine(label: string, source: string, view: FlowView, paint: Paint): string {
  const { flow } = view;
  const longest = Math.max(
    flow.silenceMs > 200 ? flow.silenceMs : 0,
    ...flow.gaps.map((g) => g.lengthMs),
    0,
  );
  const latency = flow.latencyMs === undefined ? '-' : `${flow.latencyMs.toFixed(1)} ms`;
  const loss = `${(100 * flow.recentLoss).toFixed(1)} %`;
  const colour =
    flow.recentLoss > 0.2 ? paint.red : flow.recentLoss > 0.005 ? paint.yellow : paint.green;
  return (
    `  ${label.padEnd(18)}${pathText(source, view.route).padEnd(30)}${latency.padStart(10)}` +
    `${colour(loss.padStart(10))}${String(flow.lost).padStart(8)}${`${Math.round(longest)} ms`.padStart(13)}`
  );
}

function routeLinkLines(state: ScreenState, paint: Paint): string[] {
  return [
    paint.bold('Links of the route'),
    ...state.routeLinks.map((l, i) => {
      const latency = l.latencyMs === undefined ? '-' : `${l.latencyMs.toFixed(1)} ms`;
      const mark = l.impairment === '' ? '' : paint.red(`   ${l.impairment}`);
      return `  ${i + 1}  ${`${l.a} - ${l.b}`.padEnd(15)}${latency.padStart(10)} one way${mark}`;
    }),
  ];
}

function candidateLines(state: ScreenState, paint: Paint): string[] {
  return [
    paint.bold('Other ways, and why not'),
    ...state.candidates
      .slice(0, 4)
      .map(
        (c) =>
          `  ${pathText(state.source, c.path).padEnd(34)}${`${c.latencyMs.toFixed(1)} ms`.padStart(10)}   ${paint.dim(c.verdict)}`,
      ),
  ];
}

function happenedLine(h: HappenedView, paint: Paint): string {
  const colour = { act: paint.red, reroute: paint.green, gap: paint.yellow, note: paint.dim }[
    h.kind
  ];
  return `  ${paint.dim(clock(h.atMs))}  ${colour(h.text)}`;
}

function keyLines(state: ScreenState, paint: Paint): string[] {
  const next = state.nextAct === undefined ? '' : paint.dim(`next in the story: ${state.nextAct}`);
  if (!state.isInteractive) return next === '' ? [] : [next];
  return [
    ...(next === '' ? [] : [next]),
    `${paint.bold('1-9')} cut or heal that link   ${paint.bold('d')} 30 % loss on the first   ` +
      `${paint.bold('k')} kill a daemon   ${paint.bold('c')} capture one   ${paint.bold('h')} heal all   ${paint.bold('s')} story on/off   ${paint.bold('q')} quit`,
  ];
}

const BARS = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

function sparkline(shares: readonly number[], width: number, paint: Paint): string {
  const shown = shares.slice(-width);
  const bars = shown.map((s) => BARS[s <= 0 ? 1 : Math.max(2, Math.round(s * 8))] ?? '█').join('');
  return shown.some((s) => s > 0.2) ? paint.yellow(bars) : paint.green(bars);
}

interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
}

function painter(hasColour: boolean): Paint {
  const wrap = (open: number, close: number) => (text: string) =>
    hasColour ? `\u001b[${open}m${text}\u001b[${close}m` : text;
  return {
    bold: wrap(1, 22),
    dim: wrap(2, 22),
    red: wrap(31, 39),
    green: wrap(32, 39),
    yellow: wrap(33, 39),
  };
}

/** Cuts a line to so many visible characters; colour sequences count for nothing and stay whole. */
function clip(line: string, columns: number): string {
  let visible = 0;
  let out = '';
  for (let i = 0; i < line.length; i++) {
    if (line[i] === '\u001b') {
      const end = line.indexOf('m', i);
      out += line.slice(i, end + 1);
      i = end;
    } else if (visible < columns) {
      out += line[i];
      visible++;
    }
  }
  return out;
}
