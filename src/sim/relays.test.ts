import assert from 'node:assert/strict';
import test from 'node:test';
import { milliseconds, seconds } from '../kernel/index.ts';
import type { ProbingOptions } from '../node/index.ts';
import { Testbed } from './testbed.ts';
import { meshTopology } from './topology.ts';

function mesh(nodes: number, probing: Partial<ProbingOptions>): Testbed {
  const topology = meshTopology(nodes, { delay: milliseconds(20) });
  return new Testbed({ seed: 1, topology, probing });
}

/** Milliseconds; undefined when nothing came back. */
function roundTrip(testbed: Testbed, from: string, to: string): number | undefined {
  let rtt: number | undefined;
  let isDone = false;
  testbed.node(from).echo(to, (outcome) => {
    isDone = true;
    if (outcome.kind === 'reply') rtt = outcome.rtt / 1_000;
  });
  testbed.runUntil(() => isDone, { within: seconds(5) });
  return rtt;
}

test('a flow leaves a path that got slow for a relay, long before link state would go back', () => {
  const testbed = mesh(9, { relays: 'on' });
  testbed.start();
  testbed.run(seconds(5));
  assert.ok(roundTrip(testbed, 'n1', 'n9')! < 45);
  testbed.impairLink('n1', 'n9', { delay: milliseconds(200) });
  testbed.run(seconds(4));
  assert.ok(roundTrip(testbed, 'n1', 'n9')! < 90);
  testbed.heal('n1', 'n9');
  // There directly; the answer, which asks for nothing, goes by damped link state still.
  testbed.run(seconds(4));
  assert.ok(roundTrip(testbed, 'n1', 'n9')! < 65);
  testbed.assertSound();
});

test('in a big mesh everybody is told of the backbone only, and the other links are used all the same', () => {
  const testbed = mesh(16, { relays: 'on', backboneFrom: 10 });
  testbed.start();
  testbed.run(seconds(8));
  const status = testbed.node('n1').status()!;
  assert.equal(status.links.filter(({ state }) => state === 'up').length, 15);
  const ways = status.routes.map(({ path }) => path.length).sort();
  // A grid of 4 x 4: six rendezvous, everybody else two hops away.
  assert.deepEqual(ways, [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
  for (let i = 2; i <= 16; i++) assert.ok(roundTrip(testbed, 'n1', `n${i}`)! < 45);
  testbed.cut('n1', 'n16');
  testbed.run(seconds(4));
  assert.ok(roundTrip(testbed, 'n1', 'n16')! < 90);
  testbed.assertSound();
});

test('many links share the budget for hellos, and a death is still known within a second', () => {
  const testbed = mesh(30, {});
  testbed.start();
  testbed.run(seconds(6));
  const bytes = (): number =>
    testbed
      .node('n1')
      .status()!
      .links.reduce((sum, l) => sum + l.bytesOut + 28 * l.packetsOut, 0);
  const before = bytes();
  testbed.run(seconds(10));
  const bits = (8 * (bytes() - before)) / 10;
  assert.ok(bits < 132_000, `${bits} bit/s`);
  testbed.cut('n1', 'n2');
  const isDown = (): boolean =>
    testbed
      .node('n1')
      .status()!
      .links.some(({ name, state }) => name === 'n2' && state !== 'up' && state !== 'suspect');
  assert.ok(testbed.runUntil(isDown, { within: seconds(1) }));
  testbed.assertSound();
});

test('a hub of many leaves tells of them all: their links are the only ones they have', () => {
  const full = meshTopology(14, { delay: milliseconds(20) });
  const links = full.links.filter(({ a }) => a === 'n1');
  const probing = { relays: 'on', backboneFrom: 10 } as const;
  const testbed = new Testbed({ seed: 1, topology: { ...full, links }, probing });
  testbed.start();
  testbed.run(seconds(8));
  assert.equal(testbed.node('n2').status()!.routes.length, 13);
  for (let i = 3; i <= 14; i++) assert.ok(roundTrip(testbed, 'n2', `n${i}`)! < 85);
  testbed.assertSound();
});
