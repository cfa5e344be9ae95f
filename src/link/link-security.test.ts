import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WallTime } from '../kernel/index.ts';
import {
  milliseconds,
  Random,
  seconds,
  toHex,
  underlayAddress,
  wallLater,
} from '../kernel/index.ts';
import { createNetwork, revoke } from '../security/index.ts';
import { simEntropy } from '../sim/index.ts';
import {
  FRAME_ENROL_ANSWER,
  FRAME_ENROL_REQUEST,
  PACKET_HANDSHAKE_1,
  PACKET_SEALED,
} from '../wire/index.ts';
import type { TestNode, World } from './harness.test.ts';
import { linkedPair, World as NewWorld, pair, WALL } from './harness.test.ts';
import { EnrolmentClient } from './index.ts';

const bytesOf = (node: TestNode, name: string): number => node.layer.counters.value(name);

/** The sealed datagrams that pass from a to b while the callback runs. */
function capture(world: World, a: TestNode, b: TestNode, during: () => void): Uint8Array[] {
  const seen: Uint8Array[] = [];
  const channel = world.channel(a, b);
  channel.tap = (bytes) => {
    seen.push(bytes.slice());
    return true;
  };
  during();
  channel.tap = undefined;
  return seen;
}

test('replayed, truncated, flipped and forged packets are refused and counted by reason', () => {
  const { world, a, b } = linkedPair();
  const seen = capture(world, a, b, () => {
    a.send(b, 'once');
    world.run(milliseconds(50));
  });
  const packet = seen.find((bytes) => bytes.length > 60)!;
  assert.deepEqual(b.received, ['once']);

  world.inject(a.remote, b.remote, packet);
  world.run(milliseconds(15));
  assert.equal(bytesOf(b, 'link.packet.replayed'), 1);

  for (let length = 0; length < packet.length; length++)
    world.inject(a.remote, b.remote, packet.slice(0, length));
  for (let bit = 0; bit < packet.length * 8; bit++) {
    const flipped = packet.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    world.inject(a.remote, b.remote, flipped);
  }
  world.run(milliseconds(15));
  const forged = packet.slice();
  forged[12] = 0x10;
  forged.fill(0x55, 16);
  world.inject(a.remote, b.remote, forged);
  world.run(milliseconds(100));
  assert.deepEqual(b.received, ['once']);
  assert.ok(bytesOf(b, 'link.packet.malformed') > 0);
  assert.ok(bytesOf(b, 'link.packet.bad-tag') > 0);
  assert.ok(bytesOf(b, 'link.packet.unknown-session') > 0);
  assert.equal(b.events('down').length, 0);
  assert.equal(a.isUp(b) && b.isUp(a), true);
});

test('a forged packet with a high counter does not move the replay window', () => {
  const { world, a, b } = linkedPair();
  const [packet] = capture(world, a, b, () => world.run(milliseconds(150)));
  const forged = packet!.slice();
  forged.fill(0xff, 10, 16);
  world.inject(a.remote, b.remote, forged);
  world.run(milliseconds(20));
  a.send(b, 'still heard');
  world.run(milliseconds(20));
  assert.deepEqual(b.received, ['still heard']);
});

test('a flood of random datagrams gets no byte in answer and leaves nothing behind', () => {
  const world = new NewWorld(3);
  const a = world.node('a').start();
  const random = new Random(99);
  for (let i = 0; i < 20_000; i++) {
    const size = i % 5 === 0 ? 1200 : random.below(1400);
    const bytes = random.bytes(size);
    if (i % 2 === 0 && size > 4) bytes.set([random.between(0x11, 0x15), 0, 0, 0]);
    const host = `10.${random.below(200)}.${random.below(256)}.${random.below(256)}`;
    world.inject(underlayAddress(host, random.between(1, 65_535)), a.remote, bytes);
  }
  world.run(seconds(1));
  assert.equal(a.datagramsIn, 20_000);
  assert.equal(a.bytesOut, 0);
  assert.equal(a.layer.status(world.now).length, 0);
  assert.ok(bytesOf(a, 'link.handshake.forged') > 200);
  assert.ok(Object.keys(a.layer.counters.snapshot()).length < 12);
});

