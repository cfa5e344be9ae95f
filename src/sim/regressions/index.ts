/**
 * Scenarios with names: what once went wrong, or is likely to, cut down to what shows it. A seed that
 * fails becomes one of these together with its mend, so that a later change of what seeds draw does not
 * lose it.
 */
import type { Duration } from '../../kernel/index.ts';
import { milliseconds, Random, seconds } from '../../kernel/index.ts';
import { drawWorkload } from '../draw-workload.ts';
import type { Fault } from '../faults.ts';
import { drawFaults } from '../faults.ts';
import type { LinkEffect } from '../network.ts';
import type { Scenario } from '../scenario.ts';
import type { Topology } from '../topology.ts';
import { continentTopology, lineTopology, ringTopology } from '../topology.ts';
import type { MessageFlow } from '../workload.ts';

/**
 * Twelve cities, a minute, a dozen drawn faults, 220 messages a second and a transfer: what the
 * simulator's speed is measured on.
 */
export function continentalMinute(seed: number): Scenario {
  const topology = continentTopology();
  const phase = seconds(60);
  const random = new Random(seed).split('continental minute');
  return {
    ...scenario(
      `continental minute ${seed}`,
      topology,
      phase,
      drawFaults(random, { topology, phase, count: 12 }),
    ),
    seed,
    workload: {
      messages: [
        messages('ATL', 'LAX', 10),
        messages('LON', 'SJC', 20),
        messages('HKG', 'NYC', 20),
        messages('FRA', 'DFW', 50),
      ],
      transfers: [
        { from: 'CHI', to: 'LAX', start: seconds(5), bytes: 300_000, replyBytes: 300_000 },
      ],
      echoes: [{ from: 'JHU', to: 'HKG', start: seconds(1), interval: seconds(1) }],
      strangerInterval: milliseconds(0),
    },
  };
}

export const namedScenarios = (): Scenario[] => [
  cutOfTheChosenRoute(),
  everyNodeRestartsInTurn(),
  crashesUnderAPause(),
  pathOfOneWay(),
  islandsThatMeetAgain(),
  holesForLargeDatagrams(),
  hostileWire(),
  clockThatJumps(),
  lineWithoutADetour(),
];

/** The route from ATL to LAX loses its links one after the other; there is always another. */
function cutOfTheChosenRoute(): Scenario {
  const faults = [
    onLink('ATL', 'DFW', { cut: true }, 2_000, 8_000),
    onLink('DFW', 'LAX', { loss: 0.3 }, 4_000, 8_000),
    onLink('ATL', 'DEN', { cut: true }, 5_000, 4_000),
    onLink('DEN', 'LAX', { delay: milliseconds(80) }, 3_000, 9_000),
  ];
  return scenario('cut of the chosen route', continentTopology(), seconds(14), faults);
}

/** Nobody remembers anybody, one node at a time and at last two together. */
function everyNodeRestartsInTurn(): Scenario {
  const topology = ringTopology(5);
  const faults: Fault[] = topology.nodes.map((node, i) =>
    during(1_000 + 2_000 * i, 700, { kind: 'crash', node }),
  );
  faults.push(during(12_000, 900, { kind: 'crash', node: 'n1' }));
  faults.push(during(12_200, 900, { kind: 'crash', node: 'n2' }));
  return scenario('every node restarts in turn', topology, seconds(15), faults);
}

/** A crash that falls into a standstill ends both; a standstill of what is down is none. */
function crashesUnderAPause(): Scenario {
  const faults = [
    during(2_000, 3_000, { kind: 'pause', node: 'n2' }),
    during(3_000, 1_000, { kind: 'crash', node: 'n2' }),
    during(6_000, 4_000, { kind: 'crash', node: 'n3' }),
    during(7_000, 5_000, { kind: 'pause', node: 'n3' }),
    during(8_000, 700, { kind: 'pause', node: 'n4' }),
  ];
  return scenario('crashes under a pause', ringTopology(4), seconds(13), faults);
}

/** Each half of every link fails for a while, never both. */
function pathOfOneWay(): Scenario {
  const faults = ringTopology(5).links.map(({ a, b }, i) =>
    during(1_000 + 1_500 * i, 4_000, {
      kind: 'link',
      a,
      b,
      direction: i % 2 === 0 ? 'a-to-b' : 'b-to-a',
      effect: { cut: true },
    }),
  );
  return scenario('path of one way', ringTopology(5), seconds(13), faults);
}

