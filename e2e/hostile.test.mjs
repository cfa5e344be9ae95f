/**
 * Everything that strangers, thieves and traitors may send to a daemon on loopback: it is refused,
 * counted by its reason, answered with no more bytes than it cost, and the daemon and the link to its
 * honest neighbour go on as if nothing had been.
 */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { concatBytes, Random } from '../dist/kernel/index.js';
import {
  encodeFlood,
  encodeLinkState,
  FRAME_FLOOD,
  FRAME_FLOOD_ACK,
  FRAME_SYNC,
  formatInviteToken,
  linkStateSigningInput,
  parseInviteToken,
  RECORD_BYTES_MAX,
  RECORD_LINK_STATE,
} from '../dist/wire/index.js';
import { scratch, until } from './support/bounded.mjs';
import { found } from './support/founded.mjs';
import { overlane } from './support/overlane.mjs';
import { certify, crypto, foreignNetwork, Rogue } from './support/rogue.mjs';

const FLOOD_DATAGRAMS = 40_000;
const FLOOD_SOCKETS = 48;
/** What a second flood may add to the memory that the first one made the daemon use. */
const GROWTH_BYTES = 16 * 1024 * 1024;
const HOUR_MS = 3_600_000;

/** Ends with the suite: what `t.after` is to one test. */
const ending = [];
const suite = { after: (end) => ending.unshift(end) };
let network;
let victim;

before(async () => {
  network = await found(suite, ['ATL', 'LAX']);
  victim = network.founder;
});

after(async () => {
  for (const end of ending) await end();
});

const counted = (name, atLeast = 1) =>
  until(`${name} is counted`, async () => (await victim.counter(name)) >= atLeast);

const rogueWith = (t, member, more = {}) =>
  Rogue.open(t, { ...member, membership: network.membership, target: victim.endpoint, ...more });

const member = (name, options = {}) => certify({ ...network, name, ...options });

describe('who may have a link', () => {
  const kinds = {
    missing: () => ({ ...member('EVE'), chain: new Uint8Array(0) }),
    expired: () => member('EVE', { fromMs: Date.now() - 3 * HOUR_MS, lifetimeMs: HOUR_MS }),
    'not yet valid': () => member('EVE', { fromMs: Date.now() + 24 * HOUR_MS }),
    'of a foreign network': () => certify({ ...foreignNetwork(), name: 'EVE' }),
    'signed by nobody known': () => member('EVE', { rootSeed: foreignNetwork().rootSeed }),
    'another’s': () => ({ ...member('EVE'), chain: member('MAL').chain }),
    changed: () => {
      const made = member('EVE');
      const chain = made.chain.slice();
      chain[chain.length - 1] ^= 1;
      return { ...made, chain };
    },
  };
  const reasons = {
    missing: 'certificate-malformed',
    expired: 'certificate-expired',
    'not yet valid': 'certificate-not-yet-valid',
    'of a foreign network': 'certificate-foreign-network',
    'signed by nobody known': 'certificate-unknown-issuer',
    'another’s': 'key-mismatch',
    changed: 'certificate-bad-signature',
  };
  for (const [kind, make] of Object.entries(kinds))
    test(`a certificate that is ${kind} gets no link`, async (t) => {
      const rogue = await rogueWith(t, make());
      await counted(`link.handshake.refused.${reasons[kind]}`);
      await until('the rogue is told why', () => rogue.refusals.length > 0);
      assert.match(rogue.refusals[0], /^refused by the peer: /);
      assert.equal(rogue.isUp, false);
    });

  test('a stranger who does not know the network gets no answer at all', async (t) => {
    const foreign = foreignNetwork();
    const membership = { rootKeys: [foreign.rootKey], manifest: foreign.manifest };
    const rogue = await rogueWith(t, certify({ ...foreign, name: 'EVE' }), { membership });
    await counted('link.handshake.forged', 3);
    assert.equal(rogue.underlay.counters()['datagrams-in'], 0);
  });

  test('a revoked certificate loses its link and gets none again', async (t) => {
    const traitor = member('EVE');
    const rogue = await rogueWith(t, traitor);
    await rogue.linked();
    await until('EVE is known', async () => {
      rogue.announce();
      const { members } = await victim.handle.status();
      return members.some(({ name }) => name === 'EVE');
    });
    await victim.handle.revoke('EVE');
    await until('the link is gone', () => !rogue.isUp);
    assert.match(rogue.refusals.at(-1), /certificate revoked/);
    await rogueWith(t, traitor, { epoch: 2 });
    await counted('link.handshake.refused.certificate-revoked');
  });
});

