import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeAddress } from '../kernel/index.ts';
import { instant } from '../kernel/index.ts';
import { RouteHistory } from './route-history.ts';

const [A, B] = [1 as NodeAddress, 2 as NodeAddress];
const step = (at: number, destination: NodeAddress, flow: number, cause: string) => ({
  at: instant(at),
  destination,
  flow,
  lane: 0,
  metric: 'default',
  before: cause === 'up' ? undefined : [destination],
  after: cause === 'down' ? undefined : [destination],
  cause,
});

test('what a route was at a moment is told by the changes around it', () => {
  const history = new RouteHistory(16);
  for (const record of [
    step(10, A, 0, 'up'),
    step(20, B, 0, 'up'),
    step(30, A, 0, 'down'),
    step(35, A, 7, 'up'),
  ])
    history.add(record);
  const causes = (at: number, query = {}) =>
    history.at(query, instant(at)).map(({ last, next }) => [last?.cause, next?.cause]);
  assert.deepEqual(causes(25, { destination: A, flow: 0 }), [['up', 'down']]);
  assert.deepEqual(causes(25), [
    ['up', 'down'],
    [undefined, 'up'],
    ['up', undefined],
  ]);
  assert.deepEqual(causes(99, { flow: 7 }), [['up', undefined]]);
  assert.deepEqual(causes(99, { flow: 8 }), []);
});

test('a redundant flow has moments of its own beside the route to the same node', () => {
  const history = new RouteHistory(2);
  const graph = { before: 'paths', after: 'robust', links: 9 };
  history.add(step(5, A, 0, 'up'));
  history.add(step(10, A, 0, 'down'));
  history.add({ ...step(12, A, 0, 'in trouble'), metric: 'targeted', graph });
  assert.equal(history.at({}, instant(11)).length, 2);
  assert.equal(history.at({}, instant(7))[0]?.last, undefined, 'forgotten is before memory');
});
