/**
 * Testing a program of one's own on the simulator: a clock service on LAX and a client on ATL run on
 * the very nodes that a daemon runs, over twelve cities, in virtual time. A link of the route is cut
 * under them; the test asks how long the client heard nothing. Every run with this seed is the same.
 *
 *   npm run build && node examples/testbed.mjs
 */
import assert from 'node:assert/strict';
import {
  continentTopology,
  inMilliseconds,
  milliseconds,
  seconds,
  Testbed,
  utf8Encode,
} from '../dist/client/testbed.js';

const testbed = new Testbed({ seed: 7, topology: continentTopology() });
testbed.start();

// The application: LAX tells ATL the time a hundred times a second.
const heard = [];
testbed.node('ATL').bind({ port: 37, onMessage: () => heard.push(testbed.now) });
testbed.run(seconds(5));
const clock = testbed.node('LAX').bind({});
testbed.every(milliseconds(10), () => {
  clock.send(utf8Encode(String(testbed.now)), { to: 'ATL', port: 37 });
  return true;
});
testbed.run(seconds(2));

const route = testbed.node('LAX').explainRoute('ATL').route;
const path = ['LAX', ...route.path.map((address) => testbed.nameOf(address))];
const [a, b] = path.slice(-2);
console.log(`LAX reaches ATL by ${path.join(' > ')}; cutting ${a} - ${b}`);
const before = heard.length;
const cutAt = testbed.now;
testbed.cut(a, b);
testbed.run(seconds(5));

const arrivals = [cutAt, ...heard.slice(before)];
const gaps = arrivals.slice(1).map((at, i) => inMilliseconds(at - arrivals[i]));
const gap = Math.max(...gaps);
console.log(`${heard.length} readings, the longest silence was ${gap.toFixed(0)} ms`);
assert.ok(gap < 1_000, 'rerouted within a second');

// All checkers have watched: no packet twice through a node, no nonce twice, no bound passed.
testbed.assertSound();
