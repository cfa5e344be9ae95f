import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import type { NodeAddress } from '../kernel/index.ts';
import { fromHex, toHex } from '../kernel/index.ts';
import {
  decodeLanAnnouncement,
  encodeLanAnnouncement,
  LAN_ANNOUNCEMENT_BYTES,
} from './lan-announcement.ts';

interface Vector {
  readonly name: string;
  readonly hex: string;
  readonly value: { readonly address: number; readonly port: number; readonly networkId: string };
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../src/wire/vectors/lan-announcement.json', import.meta.url), 'utf8'),
);

for (const { name, hex, value } of vectors) {
  test(`golden vector: ${name}`, () => {
    const { port } = value;
    const networkId = fromHex(value.networkId)!;
    const announcement = { address: value.address as NodeAddress, port, networkId };
    assert.equal(toHex(encodeLanAnnouncement(announcement)), hex);
    assert.deepEqual(decodeLanAnnouncement(fromHex(hex)!), announcement);
  });
}

test('an announcement survives the wire, and nothing else is one', () => {
  const announcements = fc.record(
    {
      address: fc.integer({ min: 1, max: 0xdfff_ffff }).map((n) => n as NodeAddress),
      port: fc.integer({ min: 1, max: 0xffff }),
      networkId: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(announcements, fc.nat(7), (announcement, place) => {
      const bytes = encodeLanAnnouncement(announcement);
      assert.equal(bytes.length, LAN_ANNOUNCEMENT_BYTES);
      assert.deepEqual(decodeLanAnnouncement(bytes), announcement);
      assert.equal(decodeLanAnnouncement(bytes.subarray(0, 27)), undefined);
      assert.equal(decodeLanAnnouncement(Uint8Array.of(...bytes, 0)), undefined);
      if (place >= 6) return;
      bytes[place] = bytes[place]! ^ 0x10;
      assert.equal(decodeLanAnnouncement(bytes), undefined);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      assert.equal(decodeLanAnnouncement(bytes), undefined);
    }),
  );
});
