/** Shapes of networks: fixed ones, drawn ones, and the twelve cities. */
import type { Impairments } from '../impairment/index.ts';
import { NO_IMPAIRMENTS } from '../impairment/index.ts';
import type { Duration, Random } from '../kernel/index.ts';
import { assert, milliseconds } from '../kernel/index.ts';
import { CITIES, CITY_LINKS } from './continent.ts';
import type { LinkOptions } from './network.ts';

export interface Topology {
  readonly nodes: readonly string[];
  readonly links: readonly LinkOptions[];
  /** Queues that links name as theirs, and share. */
  readonly bottlenecks?: Readonly<Record<string, Partial<Impairments>>>;
}

/** A link with the same impairments in both directions. */
export function evenLink(a: string, b: string, impairments: Partial<Impairments>): LinkOptions {
  const both = { ...NO_IMPAIRMENTS, ...impairments };
  return { a, b, forward: both, backward: both };
}

const nodeNames = (count: number): string[] => Array.from({ length: count }, (_, i) => `n${i + 1}`);

/** n1 - n2 - ... in a row, each link with the same impairments. Default 10 ms. */
export function lineTopology(count: number, each: Partial<Impairments> = TEN): Topology {
  const nodes = nodeNames(count);
  const links = nodes.slice(1).map((b, i) => evenLink(nodes[i]!, b, each));
  return { nodes, links };
}

export function ringTopology(count: number, each: Partial<Impairments> = TEN): Topology {
  assert(count >= 3, 'a ring has three nodes or more');
  const line = lineTopology(count, each);
  return {
    ...line,
    links: [...line.links, evenLink(line.nodes[count - 1]!, line.nodes[0]!, each)],
  };
}

/** Everybody linked with everybody. */
export function meshTopology(count: number, each: Partial<Impairments> = TEN): Topology {
  const nodes = nodeNames(count);
  const links = nodes.flatMap((a, i) => nodes.slice(i + 1).map((b) => evenLink(a, b, each)));
  return { nodes, links };
}

const TEN: Partial<Impairments> = { delay: milliseconds(10) };

/** Twelve cities and 32 links (`continent.ts`). */
export function continentTopology(): Topology {
  return {
    nodes: CITIES.map((city) => city.name),
    links: CITY_LINKS.map((l) =>
      evenLink(l.a, l.b, {
        delay: milliseconds(l.latencyMilliseconds),
        rate: l.megabitsPerSecond * 1_000_000,
      }),
    ),
  };
}

/** The widest map, in one-way latency from corner to corner along one side. */
const MAP_SIDE: Duration = milliseconds(60);
const LATENCY_FLOOR = 300;

/**
 * Random geometric graph: nodes at random places, linked to their nearest neighbours, and made
 * connected by linking what is still apart at its closest pair. Latency is distance.
 */
export function geometricTopology(
  random: Random,
  options: { nodes: number; degree: number },
): Topology {
  const nodes = nodeNames(options.nodes);
  const places = nodes.map(() => ({ x: random.below(MAP_SIDE), y: random.below(MAP_SIDE) }));
  const distance = (i: number, j: number): number => {
    const dx = places[i]!.x - places[j]!.x;
    const dy = places[i]!.y - places[j]!.y;
    return Math.round(Math.sqrt(dx * dx + dy * dy));
  };
  const pairs: { i: number; j: number; length: number }[] = [];
  for (let i = 0; i < nodes.length; i++)
    for (let j = i + 1; j < nodes.length; j++) pairs.push({ i, j, length: distance(i, j) });
  pairs.sort((a, b) => a.length - b.length || a.i - b.i || a.j - b.j);

  const degrees = nodes.map(() => 0);
  const island = nodes.map((_, i) => i);
  const links: LinkOptions[] = [];
  const isWanted = (i: number, j: number): boolean =>
    degrees[i]! < options.degree && degrees[j]! < options.degree;
  const add = (pair: { i: number; j: number; length: number }): void => {
    const { i, j, length } = pair;
    degrees[i]!++;
    degrees[j]!++;
    const [from, to] = [island[i]!, island[j]!];
    for (let k = 0; k < island.length; k++) if (island[k] === from) island[k] = to;
    const delay = (length + LATENCY_FLOOR) as Duration;
    links.push(evenLink(nodes[i]!, nodes[j]!, { delay }));
  };
  const rest = pairs.filter((pair) => {
    const wanted = isWanted(pair.i, pair.j);
    if (wanted) add(pair);
    return !wanted;
  });
  for (const pair of rest) if (island[pair.i] !== island[pair.j]) add(pair);
  return { nodes, links };
}

/** A shape, a size and the quirks of each link, all drawn. */
export function drawTopology(random: Random, options: { nodesMax: number }): Topology {
  const count = random.between(3, Math.max(3, options.nodesMax));
  const quirks = random.split('quirks');
  const plain = drawShape(random, count, options.nodesMax);
  return { nodes: plain.nodes, links: plain.links.map((l) => withQuirks(l, quirks)) };
}

function drawShape(random: Random, count: number, nodesMax: number): Topology {
  const each = { delay: random.between(200, 40_000) as Duration };
  switch (random.below(8)) {
    case 0:
      return lineTopology(Math.min(count, 6), each);
    case 1:
      return ringTopology(Math.min(count, 8), each);
    case 2:
      return meshTopology(Math.min(count, 6), each);
    case 3:
      return nodesMax >= 12
        ? continentTopology()
        : geometricTopology(random, { nodes: count, degree: 3 });
    default:
      return geometricTopology(random, { nodes: count, degree: random.between(2, 4) });
  }
}

const QUIRK_MTUS = [1300, 1280, 1232];

/** What is not a fault but a fact of the place: jitter, a narrow line, a tunnel on the way. */
function withQuirks(link: LinkOptions, random: Random): LinkOptions {
  const jitter = (random.chance(0.5) ? random.below(link.forward.delay / 4 + 1) : 0) as Duration;
  const rate = random.chance(0.3) ? random.between(5, 100) * 1_000_000 : link.forward.rate;
  const mtu = random.chance(0.1) ? random.pick(QUIRK_MTUS) : 0;
  const quirks = { jitter: Math.floor(jitter) as Duration, rate, mtu };
  return {
    ...link,
    forward: { ...link.forward, ...quirks },
    backward: { ...link.backward, ...quirks },
  };
}