describe('packets on a link', () => {
  test('replayed, truncated, flipped and forged ones are refused', async (t) => {
    const rogue = await rogueWith(t, member('REP'));
    await rogue.linked();
    await until('packets were sent', () => rogue.sent.length > 5);
    const packet = rogue.sent.at(-1);
    const raw = createSocket('udp4');
    t.after(() => raw.close());
    const [host, port] = victim.endpoint.split(':');
    const inject = (bytes) =>
      new Promise((resolve) => raw.send(bytes, Number(port), host, () => resolve()));
    for (const sent of rogue.sent.slice()) await inject(sent);
    await counted('link.packet.replayed', 5);
    for (let length = 0; length < packet.length; length++) await inject(packet.slice(0, length));
    await counted('link.packet.malformed', 8);
    const badTags = await victim.counter('link.packet.bad-tag');
    for (let bit = 0; bit < 8 * packet.length; bit++) {
      const flipped = packet.slice();
      // A counter that was not used yet, so that it is not refused as a replay before the tag is seen.
      flipped[10] = 1;
      flipped[bit >> 3] ^= 1 << (bit & 7);
      await inject(flipped);
    }
    await counted('link.packet.bad-tag', badTags + 100);
    await counted('link.packet.unknown-session', 8);
    const before = await victim.counter('link.roamed');
    assert.equal(before, 0, 'no forged packet moves a link to another address');
    assert.equal(rogue.isUp, true, 'the link itself is unharmed');
  });
});

describe('link state from a member that lies', () => {
  let rogue;
  let liar;

  before(async () => {
    liar = member('LIE');
    rogue = await Rogue.open(suite, {
      ...liar,
      membership: network.membership,
      target: victim.endpoint,
    });
    await rogue.linked();
    await until('the liar is known', async () => {
      rogue.announce();
      const { members } = await victim.handle.status();
      return members.some(({ name }) => name === 'LIE');
    });
  });

  const report = (neighbour, latencyMs) => ({
    neighbour,
    latency: latencyMs * 1_000,
    jitter: 0,
    lossOutPpm: 0,
    lossInPpm: 0,
    mtu: 1400,
  });

  function record({
    origin,
    seed,
    epoch = 1,
    sequence,
    links = [],
    networkId = network.networkId,
  }) {
    const sorted = [...links].sort((a, b) => a.neighbour - b.neighbour);
    const content = encodeLinkState({
      isWithdrawn: false,
      links: sorted,
      extensions: new Uint8Array(0),
    });
    const version = { type: RECORD_LINK_STATE, part: 0, origin, epoch, sequence };
    const input = linkStateSigningInput(networkId, version, content);
    return { ...version, age: 0, body: concatBytes(content, crypto.signer(seed).sign(input)) };
  }

  const flood = (fields) => rogue.control(FRAME_FLOOD, encodeFlood(fields));
  const addressOf = async (name) => {
    const { members, address } = await victim.handle.status();
    const text = name === 'ATL' ? address : members.find((m) => m.name === name).address;
    return Number.parseInt(text, 16);
  };
  const routeToLax = async () => (await victim.handle.explain('LAX')).route.path.join();

  test('what others are said to have signed is refused', async () => {
    const lax = await addressOf('LAX');
    const seed = liar.identity.signingSeed;
    flood(record({ origin: lax, seed, epoch: 0xffff_0000, sequence: 1, links: [] }));
    await counted('routing.bad-link-state-signature');
    assert.equal(await routeToLax(), 'LAX');
  });

  test('its own, of another network or under another number, is refused', async () => {
    const { identity } = liar;
    const own = { origin: identity.address, seed: identity.signingSeed };
    const foreign = record({ ...own, sequence: 10, networkId: new Uint8Array(16) });
    const before = await victim.counter('routing.bad-link-state-signature');
    flood(foreign);
    flood({ ...record({ ...own, sequence: 10 }), sequence: 11 });
    await counted('routing.bad-link-state-signature', before + 2);
  });

  test('an older record than the one held changes nothing', async () => {
    const { identity } = liar;
    const own = { origin: identity.address, seed: identity.signingSeed };
    const accepted = await victim.counter('routing.record-accepted');
    flood(record({ ...own, sequence: 20 }));
    await counted('routing.record-accepted', accepted + 1);
    flood(record({ ...own, sequence: 19 }));
    await counted('routing.record-stale');
  });

  test('a link that only one end tells of is not used, however fast', async () => {
    const { identity } = liar;
    const [atl, lax] = [await addressOf('ATL'), await addressOf('LAX')];
    const own = { origin: identity.address, seed: identity.signingSeed };
    const accepted = await victim.counter('routing.record-accepted');
    flood(record({ ...own, sequence: 21, links: [report(atl, 0), report(lax, 0)] }));
    await counted('routing.record-accepted', accepted + 1);
    assert.equal(await routeToLax(), 'LAX');
  });

  test('truncated, oversized and unknown frames are refused', async () => {
    const { identity } = liar;
    rogue.control(FRAME_FLOOD, new Uint8Array(RECORD_BYTES_MAX + 1));
    rogue.control(FRAME_FLOOD, new Uint8Array(7));
    await counted('routing.malformed-record', 2);
    rogue.control(FRAME_FLOOD_ACK, new Uint8Array(13));
    await counted('routing.malformed-ack');
    rogue.control(FRAME_SYNC, new Uint8Array(3));
    await counted('routing.malformed-sync');
    const own = { origin: identity.address, seed: identity.signingSeed };
    flood({ ...record({ ...own, sequence: 30 }), type: 200 });
    await counted('routing.unknown-record-type');
    flood({ ...record({ ...own, sequence: 31 }), body: new Uint8Array(300).fill(0xff) });
    await counted('routing.malformed-link-state');
  });

  test('more than a sound node ever says is not even looked at', async () => {
    const lax = await addressOf('LAX');
    const seed = liar.identity.signingSeed;
    const origin = liar.identity.address;
    for (let i = 0; i < 300; i++) flood(record({ origin, seed, sequence: 100 + i }));
    await counted('routing.origin-rate-limited', 100);
    const epoch = 0xffff_1000;
    for (let i = 0; i < 300; i++) flood(record({ origin: lax, seed, epoch, sequence: i + 1 }));
    await counted('routing.forgeries-rate-limited', 100);
    assert.equal(await routeToLax(), 'LAX');
  });
});

