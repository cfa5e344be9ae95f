/** Forged, stale, oversized and excessive control traffic; manifests; revocations; bounds. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { Duration, NodeAddress, Signer } from '../kernel/index.ts';
import { concatBytes, instant, milliseconds, seconds, wallTime } from '../kernel/index.ts';
import { issueManifest } from '../security/index.ts';
import {
  encodeFlood,
  encodeLinkState,
  type FloodFrame,
  FRAME_FLOOD,
  FRAME_FLOOD_ACK,
  FRAME_SYNC,
  type LinkReport,
  linkStateSigningInput,
  RECORD_BYTES_MAX,
  RECORD_CERTIFICATE,
  RECORD_LINK_STATE,
  RECORD_MANIFEST,
} from '../wire/index.ts';
import { TestNetwork, type TestNode, WALL_START } from './test-network.test.ts';

/** A line of nodes with 10 ms between neighbours. */
function line(...names: string[]): TestNetwork {
  const network = new TestNetwork();
  for (const name of names) network.add(name);
  for (let i = 1; i < names.length; i++) network.link(names[i - 1]!, names[i]!, 10);
  network.run(3_000);
  return network;
}

const linkTo = (node: TestNode, latencyMs: number): LinkReport => ({
  neighbour: node.address,
  latency: milliseconds(latencyMs),
  jitter: 0 as Duration,
  lossOutPpm: 0,
  lossInPpm: 0,
  mtu: 1400,
});

function linkState(
  node: TestNode,
  signer: Signer,
  version: { epoch: number; sequence: number; part?: number },
  links: LinkReport[],
): FloodFrame {
  const { address: origin } = node;
  const sorted = links.sort((a, b) => a.neighbour - b.neighbour);
  const state = { isWithdrawn: false, links: sorted, extensions: new Uint8Array(0) };
  const content = encodeLinkState(state);
  const full = { type: RECORD_LINK_STATE, part: 0, origin, ...version };
  const input = linkStateSigningInput(node.network.trustStore().networkId, full, content);
  return { ...full, age: 0, body: concatBytes(content, signer.sign(input)) };
}

/** Hands `to` a record as if `from` had sent it. */
function inject(from: TestNode, to: TestNode, record: FloodFrame): void {
  const body = encodeFlood(record);
  to.routing.frame(from.address, FRAME_FLOOD, body, 0, body.length, to.network.now);
}

test('link state signed by another than its origin is refused and changes nothing', () => {
  const network = line('A', 'B', 'C');
  const [a, b, c] = ['A', 'B', 'C'].map((n) => network.node(n)) as [TestNode, TestNode, TestNode];
  const version = { epoch: 9, sequence: 1 };
  inject(b, a, linkState(c, b.signer, version, [linkTo(a, 1)]));
  assert.equal(a.routing.counters.value('bad-link-state-signature'), 1);
  assert.deepEqual(a.refusals, ['bad-link-state-signature']);
  network.run(1_000);
  assert.equal(a.pathTo('C'), 'B C');
});

test('a genuine record under another version, part or network is refused', () => {
  const network = line('A', 'B', 'C');
  const [a, b, c] = ['A', 'B', 'C'].map((n) => network.node(n)) as [TestNode, TestNode, TestNode];
  const genuine = linkState(c, c.signer, { epoch: 1, sequence: 50 }, []);
  const foreign = new TestNetwork({ seed: 77 });
  const other = foreign.add('C');
  inject(b, a, { ...genuine, sequence: 51 });
  inject(b, a, { ...genuine, epoch: 2 });
  inject(b, a, { ...genuine, part: 1 });
  const abroad = linkState(other, c.signer, { epoch: 1, sequence: 60 }, []);
  inject(b, a, { ...abroad, origin: c.address });
  assert.equal(a.routing.counters.value('bad-link-state-signature'), 4);
  assert.equal(a.pathTo('C'), 'B C');
});

