/**
 * Drawn networks with captured nodes of every kind: what is signed arrives whole and once, on k disjoint
 * paths past any k - 1 of them, on a flood past all but the nodes of one way.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { NodeAddress } from '../kernel/index.ts';
import { milliseconds, Random, readU32, seconds, writeU32 } from '../kernel/index.ts';
import type { FlowRouting, TurncoatOptions } from '../node/index.ts';
import { RECOVERY_FAIR_RELIABLE, RECOVERY_PRIORITY, SERVICE_DEFAULT } from '../wire/index.ts';
import { Testbed } from './testbed.ts';
import { evenLink } from './topology.ts';

const PACKETS = 60;
const after = seconds(8);
type AddressOf = (name: string) => NodeAddress;

/** The worst of each kind. */
const KINDS: Record<string, (addressOf: AddressOf) => TurncoatOptions> = {
  drop: () => ({ drop: 1 }),
  delay: () => ({ delay: seconds(2) }),
  reorder: () => ({ reorder: 0.5 }),
  replay: () => ({ replay: 1 }),
  duplicate: () => ({ duplicate: 1 }),
  corrupt: () => ({ corrupt: 1 }),
  lie: () => ({ claimLatency: milliseconds(0), drop: 1 }),
  flood: (addressOf) => ({
    drop: 1,
    flood: { bitsPerSecond: 1e6, to: addressOf('t'), as: addressOf('s'), flow: 'all' },
  }),
};

interface Drawn {
  readonly nodes: readonly string[];
  readonly pairs: ReadonlySet<string>;
  /** Inner nodes of disjoint ways from s to t. */
  readonly ways: readonly (readonly string[])[];
}

/** `k` disjoint ways from s to t of one or two nodes each, some nodes besides, and links across. */
function draw(random: Random, k: number): Drawn {
  const inner = Array.from({ length: 2 * k + random.below(3) }, (_, i) => `n${i}`);
  const ways: string[][] = [];
  let taken = 0;
  for (let i = 0; i < k; i++) {
    const length = 1 + random.below(2);
    ways.push(inner.slice(taken, taken + length));
    taken += length;
  }
  const pairs = new Set<string>();
  const link = (a: string, b: string): void => {
    if (a !== b && !pairs.has(`${b} ${a}`)) pairs.add(`${a} ${b}`);
  };
  for (const way of ways) {
    const whole = ['s', ...way, 't'];
    for (let i = 1; i < whole.length; i++) link(whole[i - 1]!, whole[i]!);
  }
  const nodes = ['s', ...inner, 't'];
  for (const node of inner.slice(taken)) link(node, inner[random.below(taken)]!);
  for (let i = random.below(2 * k); i > 0; i--)
    link(inner[random.below(inner.length)]!, inner[random.below(inner.length)]!);
  return { nodes, pairs, ways };
}

function capture(random: Random, names: readonly string[]) {
  const kinds = Object.keys(KINDS);
  const drawn = names.map((name) => [name, kinds[random.below(kinds.length)]!] as const);
  const turncoats = (addressOf: AddressOf) =>
    Object.fromEntries(drawn.map(([name, kind]) => [name, { after, ...KINDS[kind]!(addressOf) }]));
  return { turncoats, words: drawn.map((one) => one.join('=')).join(' ') };
}

