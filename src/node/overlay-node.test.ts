import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DatagramBatch,
  type Instant,
  instant,
  Random,
  seconds,
  type UnderlayAddress,
  underlayAddress,
  type WallTime,
  wallLater,
  wallTime,
} from '../kernel/index.ts';
import { createMember, createNetwork } from '../security/index.ts';
import { simCrypto, simEntropy } from '../sim/index.ts';
import type { NodeEvent, NodeOptions, NodeSink } from './contract.ts';
import { OverlayNode } from './overlay-node.ts';

const WALL = wallTime(1.79e15);
const START = instant(5_000_000);
const crypto = simCrypto();
const entropy = simEntropy(new Random(4));
const network = createNetwork({ crypto, entropy, name: 'test', isLab: false });

function memberOptions(name: string, wall: WallTime = WALL): NodeOptions {
  const made = createMember({ crypto, entropy, network, name, wall, lifetime: seconds(86_400) });
  assert.ok(made.ok);
  return {
    identity: made.value.identity,
    manifest: network.manifest,
    rootKeys: [network.rootKey],
    epoch: 1,
    neighbours: [],
    crypto,
    entropy,
    seed: 1,
  };
}

interface Running {
  readonly node: OverlayNode;
  readonly events: NodeEvent[];
  readonly received: string[];
  readonly sent: { to: UnderlayAddress; bytes: Uint8Array }[];
}

function start(options: NodeOptions): Running {
  const events: NodeEvent[] = [];
  const received: string[] = [];
  const sent: Running['sent'] = [];
  const nothing = (): void => undefined;
  const sink: NodeSink = {
    transmit(batch) {
      for (let i = 0; i < batch.count; i++)
        sent.push({ to: batch.remotes[i]!, bytes: batch.view(i).slice() });
    },
    datagram: (_socket, payload, meta) => {
      received.push(`${Buffer.from(payload).toString()} from ${meta.fromPort}`);
    },
    datagramDrain: nothing,
    streamIncoming: nothing,
    streamConnected: nothing,
    streamData: nothing,
    streamWritable: nothing,
    streamEnded: nothing,
    streamClosed: nothing,
    echo: nothing,
    event: (event) => void events.push(event),
  };
  const made = OverlayNode.start(options, sink, START, WALL);
  assert.ok(made.ok);
  return { node: made.value, events, received, sent };
}

/** Two nodes joined back to back without delay, run for a while. */
function runPair(
  a: Running,
  b: Running,
  addresses: [UnderlayAddress, UnderlayAddress],
  until: Instant,
) {
  const batch = new DatagramBatch({ capacity: 1, slabBytes: 2048 });
  let now: number = START;
  const deliver = (from: Running, to: Running, source: UnderlayAddress): boolean => {
    const datagram = from.sent.shift();
    if (datagram === undefined) return false;
    batch.clear();
    batch.push(datagram.bytes, source, 0);
    to.node.handle({ kind: 'datagrams', batch }, now as Instant);
    return true;
  };
  while (now < until) {
    while (deliver(a, b, addresses[0]) || deliver(b, a, addresses[1]));
    const next = Math.min(a.node.nextTimeout() ?? until, b.node.nextTimeout() ?? until);
    now = Math.max(now, next);
    for (const { node } of [a, b])
      if ((node.nextTimeout() ?? until) <= now) node.handle({ kind: 'timeout' }, now as Instant);
  }
}

test('a node whose own certificate nobody would believe does not start', () => {
  const options = memberOptions('OLD', wallLater(WALL, seconds(-10 * 86_400)));
  const refused = OverlayNode.start(options, {} as NodeSink, START, WALL);
  assert.deepEqual(refused, { ok: false, reason: 'expired' });
});

test('a manifest that no root signed is an error of its own', () => {
  const manifest = network.manifest.slice();
  manifest[manifest.length - 1]! ^= 1;
  assert.throws(
    () => OverlayNode.start({ ...memberOptions('A'), manifest }, {} as NodeSink, START, WALL),
    { code: 'MANIFEST_INVALID' },
  );
});

test('a datagram to the node itself is delivered after the call that sent it', () => {
  const { node, received } = start(memberOptions('SELF'));
  const to = node.datagramBind({ port: 9 }, START);
  const from = node.datagramBind({ port: 8 }, START);
  assert.ok(to.ok && from.ok);
  node.datagramSend(from.value.socket, node.address, 9, Buffer.from('me'), START);
  assert.deepEqual(received, []);
  node.flush(START);
  for (let t = 0; t < 50 && received.length === 0; t++)
    node.handle({ kind: 'timeout' }, (node.nextTimeout() ?? START) as Instant);
  assert.deepEqual(received, ['me from 8']);
});

test('a certificate that is not this node’s is refused and changes nothing', () => {
  const { node, events } = start(memberOptions('A'));
  node.handle({ kind: 'certificate', chain: memberOptions('B').identity.chain }, START);
  assert.deepEqual(events.at(-1), {
    kind: 'refused',
    what: 'enrolment',
    reason: 'not this node',
    remote: 'own certificate',
  });
  assert.equal(node.name, 'A');
});

test('neighbours learn each other, and a node that stops is gone at once', () => {
  const [first, second] = [underlayAddress('10.0.0.1', 1), underlayAddress('10.0.0.2', 2)];
  const a = start({ ...memberOptions('A'), neighbours: [{ name: 'B', remotes: [second] }] });
  const b = start(memberOptions('B'));
  runPair(a, b, [first, second], instant(START + 2_000_000));
  assert.equal(a.node.addressOf('B'), b.node.address);
  const route = a.node.explainRoute(b.node.address, instant(START + 2_000_000))?.route;
  assert.deepEqual(route?.path, [b.node.address]);

  b.node.handle({ kind: 'stop' }, instant(START + 2_000_000));
  const down = (): NodeEvent | undefined => a.events.find((e) => e.kind === 'link-down');
  const batch = new DatagramBatch({ capacity: 64, slabBytes: 64 * 2048 });
  for (const { bytes } of b.sent.splice(0)) batch.push(bytes, second, 0);
  a.node.handle({ kind: 'datagrams', batch }, instant(START + 2_000_001));
  const event = down();
  assert.equal(event?.kind === 'link-down' && event.reason, 'neighbour left');
});

test('status gathers every room’s counters under the room’s name', () => {
  const { node } = start(memberOptions('A'));
  const batch = new DatagramBatch({ capacity: 1, slabBytes: 100 });
  batch.push(new Uint8Array(60).fill(0x15), underlayAddress('10.0.0.9', 9), 0);
  node.handle({ kind: 'datagrams', batch }, START);
  const { counters } = node.status(START);
  assert.ok(
    Object.keys(counters).every((name) => /^(link|routing|forwarding|sockets|node)\./.test(name)),
  );
  assert.ok(
    Object.entries(counters).some(([name, n]) => name.startsWith('link.packet') && n === 1),
  );
});