test('under a load of handshakes cookies are demanded and fewer bytes leave than came', () => {
  const world = new NewWorld(4);
  const a = world.node('a').start();
  const attacker = world.node('attacker');
  attacker.start({ neighbours: [{ remotes: [a.remote] }] });
  const first: Uint8Array[] = [];
  world.channel(attacker, a).tap = (bytes) => {
    first.push(bytes.slice());
    return false;
  };
  world.runUntil(() => first.length > 0, seconds(1));
  attacker.isRunning = false;
  world.channel(attacker, a).tap = undefined;
  assert.equal(first[0]![0], PACKET_HANDSHAKE_1);
  for (let i = 0; i < 2_000; i++) {
    const remote = underlayAddress(`10.1.${i >> 8}.${i & 255}`, 4000);
    world.inject(remote, a.remote, first[0]!);
  }
  world.run(milliseconds(500));
  assert.ok(bytesOf(a, 'link.handshake.cookies-demanded') > 1_900);
  assert.ok(a.bytesOut <= a.bytesIn, `${a.bytesOut} out, ${a.bytesIn} in`);
  assert.ok(a.bytesOut < 0.15 * a.bytesIn);
});

test('an honest node gets its link through such a load, with a cookie', () => {
  const world = new NewWorld(5);
  const a = world.node('a').start();
  const b = world.node('b').start({ neighbours: [{ remotes: [a.remote] }] });
  let stamped: Uint8Array | undefined;
  world.channel(b, a).tap = (bytes) => {
    stamped ??= bytes.slice();
    return true;
  };
  world.run(milliseconds(30));
  for (let round = 0; round < 400 && !b.isUp(a); round++) {
    for (let i = 0; i < 20; i++) {
      const remote = underlayAddress(`10.2.${round & 255}.${i}`, 4000);
      if (stamped !== undefined) world.inject(remote, a.remote, stamped);
    }
    world.run(milliseconds(5));
  }
  assert.equal(b.isUp(a), true);
});

test('every handshake message may be doubled, flipped or cut short without harm', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const { world, a, b } = pair(seed);
    const random = new Random(seed);
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const)
      world.channel(from, to).tap = (bytes) => {
        if (bytes[0] !== PACKET_SEALED && random.chance(0.4)) {
          const at = random.below(bytes.length);
          bytes[at]! ^= 1 << random.below(8);
        }
        return random.chance(0.9);
      };
    world.runUntil(() => a.isUp(b) && b.isUp(a), seconds(30));
  }
});

interface Refusal {
  readonly chain?: (world: World, a: TestNode) => Uint8Array;
  readonly reason: string;
}

const refusals: Record<string, Refusal> = {
  expired: {
    chain: (world, a) =>
      world.certify(a.identity, 'a', {
        wall: (WALL - seconds(7_200)) as WallTime,
        lifetime: seconds(60),
      }),
    reason: 'certificate expired',
  },
  'not yet valid': {
    chain: (world, a) => world.certify(a.identity, 'a', { wall: wallLater(WALL, seconds(86_400)) }),
    reason: 'certificate not-yet-valid',
  },
  foreign: {
    chain: (world, a) => {
      const { crypto, entropy } = world;
      const network = createNetwork({ crypto, entropy, name: 'other', isLab: true });
      return world.certify(a.identity, 'a', { network });
    },
    reason: 'certificate foreign-network',
  },
  'somebody else’s': {
    chain: (world) => world.certify(world.node('c').identity, 'c'),
    reason: 'key mismatch',
  },
  missing: { chain: () => new Uint8Array(0), reason: 'certificate malformed' },
};

