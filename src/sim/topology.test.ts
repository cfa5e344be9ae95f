import assert from 'node:assert/strict';
import { test } from 'node:test';
import { impairmentsProblem } from '../impairment/index.ts';
import { Random, seconds } from '../kernel/index.ts';
import { drawFaults } from './faults.ts';
import { drawScenario } from './scenario.ts';
import type { Topology } from './topology.ts';
import {
  continentTopology,
  drawTopology,
  lineTopology,
  meshTopology,
  ringTopology,
} from './topology.ts';

function islands(topology: Topology): number {
  const island = new Map(topology.nodes.map((name, i) => [name, i]));
  for (const { a, b } of topology.links) {
    const [from, to] = [island.get(a), island.get(b)];
    for (const [name, number] of island) if (number === from) island.set(name, to ?? -1);
  }
  return new Set(island.values()).size;
}

test('fixed shapes have the links their names say', () => {
  assert.equal(lineTopology(5).links.length, 4);
  assert.equal(ringTopology(5).links.length, 5);
  assert.equal(meshTopology(5).links.length, 10);
  assert.equal(continentTopology().nodes.length, 12);
  assert.equal(continentTopology().links.length, 32);
});

test('every drawn topology is connected, within its size and free of double links', () => {
  for (let seed = 0; seed < 300; seed++) {
    const topology = drawTopology(new Random(seed), { nodesMax: 12 });
    assert.ok(topology.nodes.length >= 3 && topology.nodes.length <= 12);
    assert.equal(islands(topology), 1, `seed ${seed}`);
    const ends = topology.links.map(({ a, b }) => [a, b].sort().join('-'));
    assert.equal(new Set(ends).size, ends.length);
    for (const link of topology.links) assert.equal(impairmentsProblem(link.forward), undefined);
  }
});

test('drawn faults lie in their phase, name what exists and can be put into effect', () => {
  const topology = continentTopology();
  const faults = drawFaults(new Random(3), { topology, phase: seconds(20), count: 400 });
  for (const fault of faults) {
    assert.ok(fault.start >= 0 && fault.start < seconds(20) && fault.duration > 0);
    if (fault.kind === 'link') assert.equal(impairmentsProblem(fault.effect), undefined);
    if (fault.kind === 'crash') assert.ok(topology.nodes.includes(fault.node));
  }
  const kinds = new Set(faults.map((f) => f.kind));
  assert.deepEqual([...kinds].sort(), [
    'crash',
    'link',
    'partition',
    'pause',
    'rebind',
    'stop',
    'wall-step',
  ]);
});

test('a scenario is a function of its seed, and a longer schedule keeps the faults of a shorter', () => {
  assert.deepEqual(drawScenario(17), drawScenario(17));
  const topology = continentTopology();
  const few = drawFaults(new Random(3), { topology, phase: seconds(20), count: 5 });
  const more = drawFaults(new Random(3), { topology, phase: seconds(20), count: 6 });
  for (const fault of few) assert.ok(more.some((f) => JSON.stringify(f) === JSON.stringify(fault)));
});
