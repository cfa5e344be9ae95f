import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fromHex, toHex } from '../kernel/index.ts';
import { type ChannelDatagrams, DatagramsReader, datagramsHead } from './channel-datagrams.ts';
import { CHANNEL_DATAGRAMS, channelFrame } from './control-channel.ts';

const end = fc.record({
  node: fc.string({ unit: 'grapheme', maxLength: 20 }),
  port: fc.integer({ min: 0, max: 65_535 }),
});
const flow = fc.record({ end, lane: fc.constantFrom('', 'default', 'video', 'größer') });
const payloads = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });

function frameOf(sent: Pick<ChannelDatagrams, 'end' | 'lane'>, of: readonly Uint8Array[]): Buffer {
  const lengths = of.map((p) => Uint8Array.of(p.length >>> 8, p.length));
  const body = [datagramsHead(sent.end, sent.lane).subarray(4)];
  for (const [i, payload] of of.entries()) body.push(lengths[i]!, payload);
  return Buffer.from(channelFrame(CHANNEL_DATAGRAMS, Buffer.concat(body)));
}

test('what a frame was made of comes out of it, whatever came before it', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(flow, payloads, fc.boolean())), (sent) => {
      const reader = new DatagramsReader();
      for (const [{ end, lane }, carried, isBroken] of sent) {
        const body = frameOf({ end, lane }, carried).subarray(4);
        if (isBroken) reader.read(body.subarray(0, body.length - 1));
        assert.deepEqual(reader.read(body), {
          end: { ...end },
          lane,
          payloads: carried.map((payload) => Buffer.from(payload)),
        });
      }
    }),
  );
});

test('no bytes make it throw or hand out what is not there', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), (bodies) => {
      const reader = new DatagramsReader();
      for (const body of bodies) {
        const read = reader.read(body);
        const bytes = read?.payloads.reduce((sum, payload) => sum + payload.length, 0) ?? 0;
        assert.ok(bytes <= body.length);
      }
    }),
  );
});

test('frames of one flow give one object for it', () => {
  const reader = new DatagramsReader();
  const body = frameOf({ end: { node: 'LAX', port: 7 }, lane: 'bulk' }, []).subarray(4);
  assert.equal(reader.read(body)!.end, reader.read(body.slice())!.end);
});

test('a frame of two datagrams is these bytes', () => {
  const frame = frameOf({ end: { node: 'LAX', port: 5_000 }, lane: '' }, [
    Uint8Array.of(1, 2, 3),
    new Uint8Array(0),
  ]);
  assert.equal(toHex(frame), '0b00000e00034c41581388000301020300 00'.replace(' ', ''));
  assert.deepEqual(new DatagramsReader().read(fromHex('00034c415813880001')!), undefined);
});