for (const [kind, refusal] of Object.entries(refusals)) {
  test(`a certificate that is ${kind} is refused, and both ends say why`, () => {
    for (const dialer of ['a', 'b']) {
      const world = new NewWorld(7);
      const a = world.node('a');
      const b = world.node('b');
      a.chain = refusal.chain!(world, a);
      a.start({ neighbours: dialer === 'a' ? [{ remotes: [b.remote] }] : [] });
      b.start({ neighbours: dialer === 'b' ? [{ remotes: [a.remote] }] : [] });
      world.run(seconds(2));
      assert.equal(a.isUp(b) || b.isUp(a), false);
      assert.equal(b.events('refused handshake')[0]!.reason, refusal.reason);
      const told = a.events('refused handshake')[0]!.reason;
      assert.equal(told, `refused by the peer: ${refusal.reason}`);
      if (dialer === 'a') assert.equal(a.layer.status(world.now)[0]!.reason, told);
    }
  });
}

test('a node of another network gets no answer at all', () => {
  const world = new NewWorld(8);
  const stranger = new NewWorld(9);
  const a = world.node('a').start();
  const b = world.node('b').start({
    neighbours: [{ remotes: [a.remote] }],
    trust: stranger.trust(),
  });
  world.run(seconds(3));
  assert.equal(a.bytesOut, 0);
  assert.ok(bytesOf(a, 'link.handshake.forged') > 2);
  assert.equal(b.layer.status(world.now)[0]!.state !== 'up', true);
});

test('revocation drops a standing link, and both ends say why', () => {
  const { world, a, b } = linkedPair();
  const { crypto } = world;
  const trust = world.trust();
  a.start({ neighbours: [{ name: 'b', remotes: [b.remote] }], trust, epoch: 2 });
  world.runUntil(() => a.isUp(b) && b.isUp(a), seconds(2));
  const wall = (WALL + world.now) as WallTime;
  const member = trust.verifyChain(b.chain, wall);
  assert.ok(member.ok);
  const next = revoke({
    crypto,
    rootSeed: world.network.rootSeed,
    manifest: trust.manifest,
    serials: [member.value.serial],
  });
  assert.ok(next.ok);
  assert.equal(trust.adoptManifest(next.value).ok, true);
  a.layer.recheckTrust(world.now);
  a.layer.flush(world.now);
  world.run(seconds(1));
  assert.equal(a.events('down').at(-1)!.reason, 'certificate revoked');
  assert.match(b.events('down').at(-1)!.reason!, /refused by the neighbour: certificate revoked/);
  assert.equal(a.isUp(b), false);
});

test('a certificate that expires while the link stands drops it within a minute', () => {
  const world = new NewWorld(11);
  const a = world.node('a');
  const b = world.node('b');
  b.chain = world.certify(b.identity, 'b', { wall: WALL, lifetime: seconds(90) });
  a.start({ neighbours: [{ remotes: [b.remote] }] });
  b.start();
  world.runUntil(() => a.isUp(b), seconds(2));
  world.run(seconds(80));
  assert.equal(a.isUp(b), true);
  world.run(seconds(70));
  assert.equal(a.isUp(b), false);
});

test('a renewed certificate reaches standing neighbours by a rekey', () => {
  const world = new NewWorld(12);
  const a = world.node('a');
  const b = world.node('b');
  b.chain = world.certify(b.identity, 'b', { wall: WALL, lifetime: seconds(90) });
  a.start({ neighbours: [{ remotes: [b.remote] }] });
  b.start();
  world.runUntil(() => a.isUp(b), seconds(2));
  b.chain = world.certify(b.identity, 'b');
  b.layer.certificate(b.chain, world.now);
  world.run(seconds(300));
  assert.equal(a.events('down').length + b.events('down').length, 0);
});