test('an older record is answered with the newer one', () => {
  const network = line('A', 'B');
  const [a, b] = [network.node('A'), network.node('B')];
  const sent: number[] = [];
  network.tap = (from, _to, type) => {
    if (from === a) sent.push(type);
  };
  inject(b, a, linkState(b, b.signer, { epoch: 0, sequence: 9 }, []));
  network.run(500);
  assert.equal(a.routing.counters.value('record-stale'), 1);
  assert.ok(sent.includes(FRAME_FLOOD) && sent.includes(FRAME_FLOOD_ACK));
  assert.equal(a.pathTo('B'), 'B');
});

test('truncated, oversized and unknown frames are counted, whatever their bytes', () => {
  const network = line('A', 'B');
  const [a, b] = [network.node('A'), network.node('B')];
  const oversized = new Uint8Array(RECORD_BYTES_MAX + 1);
  a.routing.frame(b.address, FRAME_FLOOD, oversized, 0, oversized.length, network.now);
  a.routing.frame(b.address, FRAME_FLOOD, oversized, 0, 7, network.now);
  a.routing.frame(b.address, FRAME_FLOOD_ACK, oversized, 0, 13, network.now);
  a.routing.frame(b.address, FRAME_SYNC, oversized, 0, 2, network.now);
  a.routing.frame(b.address, 0x6f, oversized, 0, 2, network.now);
  a.routing.frame(0x77 as NodeAddress, FRAME_FLOOD, oversized, 0, 100, network.now);
  const { counters } = a.routing;
  assert.equal(counters.value('malformed-record'), 2);
  assert.equal(counters.value('malformed-ack'), 1);
  assert.equal(counters.value('malformed-sync'), 1);
  assert.equal(counters.value('unknown-frame'), 1);
  assert.equal(counters.value('frame-without-adjacency'), 1);
  inject(b, a, { ...linkState(b, b.signer, { epoch: 1, sequence: 999 }, []), type: 200 });
  assert.equal(counters.value('unknown-record-type'), 1);
});

test('any bytes in any frame leave the node working', () => {
  const network = line('A', 'B', 'C');
  const [a, b] = [network.node('A'), network.node('B')];
  const types = fc.constantFrom(FRAME_FLOOD, FRAME_FLOOD_ACK, FRAME_SYNC);
  const header = fc.constantFrom(
    Uint8Array.of(RECORD_LINK_STATE, 0),
    Uint8Array.of(RECORD_CERTIFICATE, 0),
    Uint8Array.of(RECORD_MANIFEST, 0),
    Uint8Array.of(1, 0, 0, 1),
    new Uint8Array(0),
  );
  fc.assert(
    fc.property(types, header, fc.uint8Array({ maxLength: 300 }), (type, head, bytes) => {
      const body = concatBytes(head, bytes);
      a.routing.frame(b.address, type, body, 0, body.length, network.now);
    }),
    { numRuns: 1_000 },
  );
  network.run(60_000);
  assert.equal(a.pathTo('C'), 'B C');
  assert.ok(a.routing.load().records < 20);
});

test('forgeries from one neighbour are looked at only so often', () => {
  const network = line('A', 'B', 'C');
  const [a, b, c] = ['A', 'B', 'C'].map((n) => network.node(n)) as [TestNode, TestNode, TestNode];
  for (let i = 0; i < 500; i++)
    inject(b, a, linkState(c, b.signer, { epoch: 5, sequence: i + 1 }, []));
  assert.equal(a.routing.counters.value('bad-link-state-signature'), 20);
  assert.equal(a.routing.counters.value('forgeries-rate-limited'), 480);
  assert.ok(a.refusals.length <= 10);
});

test('an origin that floods without end is taken at a bounded rate, its newest in the end', () => {
  const network = line('A', 'B', 'C');
  const [a, b, c] = ['A', 'B', 'C'].map((n) => network.node(n)) as [TestNode, TestNode, TestNode];
  for (let i = 0; i < 300; i++)
    inject(b, a, linkState(c, c.signer, { epoch: 1, sequence: 100 + i }, [linkTo(b, 10)]));
  assert.ok(a.routing.counters.value('origin-rate-limited') > 250);
  // Comparing summaries brings the flood back to C, which outruns it.
  network.run(45_000);
  assert.ok(c.routing.counters.value('own-record-outrun') > 0);
  assert.equal(a.pathTo('C'), 'B C');
});

