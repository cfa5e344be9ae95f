/**
 * Why a route is the route: for each neighbour the best path through it and what is against it, and
 * the paths that would be better if links were up that are not. Computed when somebody asks.
 */
import type { Duration, Instant, NodeAddress } from '../kernel/index.ts';
import type { Edge, Graph, ReportsByOrigin } from './graph.ts';
import { buildGraph, edgeBetween } from './graph.ts';
import type { LinkChanges, NameOf, VanishedLink } from './link-changes.ts';
import { inPercent, inWords } from './link-changes.ts';
import type { OverruledReport } from './link-claims.ts';
import { lossPenalty, PROBATION_COST } from './metric.ts';
import { firstMissing, missingLinks } from './missing-links.ts';
import { deniedLink } from './policy/denied-link.ts';
import type { RelayExplanation } from './relays/index.ts';
import type { PathFigures, RouteStatus } from './routes.ts';
import { pathFigures } from './routes.ts';
import { pathOnwards, pathsTowards } from './shortest-paths.ts';

export interface RouteCandidate {
  readonly path: readonly NodeAddress[];
  readonly latency: Duration;
  readonly lossPpm: number;
  readonly cost: Duration;
  readonly isChosen: boolean;
  /** Why it is not the route: "worse by 4.1 ms", "link DFW-LAX down for 12 s". */
  readonly verdict: string;
}

export interface RouteExplanation {
  readonly destination: NodeAddress;
  readonly name: string;
  readonly route: RouteStatus | undefined;
  readonly candidates: readonly RouteCandidate[];
  /** In a big mesh: the relay that packets go over, which comes before the route. */
  readonly relays?: RelayExplanation;
}

export interface ExplainInput {
  readonly self: NodeAddress;
  readonly destination: NodeAddress;
  readonly graph: Graph;
  readonly reports: ReportsByOrigin;
  readonly gone: readonly VanishedLink[];
  readonly barred: readonly Edge[];
  readonly overruled: readonly OverruledReport[];
  readonly route: RouteStatus | undefined;
  /** All links, those that policy denies to the default class among them. */
  readonly everything: Graph;
  readonly denial: (from: NodeAddress, to: NodeAddress) => string | undefined;
  readonly links: LinkChanges;
  readonly nameOf: NameOf;
  readonly candidatesMax: number;
  readonly now: Instant;
}

/** The chosen one first, then by cost. */
export function explainCandidates(input: ExplainInput): RouteCandidate[] {
  const { route, graph } = input;
  const found: RouteCandidate[] = [];
  const real = bestThroughNeighbours(graph, input);
  for (const path of real) {
    const figures = pathFigures(graph, input.self, path)!;
    const verdict = verdictOn(path, figures, input) + raisedOn(path, input);
    found.push(candidate(path, figures, isChosen(path, route), verdict));
  }
  const missing = missingLinks(input);
  const wished = buildGraph(
    [...graph.nodes, ...[...missing.values()].flatMap(({ edge }) => [edge.a, edge.b])],
    [...graph.edges, ...[...missing.values()].map(({ edge }) => edge)],
  );
  for (const path of bestThroughNeighbours(wished, input)) {
    const lacking = firstMissing(input.self, path, missing);
    const figures = pathFigures(wished, input.self, path);
    if (lacking === undefined || figures === undefined) continue;
    const wouldWin = route === undefined || figures.cost < route.cost;
    if (wouldWin || lacking.isFirstHop) found.push(candidate(path, figures, false, lacking.words));
  }
  const { denial, links } = input;
  const policy = { denial, linkName: (a: NodeAddress, b: NodeAddress) => links.linkName(a, b) };
  if (input.everything !== graph)
    for (const path of bestThroughNeighbours(input.everything, input)) {
      const denied = deniedLink(input.self, path, policy);
      if (denied === undefined) continue;
      found.push(candidate(path, pathFigures(input.everything, input.self, path)!, false, denied));
    }
  found.sort((x, y) => Number(y.isChosen) - Number(x.isChosen) || x.cost - y.cost);
  return found.slice(0, input.candidatesMax);
}

