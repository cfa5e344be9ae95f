import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FlowTraffic } from '../host/index.ts';
import { LaneTally } from './lane-tally.ts';

const row = (given: Partial<FlowTraffic>): FlowTraffic => ({
  ...{ source: 'ATL', destination: 'LAX', flow: 3, lane: 'video', route: 'each node' },
  ...{
    packets: 0,
    bytes: 0,
    copies: 0,
    recovered: 0,
    duplicates: 0,
    late: 0,
    dropped: 0,
    idleMs: 0,
  },
  ...given,
});

test('counts of a daemon outlive it', () => {
  const tally = new LaneTally({ lane: 'video', source: 'ATL' });
  tally.heard('ATL', [row({ packets: 100, copies: 100 })]);
  tally.heard('DFW', [row({ packets: 98, copies: 98, recovered: 20 })]);
  tally.heard('DFW', []);
  tally.heard('DFW', [row({ packets: 5, copies: 5, recovered: 1 })]);
  tally.heard('DFW', [row({ packets: 10, copies: 10, recovered: 2 })]);
  const { recovered, transmissions } = tally.view(2);
  assert.equal(recovered, 22);
  assert.equal(transmissions, (100 + 98 + 10 + 22) / 100);
});

test('the measured flow is the greatest of its lane that no path is stamped on', () => {
  const tally = new LaneTally({ lane: 'default', source: 'ATL' });
  const twin = row({ flow: 1, lane: 'default', route: 'path', packets: 900 });
  const echo = row({ flow: 2, lane: 'default', packets: 3 });
  const own = row({ flow: 4, lane: 'default', packets: 800, copies: 800 });
  tally.heard('DFW', [own]);
  tally.heard('ATL', [twin, echo, own]);
  assert.equal(tally.view(2).transmissions, 1, 'what DFW said before is asked again');
});
