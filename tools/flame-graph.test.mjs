import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flameGraph } from './flame-graph.mjs';

const call = (id, functionName, children = [], room = 'link') => ({
  id,
  children,
  callFrame: { functionName, url: functionName.startsWith('(') ? '' : `/dist/${room}/x.js` },
});

test('a box is as wide as its share of what was not idle, callees above their caller', () => {
  const svg = flameGraph(
    {
      nodes: [
        call(1, '(root)', [2, 3, 6]),
        call(2, '(idle)'),
        call(3, 'receive', [4, 5]),
        call(4, 'open<1>'),
        call(5, 'forward', [], 'forwarding'),
        // The same function again under the same caller: one box.
        call(6, 'receive', [7]),
        call(7, 'forward', [], 'forwarding'),
      ],
      samples: [2, 4, 5, 7, 3],
      timeDeltas: [900, 50, 25, 15, 10],
    },
    'A & B',
  );
  const boxes = [
    ...svg.matchAll(/<title>([^<]*)<\/title><rect x="([\d.]+)" y="(\d+)" width="([\d.]+)"/g),
  ];
  const rows = boxes.map(([, title, x, y, width]) => [title, Number(x), Number(y), Number(width)]);
  assert.deepEqual(rows.map(([title]) => title).sort(), [
    'all: 100.0 %',
    'forwarding/ forward: 40.0 %',
    'link/ open&lt;1&gt;: 50.0 %',
    'link/ receive: 100.0 %',
  ]);
  const [all, open, forward] = ['all', 'link/ open', 'forwarding'].map((name) =>
    rows.find(([title]) => title.startsWith(name)),
  );
  assert.ok(open[2] < all[2] && forward[2] === open[2]);
  assert.ok(Math.abs(open[3] / all[3] - 0.5) < 0.01);
  assert.ok(Math.abs(forward[1] - (open[1] + open[3])) < 1);
  assert.match(svg, /A &amp; B/);
});