const candidate = (
  path: readonly NodeAddress[],
  figures: PathFigures,
  chosen: boolean,
  verdict: string,
): RouteCandidate => {
  const { latency, lossPpm, cost } = figures;
  return { path, latency, lossPpm, cost, isChosen: chosen, verdict };
};

function bestThroughNeighbours(graph: Graph, input: ExplainInput): NodeAddress[][] {
  const self = graph.numberOf.get(input.self);
  const destination = graph.numberOf.get(input.destination);
  if (self === undefined || destination === undefined) return [];
  const tree = pathsTowards(graph, destination, self);
  const paths: NodeAddress[][] = [];
  for (const arc of graph.arcs[self]!) {
    const path = pathOnwards(tree, arc.to);
    if (path !== undefined) paths.push(path);
  }
  return paths;
}

const isChosen = (path: readonly NodeAddress[], route: RouteStatus | undefined): boolean =>
  route !== undefined && path[0] === route.path[0];

function verdictOn(
  path: readonly NodeAddress[],
  figures: PathFigures,
  input: ExplainInput,
): string {
  const { route } = input;
  if (route === undefined) return 'not computed yet';
  if (isChosen(path, route)) return 'chosen';
  const worse = (figures.cost - route.cost) as Duration;
  const trial = linkOnProbation(path, input);
  if (worse > 0 && trial !== undefined && worse > PROBATION_COST / 2)
    return `link ${trial} failed lately and is on probation`;
  if (worse > 0) {
    const share = Math.round((100 * worse) / Math.max(1, route.cost));
    const lossy = worstLink(path, input);
    return `worse by ${inWords(worse)} (${share} %)${lossy === undefined ? '' : `, ${lossy}`}`;
  }
  return path.length > route.path.length ? 'same cost, more hops' : 'same cost, higher address';
}

/** Where a link of the path counts its minimum and not what was claimed. */
function raisedOn(path: readonly NodeAddress[], input: ExplainInput): string {
  let at = input.self;
  for (const node of path) {
    const pair = [at, node];
    // The other end may say more than the minimum, and then that counts.
    const counted = edgeBetween(input.graph, at, node)?.latency;
    const found = input.overruled.find(
      ({ reporter, neighbour, latencyMin }) =>
        latencyMin === counted && pair.includes(reporter) && pair.includes(neighbour),
    );
    if (found !== undefined) {
      const { reporter, neighbour, claimed, latencyMin } = found;
      const link = input.links.linkName(reporter, neighbour);
      const who = input.nameOf(reporter);
      return `; link ${link} counts its minimum of ${inWords(latencyMin!)}, ${who} claims ${inWords(claimed)}`;
    }
    at = node;
  }
  return '';
}

function linkOnProbation(path: readonly NodeAddress[], input: ExplainInput): string | undefined {
  let at = input.self;
  for (const node of path) {
    if (edgeBetween(input.graph, at, node)?.isOnProbation === true)
      return input.links.linkName(at, node);
    at = node;
  }
  return undefined;
}

/** The link of a path that loses most, where loss is a good part of what the path costs. */
function worstLink(path: readonly NodeAddress[], input: ExplainInput): string | undefined {
  let worst: { loss: number; words: string } | undefined;
  let at = input.self;
  for (const node of path) {
    const figures = pathFigures(input.graph, at, [node])!;
    const { lossPpm } = figures;
    if (lossPenalty(lossPpm) * 4 > figures.cost && lossPpm > (worst?.loss ?? 0)) {
      const name = input.links.linkName(at, node);
      worst = { loss: lossPpm, words: `link ${name} loses ${inPercent(lossPpm)}` };
    }
    at = node;
  }
  return worst?.words;
}
