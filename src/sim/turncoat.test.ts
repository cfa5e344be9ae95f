import assert from 'node:assert/strict';
import { test } from 'node:test';
import { milliseconds, readU32, seconds, writeU32 } from '../kernel/index.ts';
import type { FlowRouting, TurncoatOptions } from '../node/index.ts';
import { RECOVERY_PRIORITY, SERVICE_DEFAULT } from '../wire/index.ts';
import { Testbed } from './testbed.ts';
import { evenLink } from './topology.ts';

/** s and t, three ways between them of one node each, and two links across. */
const nodes = ['s', 'x', 'y', 'z', 't'];
const links = ['sx', 'sy', 'sz', 'xt', 'yt', 'zt', 'xy', 'yz'].map((pair) =>
  evenLink(pair[0]!, pair[1]!, { delay: milliseconds(5) }),
);

function deliveredUnder(
  turncoats: Record<string, TurncoatOptions>,
  routing: FlowRouting,
  count = 500,
): { distinct: number; copies: number } {
  const testbed = new Testbed({ seed: 7, topology: { nodes, links }, turncoats: () => turncoats });
  testbed.start();
  testbed.run(seconds(5));
  const heard: number[] = [];
  testbed.node('t').bind({ port: 9, onMessage: (m) => heard.push(readU32(m.payload, 0)) });
  const service = { ...SERVICE_DEFAULT, recovery: RECOVERY_PRIORITY, priority: 5 };
  const socket = testbed.node('s').bind({ routing, service });
  // The session is set up along one way; nodes are captured after that.
  socket.send(new Uint8Array(4).fill(255), { to: 't', port: 9 });
  testbed.run(seconds(3));
  assert.equal(heard.length, 1, 'no session');
  heard.length = 0;
  for (let i = 0; i < count; i++) {
    const payload = new Uint8Array(100);
    writeU32(payload, 0, i);
    socket.send(payload, { to: 't', port: 9 });
    testbed.run(milliseconds(5));
  }
  testbed.run(seconds(3));
  const own = heard.filter((n) => n < count);
  return { distinct: new Set(own).size, copies: own.length };
}

const after = seconds(8);
const AT_THEIR_WORST: Record<string, TurncoatOptions> = {
  'drops everything': { after, drop: 1 },
  'holds everything back': { after, delay: seconds(1) },
  'overtakes, repeats and replays': { after, reorder: 0.5, duplicate: 0.5, replay: 0.5 },
};

for (const [what, turncoat] of Object.entries(AT_THEIR_WORST))
  test(`two nodes of a cut of three cannot stop a flood: each ${what}`, () => {
    for (const captured of [
      ['x', 'y'],
      ['y', 'z'],
      ['x', 'z'],
    ]) {
      const turncoats = Object.fromEntries(captured.map((name) => [name, turncoat]));
      const { distinct, copies } = deliveredUnder(turncoats, { scheme: 'flood' });
      assert.equal(distinct, 500, `${captured} captured`);
      assert.equal(copies, 500, 'something was delivered twice');
    }
  });
