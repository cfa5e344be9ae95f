/**
 * Captured nodes among real daemons: what passes one is lost on the one path through it, and arrives
 * on two disjoint paths and on a flood. And what only labs may ask for.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TURNCOAT_KINDS } from '../dist/lab/index.js';
import { until } from './support/bounded.mjs';
import { found } from './support/founded.mjs';
import { overlane, overlaneJson, startLab } from './support/overlane.mjs';

const bounded = { timeout: 120_000 };
const PACKETS = 200;
const WAYS = [
  ['one path', { routing: { via: ['DFW', 'LAX'] } }],
  ['two disjoint paths', { routing: { disjoint: 2 } }],
  ['a flood', { routing: 'flood' }],
  ['the lane control', { lane: 'control' }],
  ['signed on two disjoint paths', { routing: { disjoint: 2 }, signed: true }],
];
const COUNTS = Object.fromEntries(WAYS.map(([way]) => [way, PACKETS]));

test(
  'a node that drops stops the one path and no other way; one that alters, nothing that is signed',
  bounded,
  async (t) => {
    const link = (a, b) => ({ a, b, impairments: { delayMs: 2 } });
    const cluster = await startLab(t, {
      nodes: ['ATL', 'DFW', 'DEN', 'LAX'],
      links: [link('ATL', 'DFW'), link('DFW', 'LAX'), link('ATL', 'DEN'), link('DEN', 'LAX')],
    });
    await cluster.routed('ATL', 'LAX');
    const flows = await Promise.all(WAYS.map(([, options], i) => open(cluster, 20 + i, options)));
    for (const flow of flows) await flow.heardFrom();
    await cluster.configure('DFW', { turncoat: TURNCOAT_KINDS.drop.config });
    const carried = async () => {
      const heard = await Promise.all(flows.map((flow) => flow.carry(PACKETS)));
      return Object.fromEntries(WAYS.map(([way], i) => [way, heard[i]]));
    };
    assert.deepEqual(await carried(), { ...COUNTS, 'one path': 0 });
    await cluster.configure('DFW', { turncoat: undefined });
    await flows[0].heardFrom();
    await cluster.configure('DFW', { turncoat: TURNCOAT_KINDS.corrupt.config });
    const altered = await carried();
    for (const way of ['the lane control', 'signed on two disjoint paths'])
      assert.equal(altered[way], PACKETS, way);
    const { counters } = await cluster.node('LAX').handle.status();
    assert.ok(counters['forwarding.dropped.bad-source-signature'] > 0);
  },
);

/** A flow from ATL to LAX whose packets are counted where they arrive, each once. */
async function open(cluster, port, options) {
  const sender = await cluster.node('ATL').handle.datagram(options);
  const inbox = await cluster.node('LAX').handle.datagram({ port });
  const seen = new Set();
  let sent = 0;
  inbox.on('message', ({ payload }) => seen.add(Buffer.from(payload).readUInt32BE(0)));
  const send = () => {
    const payload = Buffer.alloc(100);
    payload.writeUInt32BE(sent++);
    sender.send(payload, { to: { node: 'LAX', port } });
  };
  return {
    heardFrom: () => {
      const before = seen.size;
      return until(`something new arrives at port ${port}`, async () => {
        send();
        return seen.size > before;
      });
    },
    /** How many of `count` packets arrive before two seconds pass without one. */
    async carry(count) {
      const first = sent;
      const ours = () => [...seen].filter((n) => n >= first && n < first + count).length;
      for (let i = 0; i < count; i++) {
        send();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      const limit = performance.now() + 2_000;
      await until('all are here or late', () => ours() === count || performance.now() > limit);
      return ours();
    },
  };
}

test('the lab captures nodes by name and kind, and says what came of it', bounded, async () => {
  const words = ['lab', '--turncoat', 'DFW=drop', '--lane', 'control', '--no-story'];
  const summary = await overlaneJson([...words, '--seconds', '8'], { timeoutMs: 90_000 });
  assert.deepEqual(summary.captured, { DFW: 'drops every packet' });
  assert.ok(summary.twin.lost > 100, `the twin lost ${summary.twin.lost}`);
  // On a machine with much else to do some come too late.
  const { overlay, twin } = summary;
  assert.ok(overlay.lost < twin.lost / 4, `the flow lost ${overlay.lost}, the twin ${twin.lost}`);
  for (const [wrong, hint] of [
    ['DFW=dropp', /no kind of turncoat "dropp"; did you mean "drop"/],
    ['DFV=drop', /no node DFV can be captured; did you mean "DFW"/],
    ['ATL=drop', /no node ATL can be captured/],
    ['DFW', /expected NODE=KIND/],
  ]) {
    const { code, stderr } = await overlane(['lab', '--turncoat', wrong]);
    assert.notEqual(code, 0);
    assert.match(stderr, hint);
  }
});

test('a network that is no lab captures nobody', bounded, async (t) => {
  const { founder } = await found(t, ['ATL'], {}, { isLab: false });
  founder.configure({ turncoat: { drop: '100%' } });
  await assert.rejects(founder.handle.reload(), ({ code, message }) => {
    assert.deepEqual([code, /`turncoat`/.test(message)], ['NOT_A_LAB', true]);
    return true;
  });
});