/** Three partitions, each longer than link state would be refreshed with these timers. */
function islandsThatMeetAgain(): Scenario {
  const faults = [
    during(1_000, 9_000, { kind: 'partition', island: ['HKG', 'SJC', 'LAX', 'DEN', 'DFW'] }),
    during(12_000, 5_000, { kind: 'partition', island: ['LON', 'FRA'], isOneWay: true }),
    during(14_000, 6_000, { kind: 'partition', island: ['WAS', 'JHU', 'NYC'] }),
  ];
  return {
    ...scenario('islands that meet again', continentTopology(), seconds(21), faults),
    timers: { refreshInterval: seconds(2), rekeyAfter: seconds(3) },
  };
}

/** What passes shrinks below what a handshake needs, and grows back. */
function holesForLargeDatagrams(): Scenario {
  const faults = [
    onLink('n1', 'n2', { mtu: 1_250 }, 1_000, 9_000),
    onLink('n2', 'n3', { mtu: 600 }, 3_000, 5_000),
    onLink('n3', 'n4', { mtu: 90 }, 5_000, 6_000),
  ];
  return scenario('holes for large datagrams', ringTopology(4), seconds(12), faults);
}

/** Every link flips bits, cuts short, repeats, doubles and reorders; strangers join in. */
function hostileWire(): Scenario {
  const effect: LinkEffect = {
    corrupt: 0.05,
    truncate: 0.03,
    replay: 0.3,
    duplicate: 0.3,
    reorder: 0.2,
    reorderDelay: milliseconds(30),
  };
  const { links } = ringTopology(5);
  const faults = links.map(({ a, b }) => onLink(a, b, effect, 500, 11_500));
  const base = scenario('hostile wire', ringTopology(5), seconds(12), faults);
  return { ...base, workload: { ...base.workload, strangerInterval: milliseconds(5) } };
}

/** Wall clocks leave the certificates' time and return; addresses change under running links. */
function clockThatJumps(): Scenario {
  const faults = [
    during(1_000, 6_000, { kind: 'wall-step', node: 'n1', by: seconds(-2 * 3_600) }),
    during(2_000, 6_000, { kind: 'wall-step', node: 'n3', by: seconds(400 * 86_400) }),
    during(3_000, 1_000, { kind: 'rebind', node: 'n2' }),
    during(3_500, 1_000, { kind: 'rebind', node: 'n4' }),
  ];
  return scenario('clock that jumps', ringTopology(4), seconds(10), faults);
}

/** Streams have to wait out a cut: there is no other way. */
function lineWithoutADetour(): Scenario {
  const faults = [
    onLink('n2', 'n3', { cut: true }, 1_000, 6_000),
    onLink('n3', 'n4', { loss: 0.4, burst: 0.6 }, 7_000, 5_000),
  ];
  return scenario('line without a detour', lineTopology(5), seconds(13), faults);
}

function scenario(
  name: string,
  topology: Topology,
  faultPhase: Duration,
  faults: readonly Fault[],
): Scenario {
  const random = new Random(faults.length).split(name);
  return {
    name,
    seed: random.u32(),
    topology,
    faults,
    workload: drawWorkload(random, { topology, phase: faultPhase, intensity: 4 }),
    faultPhase,
    startSpread: milliseconds(0),
    isJudgedAtRest: false,
  };
}

const messages = (from: string, to: string, everyMs: number): MessageFlow => ({
  from,
  to,
  start: seconds(1),
  interval: milliseconds(everyMs),
  bytes: 200,
});

type Kind = Fault extends infer F
  ? F extends Fault
    ? Omit<F, 'start' | 'duration'>
    : never
  : never;

const during = (startMs: number, lastsMs: number, kind: Kind): Fault =>
  ({ start: milliseconds(startMs), duration: milliseconds(lastsMs), ...kind }) as Fault;

const onLink = (
  a: string,
  b: string,
  effect: LinkEffect,
  startMs: number,
  lastsMs: number,
): Fault => during(startMs, lastsMs, { kind: 'link', a, b, effect });
