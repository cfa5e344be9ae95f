import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import fc from 'fast-check';
import type { Duration, NodeAddress } from '../kernel/index.ts';
import { concatBytes, fromHex, NODE_ADDRESS_MAX, toHex } from '../kernel/index.ts';
import { RECORD_BODY_BYTES_MAX, type RecordVersion } from './flood.ts';
import {
  decodeLinkState,
  encodeLinkState,
  LINK_STATE_SIGNATURE_BYTES,
  LINKS_PER_RECORD_MAX,
  type LinkReport,
  type LinkState,
  linkStateSigningInput,
} from './link-state.ts';

interface Vector {
  readonly name: string;
  readonly hex: string;
  readonly value: {
    readonly isWithdrawn: boolean;
    readonly links: LinkReport[];
    readonly extensions: string;
    readonly signature: string;
  };
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../src/wire/vectors/link-state.json', import.meta.url), 'utf8'),
);

for (const { name, hex, value } of vectors) {
  test(`golden vector: ${name}`, () => {
    const extensions = fromHex(value.extensions)!;
    const content = encodeLinkState({ ...value, extensions });
    assert.equal(toHex(content) + value.signature, hex);
    const decoded = decodeLinkState(fromHex(hex)!)!;
    assert.equal(decoded.isWithdrawn, value.isWithdrawn);
    assert.deepEqual(decoded.links, value.links);
    assert.equal(toHex(decoded.extensions), value.extensions);
    assert.equal(toHex(decoded.signature), value.signature);
    assert.equal(toHex(decoded.content), toHex(content));
  });
}

const report: fc.Arbitrary<LinkReport> = fc.record(
  {
    neighbour: fc.integer({ min: 1, max: NODE_ADDRESS_MAX }).map((n) => n as NodeAddress),
    latency: fc.nat(0xff_ffff).map((n) => n as Duration),
    jitter: fc.nat(255).map((n) => (n * 1000) as Duration),
    lossOutPpm: fc.nat(1_000_000),
    lossInPpm: fc.nat(1_000_000),
    mtu: fc.nat(0x7fff),
  },
  { noNullPrototype: true },
);

const field = fc
  .tuple(fc.nat(255), fc.uint8Array({ maxLength: 20 }))
  .map(([type, value]) => concatBytes(Uint8Array.of(type, value.length), value));

const linkState: fc.Arbitrary<LinkState> = fc.record(
  {
    isWithdrawn: fc.constant(false),
    links: fc
      .uniqueArray(report, { maxLength: LINKS_PER_RECORD_MAX, selector: (l) => l.neighbour })
      .map((links) => links.sort((a, b) => a.neighbour - b.neighbour)),
    extensions: fc.array(field, { maxLength: 2 }).map((fields) => concatBytes(...fields)),
  },
  { noNullPrototype: true },
);

const NO_SIGNATURE = new Uint8Array(LINK_STATE_SIGNATURE_BYTES);
const bodyOf = (state: LinkState): Uint8Array => concatBytes(encodeLinkState(state), NO_SIGNATURE);

test('link state decodes to what was encoded, and a full record fits a packet', () => {
  fc.assert(
    fc.property(linkState, (state) => {
      const body = bodyOf(state);
      if (body.length > RECORD_BODY_BYTES_MAX) return;
      const { isWithdrawn, links, extensions } = decodeLinkState(body)!;
      assert.deepEqual({ isWithdrawn, links, extensions: new Uint8Array(extensions) }, state);
    }),
  );
  assert.ok(4 + 16 * LINKS_PER_RECORD_MAX + LINK_STATE_SIGNATURE_BYTES <= RECORD_BODY_BYTES_MAX);
});

test('figures beyond the fields saturate', () => {
  const link = {
    neighbour: 7 as NodeAddress,
    latency: 20_000_000 as Duration,
    jitter: 400_000 as Duration,
    lossOutPpm: 1_000_000,
    lossInPpm: 0,
    mtu: 70_000,
  };
  const state = { isWithdrawn: false, links: [link], extensions: new Uint8Array(0) };
  assert.deepEqual(decodeLinkState(bodyOf(state))!.links, [
    { ...link, latency: 0xff_ffff, jitter: 255_000, mtu: 0x7fff },
  ]);
});

test('link state that is not sound in form is refused', () => {
  const link = (neighbour: number, lossOutPpm = 0): LinkReport => ({
    neighbour: neighbour as NodeAddress,
    latency: 1000 as Duration,
    jitter: 0 as Duration,
    lossOutPpm,
    lossInPpm: 0,
    mtu: 1400,
  });
  const of = (links: LinkReport[], extensions = new Uint8Array(0)): Uint8Array =>
    bodyOf({ isWithdrawn: false, links, extensions });
  const sound = of([link(1), link(2)]);
  assert.ok(decodeLinkState(sound));
  const changed = (at: number, to: number): Uint8Array => {
    const copy = sound.slice();
    copy[at] = to;
    return copy;
  };
  const refused: [string, Uint8Array][] = [
    ['descending neighbours', of([link(2), link(1)])],
    ['one neighbour twice', of([link(2), link(2)])],
    ['a group as neighbour', of([link(0xe000_0001)])],
    ['neighbour zero', of([link(0)])],
    ['unknown flags', changed(0, 2)],
    ['withdrawn with links', changed(0, 1)],
    ['more links than bytes', changed(1, 3)],
    ['fewer links than bytes', changed(1, 1)],
    ['65 links', of(Array.from({ length: 65 }, (_, i) => link(i + 1)))],
    ['an extension that is cut', of([link(1)], Uint8Array.of(1, 5, 0))],
    ['loss above one', changed(12, 0x10)],
    ['nothing', new Uint8Array(0)],
    ['a signature alone', new Uint8Array(64)],
  ];
  for (const [what, body] of refused) assert.equal(decodeLinkState(body), undefined, what);
});

test('arbitrary bytes are decoded or refused, never thrown at', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1300 }), (bytes) => {
      const state = decodeLinkState(bytes);
      if (state === undefined) return;
      const again = concatBytes(encodeLinkState(state), state.signature);
      assert.equal(toHex(again), toHex(bytes));
    }),
    { numRuns: 500 },
  );
});

test('a signature covers network, version and content', () => {
  const version: RecordVersion = {
    type: 1,
    part: 2,
    origin: 3 as NodeAddress,
    epoch: 4,
    sequence: 5,
  };
  const input = (network: number, v: RecordVersion, content: number): string =>
    toHex(linkStateSigningInput(Uint8Array.of(network), v, Uint8Array.of(content)));
  const inputs = [
    input(1, version, 9),
    input(2, version, 9),
    input(1, version, 8),
    input(1, { ...version, type: 2 }, 9),
    input(1, { ...version, part: 0 }, 9),
    input(1, { ...version, origin: 9 as NodeAddress }, 9),
    input(1, { ...version, epoch: 9 }, 9),
    input(1, { ...version, sequence: 9 }, 9),
  ];
  assert.equal(new Set(inputs).size, inputs.length);
});