/** Asserts that all of a signed flow from s to t arrives, and once. */
function arrives(
  seed: number,
  { nodes, pairs }: Drawn,
  captured: ReturnType<typeof capture>,
  routing: FlowRouting,
): void {
  const random = new Random(seed);
  const links = [...pairs].map((pair) => {
    const [a, b] = pair.split(' ') as [string, string];
    return evenLink(a, b, { delay: milliseconds(2 + random.below(10)) });
  });
  const { turncoats } = captured;
  const testbed = new Testbed({ seed, topology: { nodes, links }, turncoats });
  testbed.start();
  testbed.run(seconds(5));
  const heard: number[] = [];
  testbed.node('t').bind({ port: 9, onMessage: (m) => heard.push(readU32(m.payload, 0)) });
  const service = { ...SERVICE_DEFAULT, recovery: RECOVERY_PRIORITY, isSigned: true };
  const socket = testbed.node('s').bind({ routing, service });
  const send = (number: number): void => {
    const payload = new Uint8Array(100);
    writeU32(payload, 0, number);
    socket.send(payload, { to: 't', port: 9 });
  };
  send(PACKETS);
  testbed.run(seconds(4));
  for (let i = 0; i < PACKETS; i++) {
    send(i);
    testbed.run(milliseconds(5));
  }
  testbed.run(seconds(1));
  const missing = Array.from({ length: PACKETS }, (_, i) => i).filter((n) => !heard.includes(n));
  assert.deepEqual(missing, [], `lost past ${captured.words}`);
  assert.equal(heard.length, PACKETS + 1, `delivered twice past ${captured.words}`);
}

const seeds = fc.nat(1_000_000);
/** The example: captured nodes next to each other that repeat what the other has repeated. */
const EXAMPLES: [number][] = [[5]];
const RUNS = { numRuns: 12, examples: EXAMPLES };

for (const k of [2, 3])
  test(`captured nodes that are one less than the ${k} disjoint paths cannot stop a flow on ${k} paths`, () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = new Random(seed);
        const drawn = draw(random, k);
        const inner = drawn.nodes.filter((name) => name !== 's' && name !== 't');
        const victims = new Set<string>();
        while (victims.size < k - 1) victims.add(inner[random.below(inner.length)]!);
        const captured = capture(random, [...victims]);
        arrives(seed, drawn, captured, { scheme: 'disjoint', paths: k });
      }),
      RUNS,
    );
  });

test('a flood arrives as long as the nodes of one way are not captured, whatever the others do', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const random = new Random(seed);
      const drawn = draw(random, 2 + random.below(2));
      const clean = new Set(['s', 't', ...drawn.ways[random.below(drawn.ways.length)]!]);
      const captured = capture(
        random,
        drawn.nodes.filter((name) => !clean.has(name)),
      );
      arrives(seed, drawn, captured, { scheme: 'flood' });
    }),
    RUNS,
  );
});

test('a stream goes in the lane control, both ways, past a node that alters every packet', () => {
  const drawn = draw(new Random(5), 2);
  const { pairs, ways } = drawn;
  const links = [...pairs].map((pair) => {
    const [a, b] = pair.split(' ') as [string, string];
    return evenLink(a, b, { delay: milliseconds(5) });
  });
  const turncoats = () => ({ [ways[0]![0]!]: { after: seconds(6), corrupt: 1 } });
  const testbed = new Testbed({ seed: 5, topology: { nodes: drawn.nodes, links }, turncoats });
  testbed.start();
  testbed.run(seconds(5));
  let [there, back] = [0, 0];
  testbed.node('t').listen(7, (stream) => ({
    onData: (bytes) => {
      there += bytes.length;
      stream.write(bytes);
    },
  }));
  const recovery = RECOVERY_FAIR_RELIABLE;
  const opened = testbed.node('s').connect(
    { to: 't', port: 7 },
    { onData: (bytes) => (back += bytes.length) },
    {
      lane: 6,
      routing: { scheme: 'flood' },
      service: { ...SERVICE_DEFAULT, recovery, isSigned: true },
    },
  );
  assert.ok(opened.ok);
  testbed.run(seconds(2));
  for (let i = 0; i < 50; i++) {
    opened.value.write(new Uint8Array(1_000));
    testbed.run(milliseconds(20));
  }
  assert.ok(
    testbed.runUntil(() => back === 50_000, { within: seconds(20) }),
    `${there}, ${back}`,
  );
  testbed.assertSound();
});