test('only the configured member is taken at an address, and only configured ones on request', () => {
  const wrong = pair(13, { a: {} });
  const { world } = wrong;
  const c = world.node('c');
  c.start({ neighbours: [{ name: 'a', remotes: [wrong.b.remote] }] });
  world.run(seconds(1));
  assert.equal(c.isUp(wrong.b), false);
  assert.equal(c.events('refused handshake')[0]!.reason, 'wrong member');

  const closed = pair(14, { b: { neighbours: [], acceptLinks: 'configured' } });
  closed.world.run(seconds(2));
  assert.equal(closed.b.events('refused handshake')[0]!.reason, 'not configured');
  assert.equal(closed.a.isUp(closed.b), false);
});

test('links beyond the bound are refused', () => {
  const world = new NewWorld(15);
  const a = world.node('a').start({ limits: { neighboursMax: 2 } });
  const others = ['b', 'c', 'd'].map((name) =>
    world.node(name).start({ neighbours: [{ remotes: [a.remote] }] }),
  );
  world.run(seconds(2));
  assert.equal(others.filter((other) => other.isUp(a)).length, 2);
  assert.equal(a.events('refused handshake')[0]!.reason, 'too many neighbours');
});

const SECRETS = {
  right: new Uint8Array(16).fill(7),
  wrong: new Uint8Array(16).fill(8),
  none: new Uint8Array(0),
};

/** Runs a joiner against an inviter that knows one token, used once. */
function enrol(secret: keyof typeof SECRETS, options: { loss?: number; isUsed?: boolean } = {}) {
  const world = new NewWorld(21);
  const a = world.node('inviter').start();
  const joiner = world.node('joiner');
  world.nodes.pop();
  const random = new Random(5);
  let isUsed = options.isUsed ?? false;
  const client = new EnrolmentClient(
    {
      invite: {
        networkId: world.trust().manifest.networkId,
        rootKey: world.network.rootKey,
        inviterKey: a.identity.agreementPublicKey,
        secret: SECRETS[secret],
      },
      remotes: [underlayAddress('10.0.9.9', 1), a.remote],
      name: 'joiner',
      identity: joiner.identity,
      wall: WALL,
      crypto: world.crypto,
      entropy: simEntropy(random.split('entropy')),
      random,
      transmit: (batch) => world.transmit(joiner, batch),
    },
    world.now,
  );
  // The harness drives anything that looks like a link layer.
  joiner.layer = Object.assign(client, { flush: () => undefined }) as never;
  world.nodes.push(joiner);
  world.channel(joiner, a).loss = options.loss ?? 0;
  world.channel(a, joiner).loss = options.loss ?? 0;
  for (let i = 0; i < 600 && client.outcome === undefined; i++) {
    world.run(milliseconds(50));
    const asked = a.requests.shift();
    if (asked === undefined) continue;
    const isValid = toHex(asked.tokenSecret) === toHex(SECRETS.right);
    const code = !isValid ? 'TOKEN_UNKNOWN' : isUsed ? 'TOKEN_USED' : undefined;
    isUsed ||= isValid;
    if (code !== undefined) a.layer.enrolAnswer(asked.request, { granted: false, code }, world.now);
    else {
      const chain = world.certify(joiner.identity, asked.name);
      const manifest = world.network.manifest;
      a.layer.enrolAnswer(asked.request, { granted: true, chain, manifest }, world.now);
    }
    a.layer.flush(world.now);
  }
  return { world, a, joiner, client };
}

test('a joiner with a good token gets a certificate and manifest, also under loss', () => {
  for (const loss of [0, 0.3]) {
    const { client } = enrol('right', { loss });
    assert.equal(client.outcome?.ok, true);
    assert.equal(client.nextTimeout(), undefined);
  }
});

