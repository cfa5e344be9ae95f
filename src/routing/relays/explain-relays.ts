/**
 * Why packets to a member of a big mesh go over the relay they go over, or over none: what each
 * rendezvous told and when, what this node measures itself, and what was against each way. Round trips,
 * because that is what relays are chosen by. Computed when somebody asks.
 */
import type { Duration, NodeAddress } from '../../kernel/index.ts';
import type { NameOf } from '../link-changes.ts';
import { inWords, nodeName } from '../link-changes.ts';
import type { HeardOfRelays } from './relay-exchange.ts';

export interface RelayCandidate {
  /** After this node; the destination alone: the direct way. */
  readonly path: readonly NodeAddress[];
  /** Undefined: not measured. */
  readonly rtt: Duration | undefined;
  readonly isChosen: boolean;
  /** With who told it, and when. */
  readonly verdict: string;
}

export interface RelayExplanation {
  /** Where packets go; undefined: as link state has it. */
  readonly way: readonly NodeAddress[] | undefined;
  readonly rendezvous: number;
  /** Of them, those that advise at the moment. */
  readonly advising: number;
  /** The chosen one first, then by round trip. */
  readonly candidates: readonly RelayCandidate[];
}

export interface RelayQuestion {
  readonly destination: NodeAddress;
  readonly heard: HeardOfRelays;
  readonly way: readonly NodeAddress[] | undefined;
  /** What denies a path to the flow, in words. */
  readonly denialOf: (path: readonly NodeAddress[]) => string | undefined;
  readonly nameOf: NameOf;
}

export function explainRelays(question: RelayQuestion): RelayExplanation {
  const { heard, way, destination, nameOf } = question;
  const { rendezvous, advising, hints, direct } = heard;
  const relays = new Set(hints.map(({ relay }) => relay));
  const rows: RelayCandidate[] = [...relays].map((relay) => {
    const told = hints.filter((hint) => hint.relay === relay);
    const best = told.reduce((x, y) => (y.rest < x.rest ? y : x));
    const rtt = best.first === undefined ? undefined : ((best.first + best.rest) as Duration);
    const tellers = told.map(
      ({ toldBy, age }) => `${nodeName(nameOf, toldBy)} ${inWords(age)} ago`,
    );
    return rowOf(question, [relay, destination], rtt, `, told by ${tellers.join(' and ')}`);
  });
  rows.push(rowOf(question, [destination], direct, ', measured here'));
  const order = ({ rtt }: RelayCandidate): number => rtt ?? Number.POSITIVE_INFINITY;
  rows.sort((x, y) => Number(y.isChosen) - Number(x.isChosen) || order(x) - order(y));
  return { way, rendezvous, advising, candidates: rows };
}

function rowOf(
  question: RelayQuestion,
  path: readonly NodeAddress[],
  rtt: Duration | undefined,
  source: string,
): RelayCandidate {
  const isChosen = question.way?.join() === path.join();
  const verdict = isChosen ? 'chosen' : lostBecause(question, path, rtt);
  return { path, rtt, isChosen, verdict: `${verdict}${rtt === undefined ? '' : source}` };
}

function lostBecause(
  { heard, way, denialOf, nameOf }: RelayQuestion,
  path: readonly NodeAddress[],
  rtt: Duration | undefined,
): string {
  const denial = denialOf(path);
  if (denial !== undefined) return denial;
  if (rtt === undefined) return `this node has no figure of ${nodeName(nameOf, path[0]!)}`;
  const chosen = rttOf(heard, way);
  if (chosen === undefined) return 'link state has a far better way';
  if (rtt >= chosen) return `worse by ${inWords((rtt - chosen) as Duration)}`;
  const { marginShare, marginMin } = heard.options;
  const share = Math.round((100 * (chosen - rtt)) / chosen);
  return `better by ${share} %, hysteresis: a move takes ${100 * marginShare} % and ${inWords(marginMin)}`;
}

function rttOf(
  { hints, direct }: HeardOfRelays,
  way: readonly NodeAddress[] | undefined,
): Duration | undefined {
  if (way?.length === 1) return direct;
  const told = hints.filter(({ relay, first }) => relay === way?.[0] && first !== undefined);
  if (told.length === 0) return undefined;
  return Math.min(...told.map(({ first, rest }) => first! + rest)) as Duration;
}