describe('invites', () => {
  const joinWith = (t, token, args = []) =>
    overlane(['join', token, '--state', join(scratch(t, 'join'), 'state'), '--json', ...args]);
  const refused = ({ code, stdout }, expected) => {
    assert.notEqual(code, 0, stdout);
    const document = JSON.parse(stdout);
    assert.equal(document.schema, 'overlane.error/1');
    assert.equal(document.code, expected);
    return document;
  };

  test('one that was used is good for nobody else', async (t) => {
    const { token } = await victim.handle.invite({ name: 'NEW' });
    const first = await joinWith(t, token);
    assert.equal(first.code, 0, first.stdout);
    const { details } = refused(await joinWith(t, token), 'JOIN_REFUSED');
    assert.equal(details.reason, 'TOKEN_USED');
    await counted('link.enrol.token-used');
  });

  test('one for another name is refused', async (t) => {
    const { token } = await victim.handle.invite({ name: 'SEA' });
    const outcome = await joinWith(t, token, ['--name', 'POR']);
    assert.equal(refused(outcome, 'JOIN_REFUSED').details.reason, 'NAME_MISMATCH');
    await counted('link.enrol.name-mismatch');
  });

  test('an expired one is refused here and, with a forged date, there', async (t) => {
    const { token } = await victim.handle.invite({ expiresMs: 1_000 });
    const parsed = parseInviteToken(token).value;
    await until('it has expired', () => Date.now() * 1_000 > parsed.expiry + 1_000_000);
    refused(await joinWith(t, token, ['--name', 'OLD']), 'TOKEN_EXPIRED');
    const forged = formatInviteToken({ ...parsed, expiry: parsed.expiry + 3_600_000_000 });
    const outcome = await joinWith(t, forged, ['--name', 'OLD']);
    assert.equal(refused(outcome, 'JOIN_REFUSED').details.reason, 'TOKEN_EXPIRED');
    await counted('link.enrol.token-expired');
  });

  test('a mistyped one never leaves the host, a made-up one is not known there', async (t) => {
    const { token } = await victim.handle.invite({ name: 'TYP' });
    const at = token.length - 20;
    const mistyped = `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`;
    const { details } = refused(await joinWith(t, mistyped), 'TOKEN_INVALID');
    assert.equal(details.reason, 'mistyped');
    const parsed = parseInviteToken(token).value;
    const made = formatInviteToken({ ...parsed, secret: new Uint8Array(16).fill(9) });
    const outcome = await joinWith(t, made, ['--name', 'TYP']);
    assert.equal(refused(outcome, 'JOIN_REFUSED').details.reason, 'TOKEN_UNKNOWN');
    await counted('link.enrol.token-unknown');
  });
});

