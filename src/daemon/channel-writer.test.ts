import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Random } from '../kernel/index.ts';
import { DatagramsReader } from './channel-datagrams.ts';
import { ChannelWriter } from './channel-writer.ts';
import { CHANNEL_DATAGRAMS, ChannelDecoder } from './control-channel.ts';
import { channelFrame } from './index.ts';

async function connected(): Promise<{ near: Socket; far: Socket; end: () => void }> {
  const directory = mkdtempSync(join(tmpdir(), 'overlane-channel-'));
  const server = createServer();
  server.listen(join(directory, 's'));
  await once(server, 'listening');
  const near = connect(join(directory, 's'));
  const [far] = (await once(server, 'connection')) as [Socket];
  const end = (): void => {
    near.destroy();
    far.destroy();
    server.close();
    rmSync(directory, { recursive: true, force: true });
  };
  return { near, far, end };
}

test('datagrams and frames of every size arrive whole and in order, though the reader is slow', async () => {
  const { near, far, end } = await connected();
  const writer = new ChannelWriter(near);
  const random = new Random(1);
  const sizes = [...Array(400).keys()].map((i) =>
    i % 50 === 0 ? 65_000 : random.between(0, 1_400),
  );
  const expected = sizes.map((size, i) => ({
    node: `N${(i >> 5) % 3}`,
    port: 1 + (i >> 6),
    lane: i % 90 < 45 ? 'default' : '',
    bytes: random.bytes(size),
  }));
  // Nothing is read before everything is written: most of it waits in buffers of the writer's.
  far.pause();
  let refusals = 0;
  for (const [i, { node, port, lane, bytes }] of expected.entries()) {
    const hasRoom =
      i % 27 === 3
        ? writer.frame(channelFrame(99, bytes))
        : writer.datagram(node, port, bytes, lane);
    if (!hasRoom) refusals++;
    if (i % 90 === 89) await new Promise(setImmediate);
  }
  writer.flush();
  assert.ok(refusals > 0, 'a full connection is told of');
  const decoder = new ChannelDecoder();
  const reader = new DatagramsReader();
  let [i, frames] = [0, 0];
  for await (const chunk of far as AsyncIterable<Buffer>) {
    for (const { type, body } of decoder.push(chunk)) {
      frames++;
      if (type === 99) {
        assert.equal(i % 27, 3);
        assert.deepEqual(Buffer.from(body), Buffer.from(expected[i++]!.bytes));
        continue;
      }
      assert.equal(type, CHANNEL_DATAGRAMS);
      const { end, lane, payloads } = reader.read(body)!;
      for (const payload of payloads) {
        const sent = expected[i++]!;
        assert.deepEqual([end.node, end.port, lane], [sent.node, sent.port, sent.lane]);
        assert.deepEqual(Buffer.from(payload), Buffer.from(sent.bytes));
      }
    }
    if (i === expected.length) break;
  }
  assert.ok(frames < expected.length / 2, `${frames} frames`);
  assert.equal(i, expected.length);
  end();
});

test('what is written in one turn leaves in one write', async () => {
  const { near, far, end } = await connected();
  const writer = new ChannelWriter(near);
  const writes: number[] = [];
  const write = near.write.bind(near);
  near.write = ((bytes: Uint8Array, done?: () => void) => {
    writes.push(bytes.length);
    return write(bytes, done);
  }) as typeof near.write;
  for (let i = 0; i < 20; i++) writer.datagram('LAX', 5_000, new Uint8Array(100));
  assert.equal(writes.length, 0);
  await once(far, 'data');
  assert.deepEqual(writes, [4 + 1 + 1 + 3 + 2 + 20 * (2 + 100)]);
  end();
  writer.datagram('LAX', 5_000, new Uint8Array(100));
  writer.flush();
  assert.equal(writes.length, 1, 'a closed connection is written nothing');
});