test('a reused token and a wrong token are refused with their codes', () => {
  const reused = enrol('right', { isUsed: true });
  assert.deepEqual(reused.client.outcome, {
    ok: false,
    reason: { kind: 'refused', code: 'TOKEN_USED' },
  });
  const wrong = enrol('wrong');
  assert.deepEqual(wrong.client.outcome, {
    ok: false,
    reason: { kind: 'refused', code: 'TOKEN_UNKNOWN' },
  });
  assert.equal(wrong.a.events('refused enrolment')[0]!.reason, 'TOKEN_UNKNOWN');
});

test('a request without a token is refused, counted and never asked about', () => {
  const { a, client } = enrol('none');
  const reason = { kind: 'refused', code: 'ENROL_MALFORMED' };
  assert.deepEqual(client.outcome, { ok: false, reason });
  assert.equal(a.events('refused enrolment')[0]!.reason, 'malformed');
  assert.ok(a.layer.counters.value('link.enrol.malformed') > 0);
  assert.equal(a.requests.length, 0);
});

test('a member cannot ask for a certificate under its link', () => {
  const { world, a, b } = linkedPair();
  for (const type of [FRAME_ENROL_REQUEST, FRAME_ENROL_ANSWER])
    b.layer.sendControl(a.address, type, new Uint8Array(120), world.now);
  b.layer.flush(world.now);
  world.run(milliseconds(200));
  assert.equal(a.requests.length, 0);
  assert.equal(a.layer.counters.value('link.packet.frame-not-allowed'), 2);
  assert.equal(a.isUp(b), true);
});

test('a neighbour that moves is followed once its new address has answered', () => {
  const { world, a, b } = linkedPair();
  const home = b.remote;
  world.run(seconds(1));
  assert.equal(a.layer.facts.metrics(b.address)!.mtu, 1452);
  Object.assign(b, { remote: underlayAddress('10.9.9.9', 7001) });
  b.send(a, 'from elsewhere');
  world.run(milliseconds(35));
  assert.equal(a.layer.status(world.now)[0]!.remote.key, b.remote.key);
  assert.notEqual(a.layer.status(world.now)[0]!.remote.key, home.key);
  assert.equal(bytesOf(a, 'link.roamed'), 1);
  a.send(b, 'found you');
  world.run(seconds(1));
  assert.deepEqual(b.received, ['found you']);
  assert.equal(a.layer.status(world.now)[0]!.mtu, 1452, 'the new path has been probed');
  assert.equal(a.events('down').length + b.events('down').length, 0);
});

test('a packet held back and sent from elsewhere moves nothing and floods nobody', () => {
  const { world, a, b } = linkedPair();
  const stranger = underlayAddress('10.6.6.6', 666);
  const held: Uint8Array[] = [];
  world.channel(b, a).tap = (bytes) => held.push(bytes.slice()) > 3;
  for (let i = 0; i < 3; i++) b.send(a, `held ${i}`, 200);
  world.channel(b, a).tap = undefined;
  const sizes: number[] = [];
  world.channelBetween(a.remote.key, stranger.key).tap = (bytes) => {
    sizes.push(bytes.length);
    return true;
  };
  for (const bytes of held) {
    world.inject(stranger, a.remote, bytes);
    world.run(milliseconds(15));
    a.send(b, 'where it belongs', 1000);
  }
  world.run(seconds(3));
  const sum = (lengths: number[]): number => lengths.reduce((total, n) => total + n, 0);
  assert.ok(sizes.length > 0, 'the address is asked');
  assert.ok(sum(sizes) <= sum(held.map((bytes) => bytes.length)), `${sizes}`);
  assert.ok(Math.max(...sizes) < 100, 'neither data nor a probe goes there');
  assert.deepEqual(b.received, Array(3).fill('where it belongs'));
  assert.equal(a.layer.status(world.now)[0]!.remote.key, b.remote.key);
  assert.equal(bytesOf(a, 'link.roamed'), 0);
  assert.equal(bytesOf(a, 'link.address-checks-unanswered'), 1);
  assert.equal(a.events('down').length + b.events('down').length, 0);
});