describe('a flood of datagrams', () => {
  test('from many addresses and ports costs no memory and gets no more bytes back', async (t) => {
    const rogue = await rogueWith(t, member('FLD'));
    await rogue.linked();
    const sockets = await openMany(t, 77);
    const random = new Random(78);
    const flood = async () => {
      for (let i = 0; i < FLOOD_DATAGRAMS; i++)
        await sockets[i % sockets.length].send(hostileBytes(random, i, rogue));
    };
    // Twice: memory that is kept for what arrives at once comes into use as bursts first need it.
    await flood();
    await flood();
    const before = await victim.handle.info();
    const status = await victim.handle.status();
    const began = performance.now();
    await flood();
    const tookMs = performance.now() - began;
    const { counters } = await victim.handle.status();
    const { memoryBytes } = await victim.handle.info();
    const totals = {
      out: sockets.reduce((sum, s) => sum + s.bytesOut, 0),
      in: sockets.reduce((sum, s) => sum + s.bytesIn, 0),
    };
    for (const socket of sockets)
      assert.ok(socket.bytesIn <= socket.bytesOut, `${socket.bytesIn} for ${socket.bytesOut}`);
    const grown = memoryBytes - before.memoryBytes;
    const came = counters['underlay.datagrams-in'] - status.counters['underlay.datagrams-in'];
    t.diagnostic(
      `twice ${FLOOD_DATAGRAMS} datagrams (${(totals.out / 1e6).toFixed(1)} MB, ${(totals.in / 1e6).toFixed(2)} MB sent back), the second time in ${Math.round(tookMs)} ms, ${came} read, memory ${(grown / 1e6).toFixed(1)} MB more`,
    );
    for (const name of ['forged', 'cookies-demanded', 'malformed'])
      assert.ok((counters[`link.handshake.${name}`] ?? 0) > 0, `handshake.${name} is counted`);
    assert.ok(grown < GROWTH_BYTES, `${grown} bytes more`);
    const names = Object.keys(counters).length - Object.keys(status.counters).length;
    assert.ok(names < 16, `${names} new counters`);
    // The flood filled the system's own buffer; what is in it must be worked off first.
    await until('LAX answers', async () => {
      const { outcome } = await victim.handle.ping('LAX', { timeoutMs: 500 });
      return outcome === 'reply';
    });
  });
});

describe('in the end', () => {
  test('the daemon is the same process, and its log has nothing of a fault in it', async () => {
    assert.equal(victim.process.child.exitCode, null);
    const lines = victim.process.output.stdout.trim().split('\n');
    for (const line of lines) {
      const { level } = JSON.parse(line);
      assert.ok(level !== 'error' && level !== 'fatal', line);
    }
    assert.equal(victim.process.output.stderr, '');
    const { links } = await victim.handle.status();
    const honest = links.find(({ neighbour }) => neighbour === 'LAX');
    assert.equal(honest.state, 'up');
    const { epoch } = JSON.parse(readFileSync(join(victim.state, 'epoch'), 'utf8'));
    assert.equal((await victim.handle.status()).epoch, epoch);
  });
});

/** Sockets on addresses drawn from 127/8, each counting its bytes both ways. */
async function openMany(t, seed) {
  const random = new Random(seed);
  const [host, port] = victim.endpoint.split(':');
  const sockets = [];
  for (let i = 0; i < FLOOD_SOCKETS; i++) {
    const socket = createSocket('udp4');
    socket.bind(0, `127.${random.between(1, 254)}.${random.below(256)}.${random.between(1, 254)}`);
    await once(socket, 'listening');
    t.after(() => socket.close());
    const counter = { bytesIn: 0, bytesOut: 0 };
    socket.on('message', (bytes) => {
      counter.bytesIn += bytes.length;
    });
    counter.send = (bytes) =>
      new Promise((resolve) => {
        counter.bytesOut += bytes.length;
        socket.send(bytes, Number(port), host, () => resolve());
      });
    sockets.push(counter);
  }
  return sockets;
}

/** Noise, noise that begins like a packet, real first messages again, real sealed packets changed. */
function hostileBytes(random, i, rogue) {
  const kind = i % 4;
  if (kind === 0) return random.bytes(random.between(1, 1400));
  if (kind === 1) {
    const bytes = random.bytes(random.chance(0.3) ? 1200 : random.between(4, 1400));
    bytes.set([random.between(0x11, 0x15), 0, 0, 0]);
    return bytes;
  }
  const source = kind === 2 ? rogue.handshakes[0] : rogue.sent.at(-1);
  const bytes = source.slice();
  if (kind === 3) bytes[random.below(bytes.length)] ^= 1 << random.below(8);
  return bytes;
}
