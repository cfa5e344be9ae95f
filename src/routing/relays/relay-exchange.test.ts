import assert from 'node:assert/strict';
import test from 'node:test';
import type { Duration, Instant, NodeAddress } from '../../kernel/index.ts';
import { Counters, instant, milliseconds, Random, seconds } from '../../kernel/index.ts';
import { encodeRelayAdvice, FRAME_RELAY_ADVICE } from '../../wire/index.ts';
import { explainRelays } from './explain-relays.ts';
import { RelayExchange } from './relay-exchange.ts';

/** Nodes 1..n in one place; frames arrive at once, in the order they were sent. */
class Mesh {
  readonly counters = new Counters();
  readonly nodes = new Map<NodeAddress, RelayExchange>();
  bytes = 0;
  now: Instant = instant(0);
  private readonly waiting: (() => void)[] = [];

  constructor(size: number, budget = 100_000) {
    const members = Array.from({ length: size }, (_, i) => (i + 1) as NodeAddress);
    for (const self of members) {
      const node = new RelayExchange({
        self,
        random: new Random(self),
        counters: this.counters,
        budget,
        sendFrame: (to, type, body) => {
          this.bytes += body.length;
          this.waiting.push(() =>
            this.nodes.get(to)!.frame(self, type, body, 0, body.length, this.now),
          );
          return true;
        },
      });
      node.setMembers(members, this.now);
      this.nodes.set(self, node);
    }
  }

  /** `rttOf` in milliseconds, undefined for a dead link. */
  measure(rttOf: (from: number, to: number) => number | undefined): void {
    const figure = (from: number, to: number): Duration | undefined => {
      const rtt = rttOf(from, to);
      return rtt === undefined ? undefined : milliseconds(rtt);
    };
    for (const [from, node] of this.nodes)
      for (const to of this.nodes.keys())
        if (from !== to) node.figures(to, figure(from, to), figure(to, from));
  }

  run(duration: Duration): void {
    const end = this.now + duration;
    for (;;) {
      let next: RelayExchange | undefined;
      for (const node of this.nodes.values())
        if (next === undefined || node.nextTimeout()! < next.nextTimeout()!) next = node;
      if (next === undefined || next.nextTimeout()! > end) break;
      this.now = next.nextTimeout()!;
      next.timeout(this.now);
      for (let send = this.waiting.shift(); send !== undefined; send = this.waiting.shift()) send();
    }
    this.now = end as Instant;
  }

  relay(from: number, to: number): number | undefined {
    return this.nodes.get(from as NodeAddress)!.relayFor(to as NodeAddress)?.relay;
  }
}

test('a pair with a bad direct way is sent over the best relay, the others go directly', () => {
  const mesh = new Mesh(30);
  const isBad = (a: number, b: number): boolean => a + b === 9 && a * b === 18;
  mesh.measure((a, b) => (isBad(a, b) ? 900 : a === 17 || b === 17 ? 30 : 80));
  mesh.run(seconds(20));
  assert.equal(mesh.relay(3, 6), 17);
  assert.equal(mesh.relay(6, 3), 17);
  const choice = mesh.nodes.get(3 as NodeAddress)!.relayFor(6 as NodeAddress)!;
  assert.equal(choice.directRtt, 900_000);
  assert.ok(Math.abs(choice.rtt - 60_000) < 2_000);
  assert.equal(mesh.relay(3, 17), undefined);
});

test('says which rendezvous told of the relay, and why other ways lost', () => {
  const mesh = new Mesh(30);
  mesh.measure((a, b) => (a + b === 9 && a * b === 18 ? 900 : a === 17 || b === 17 ? 30 : 80));
  mesh.run(seconds(20));
  const [self, destination] = [3 as NodeAddress, 6 as NodeAddress];
  const node = mesh.nodes.get(self)!;
  const explain = (denied?: string) =>
    explainRelays({
      destination,
      heard: node.heard(destination, mesh.now)!,
      way: denied === undefined ? [node.relayFor(destination)!.relay, destination] : [destination],
      denialOf: (path) => (path.length > 1 ? denied : undefined),
      nameOf: (address) => `n${address}`,
    });
  const [chosen, direct] = explain().candidates;
  assert.deepEqual(chosen?.path, [17, 6]);
  assert.match(chosen!.verdict, /^chosen, told by n\d+ \d.* ago/);
  assert.match(direct!.verdict, /^worse by 8\d\d\.\d ms, measured here$/);
  assert.match(
    explain('policy p denies link a-b').candidates[1]!.verdict,
    /^policy p denies link a-b/,
  );
  assert.equal(node.heard(self, mesh.now), undefined);
});

test('a dead link is gone round, whatever its figures were', () => {
  const mesh = new Mesh(26);
  const isDead = (a: number, b: number): boolean => Math.min(a, b) === 2 && Math.max(a, b) === 25;
  mesh.measure(() => 50);
  mesh.run(seconds(10));
  assert.equal(mesh.relay(2, 25), undefined);
  mesh.measure((a, b) => (isDead(a, b) ? undefined : 50));
  mesh.run(seconds(10));
  assert.ok(mesh.relay(2, 25) !== undefined);
});

test('the costs of a pair are those of its direction', () => {
  const mesh = new Mesh(25);
  // 1 -> 9 -> 20 is quick, 20 -> 9 -> 1 is not.
  const quick = new Set(['1-9', '9-20']);
  mesh.measure((a, b) => (quick.has(`${a}-${b}`) ? 10 : 100));
  mesh.run(seconds(20));
  assert.equal(mesh.relay(1, 20), 9);
  assert.equal(mesh.relay(20, 1), undefined);
});

test('a gain within the margin moves nothing', () => {
  const mesh = new Mesh(25);
  mesh.measure((a, b) => (a === 5 || b === 5 ? 48.5 : 100));
  mesh.run(seconds(20));
  assert.equal(mesh.relay(1, 20), undefined);
});

test('what it costs stays within the budget', () => {
  for (const size of [50, 100, 200]) {
    const mesh = new Mesh(size, 40_000);
    mesh.measure((a, b) => 20 + ((a * b) % 90));
    mesh.run(seconds(60));
    const bits = (8 * mesh.bytes) / 60 / size;
    assert.ok(bits < 40_000 * 1.12, `${size}: ${bits}`);
  }
});

test('advice from a stranger, about strangers or naming an end as relay is not followed', () => {
  const mesh = new Mesh(25);
  mesh.measure(() => 50);
  mesh.run(seconds(5));
  const node = mesh.nodes.get(1 as NodeAddress)!;
  const send = (from: number, hash: number, relay: number): void => {
    const hints = [{ destination: 23, relay, rest: 0 }];
    const body = encodeRelayAdvice({ hash, round: 1, hints });
    node.frame(from as NodeAddress, FRAME_RELAY_ADVICE, body, 0, body.length, mesh.now);
  };
  send(2, 12345, 7);
  send(2, 12345, 23);
  assert.equal(mesh.counters.value('relay-members-differ'), 2);
  node.frame(2 as NodeAddress, FRAME_RELAY_ADVICE, new Uint8Array(3), 0, 3, mesh.now);
  assert.equal(mesh.counters.value('relay-advice-malformed'), 1);
  node.frame(99 as NodeAddress, FRAME_RELAY_ADVICE, new Uint8Array(8), 0, 8, mesh.now);
  assert.equal(mesh.counters.value('relay-frame-unwanted'), 1);
  assert.equal(mesh.relay(1, 24), undefined);
});
