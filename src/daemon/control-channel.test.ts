import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  CHANNEL_BODY_MAX,
  ChannelDecoder,
  channelFrame,
  channelHeader,
  jsonBody,
  parseReliableBody,
  reliableFrame,
} from './control-channel.ts';

const frames = fc.array(fc.tuple(fc.integer({ min: 0, max: 255 }), fc.uint8Array()), {
  maxLength: 8,
});

test('frames come out as they went in, however the bytes are cut', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 40 })), (sent, cuts) => {
      const bytes = Buffer.concat(sent.map(([type, body]) => channelFrame(type, body)));
      const decoder = new ChannelDecoder();
      const heard: [number, Uint8Array][] = [];
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const end = at + (cuts[i % Math.max(1, cuts.length)] ?? bytes.length);
        for (const { type, body } of decoder.push(bytes.subarray(at, end)))
          heard.push([type, new Uint8Array(body)]);
        at = end;
      }
      assert.deepEqual(heard, sent);
    }),
  );
});

test('no bytes make the decoder throw or keep more than one frame', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const frame of new ChannelDecoder().push(bytes)) {
        parseReliableBody(frame.body);
        jsonBody(frame);
      }
      parseReliableBody(bytes);
    }),
  );
});

test('a length past the bound breaks the channel', () => {
  const decoder = new ChannelDecoder();
  const header = channelHeader(1, CHANNEL_BODY_MAX + 1);
  assert.deepEqual([...decoder.push(header)], []);
  assert.equal(decoder.isBroken, true);
});

test('a reliable datagram carries its id and its endpoint', () => {
  const payload = Uint8Array.of(1, 2, 3);
  const to = { node: 'LAX', port: 7 };
  const reliable = reliableFrame({ id: 0xffff_fffe, timeoutMs: 30_000 }, to, payload);
  const [frame] = [...new ChannelDecoder().push(reliable)];
  const { id, timeoutMs, node, port, payload: carried } = parseReliableBody(frame!.body)!;
  assert.deepEqual([id, timeoutMs, node, port], [0xffff_fffe, 30_000, 'LAX', 7]);
  assert.deepEqual(Uint8Array.from(carried), payload);
  for (let cut = 0; cut < 12; cut++) parseReliableBody(frame!.body.subarray(0, cut));
});