test('two records under one version: counted, and every node keeps the same one', () => {
  const network = line('A', 'B', 'C', 'D');
  const node = (name: string): TestNode => network.node(name);
  node('D').isRunning = false;
  const version = { epoch: 3, sequence: 7 };
  const one = linkState(node('D'), node('D').signer, version, [linkTo(node('C'), 10)]);
  const two = linkState(node('D'), node('D').signer, version, [linkTo(node('C'), 30)]);
  inject(node('B'), node('A'), one);
  inject(node('D'), node('C'), two);
  network.run(2_000);
  const latencies = ['A', 'B', 'C'].map((n) => {
    const link = node(n)
      .routing.topology(network.now)
      .links.find(({ a, b }) => a === node('D').address || b === node('D').address);
    return link?.latency;
  });
  assert.equal(new Set(latencies).size, 1, `${latencies}`);
  assert.ok(['A', 'B', 'C'].some((n) => node(n).routing.counters.value('equivocation') > 0));
});

test('link state waits for its certificate, a bounded number of records', () => {
  const network = line('A', 'B');
  const [a, b] = [network.node('A'), network.node('B')];
  const strangers = Array.from({ length: 80 }, (_, i) => network.add(`s${i}`));
  for (const s of strangers)
    inject(b, a, linkState(s, s.signer, { epoch: 1, sequence: 1 }, [linkTo(b, 5)]));
  assert.equal(a.routing.counters.value('held-records-full'), 80 - 64);
  const last = strangers.at(-1)!;
  assert.equal(a.routing.memberAt(last.address), undefined);
  const { chain, notBefore, serial } = last.member;
  inject(b, a, {
    type: RECORD_CERTIFICATE,
    part: 0,
    origin: last.address,
    epoch: Math.floor(notBefore / 1_000_000),
    sequence: new DataView(serial.buffer, serial.byteOffset).getUint32(0),
    age: 0,
    body: chain,
  });
  assert.equal(a.routing.memberAt(last.address)?.name, 's79');
  assert.equal(a.routing.counters.value('record-accepted') > 0, true);
});

test('a certificate under a version that is not its own is refused', () => {
  const network = line('A', 'B');
  const [a, b] = [network.node('A'), network.node('B')];
  const s = network.add('S');
  const record = { type: RECORD_CERTIFICATE, part: 0, origin: s.address, epoch: 1, sequence: 1 };
  inject(b, a, { ...record, age: 0, body: s.member.chain });
  assert.equal(a.routing.counters.value('certificate-mislabelled'), 1);
  assert.equal(a.routing.memberAt(s.address), undefined);
});

test('a certificate of another network is refused', () => {
  const network = line('A', 'B');
  const foreign = new TestNetwork({ seed: 99 }).add('X');
  const record = {
    type: RECORD_CERTIFICATE,
    part: 0,
    origin: foreign.address,
    epoch: 1,
    sequence: 1,
  };
  inject(network.node('B'), network.node('A'), { ...record, age: 0, body: foreign.member.chain });
  assert.equal(network.node('A').routing.counters.value('certificate-foreign-network'), 1);
});

test('members and neighbours beyond their bounds are refused and counted', () => {
  const network = new TestNetwork({ limits: { membersMax: 3, neighboursMax: 2 } });
  for (const name of ['A', 'B', 'C', 'D', 'E']) network.add(name);
  for (const name of ['B', 'C', 'D', 'E']) network.link('A', name, 5);
  network.run(2_000);
  const { routing } = network.node('A');
  assert.equal(routing.members().length, 3);
  assert.ok(routing.counters.value('neighbours-full') > 0);
  network.link('B', 'D', 5);
  network.run(2_000);
  assert.equal(network.node('B').routing.members().length, 3);
  assert.ok(network.node('B').routing.counters.value('members-full') > 0);
});

test('a member of the same name does not take the name over', () => {
  const network = line('A', 'B', 'C');
  const first = network.node('C').address;
  network.run(10_000);
  const impostor = network.add('C2');
  impostor.member = network.certify(impostor.identity, 'C');
  impostor.restart();
  network.link('B', 'C2', 5);
  network.run(2_000);
  const { routing } = network.node('A');
  assert.equal(routing.members().length, 4);
  assert.equal(routing.addressOf('C'), first);
  assert.equal(routing.counters.value('name-taken'), 1);
});

function nextManifest(network: TestNetwork, revoked: Uint8Array[], version = 2): Uint8Array {
  const { manifest } = network.trustStore();
  const { crypto, founding } = network;
  return issueManifest({
    crypto,
    rootSeed: founding.rootSeed,
    manifest: { ...manifest, version, revoked },
  });
}

test('a manifest is flooded in parts, adopted everywhere, and forgets whom it revokes', () => {
  const network = line('A', 'B', 'C', 'D');
  const revoked = [network.node('D').member.serial];
  for (let i = 0; i < 200; i++) revoked.push(network.entropy.bytes(16));
  const manifest = nextManifest(network, revoked);
  assert.ok(manifest.length > 3_000);
  const outcome = network.node('A').routing.setManifest(manifest, network.now);
  assert.deepEqual(outcome, { ok: true, value: 'newer' });
  network.run(2_000);
  for (const name of ['A', 'B', 'C']) {
    const node = network.node(name);
    assert.deepEqual(node.manifests, [2], name);
    assert.deepEqual(node.forgotten, ['D'], name);
    assert.equal(node.routing.path(network.node('D').address), undefined, name);
  }
  // One that comes later learns it on its own.
  network.add('E');
  network.link('C', 'E', 5);
  network.run(2_000);
  assert.deepEqual(network.node('E').manifests, [2]);
  assert.equal(network.node('E').pathTo('A'), 'C B A');
});

test('manifests that differ under one version end up the same everywhere', () => {
  const network = line('A', 'B', 'C', 'D');
  const one = nextManifest(network, [new Uint8Array(16).fill(1)]);
  const two = nextManifest(network, [new Uint8Array(16).fill(2)]);
  network.node('A').routing.setManifest(one, network.now);
  network.node('D').routing.setManifest(two, network.now);
  network.run(3_000);
  const kept = ['A', 'B', 'C', 'D'].map((n) => network.node(n).trust.manifest.revoked[0]![0]);
  assert.deepEqual(new Set(kept).size, 1, `${kept}`);
});

test('a forged manifest is refused', () => {
  const network = line('A', 'B');
  const manifest = nextManifest(network, []);
  manifest[manifest.length - 1]! ^= 1;
  const record = {
    type: RECORD_MANIFEST,
    part: 0,
    origin: 0 as NodeAddress,
    epoch: 0,
    sequence: 2,
  };
  const body = concatBytes(Uint8Array.of(1), manifest);
  inject(network.node('B'), network.node('A'), { ...record, age: 0, body });
  const { counters } = network.node('A').routing;
  assert.equal(counters.value('manifest-bad-signature'), 1);
  assert.deepEqual(network.node('A').manifests, []);
});

test('a member whose certificate ends is forgotten in time, and one that renews is not', () => {
  const network = new TestNetwork();
  for (const name of ['A', 'B', 'C']) network.add(name);
  for (const name of ['B', 'C']) {
    const node = network.node(name);
    node.member = network.certify(node.identity, name, seconds(20));
    node.restart();
  }
  network.link('A', 'B', 5);
  network.link('A', 'C', 5);
  network.run(10_000);
  const b = network.node('B');
  b.member = network.certify(b.identity, 'B', seconds(3_600));
  b.routing.setSelf(b.member, network.now);
  network.run(12_000);
  assert.deepEqual(network.node('A').forgotten, ['C']);
  assert.equal(network.node('A').pathTo('B'), 'B');
  assert.equal(network.node('A').pathTo('C'), 'none');
});

test('a node whose clock was wrong catches up when it is put right', () => {
  const network = line('A', 'B');
  network.add('C');
  const c = network.node('C');
  c.routing.setWallClock(network.now, wallTime(WALL_START - 10 * 86_400_000_000));
  network.link('B', 'C', 5);
  network.run(2_000);
  assert.equal(c.pathTo('A'), 'none');
  assert.ok(c.routing.counters.value('certificate-not-yet-valid') > 0);
  c.routing.setWallClock(instant(network.now), network.wall());
  network.run(2_000);
  assert.equal(c.pathTo('A'), 'B A');
});
