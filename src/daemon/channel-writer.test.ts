import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Random } from '../kernel/index.ts';
import { ChannelWriter } from './channel-writer.ts';
import { CHANNEL_DATAGRAM, ChannelDecoder, parseDatagramBody } from './control-channel.ts';
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

test('frames of every size arrive whole and in order, though the reader is slow', async () => {
  const { near, far, end } = await connected();
  const writer = new ChannelWriter(near);
  const random = new Random(1);
  const sizes = [...Array(400).keys()].map((i) =>
    i % 50 === 0 ? 70_000 : random.between(0, 1_400),
  );
  const expected = sizes.map((size, i) => ({
    node: `N${i % 3}`,
    port: i,
    bytes: random.bytes(size),
  }));
  // Nothing is read before everything is written: most of it waits in buffers of the writer's.
  far.pause();
  let refusals = 0;
  for (const [i, { node, port, bytes }] of expected.entries()) {
    const hasRoom =
      i % 7 === 3 ? writer.frame(channelFrame(99, bytes)) : writer.datagram(node, port, bytes);
    if (!hasRoom) refusals++;
    if (i % 90 === 89) await new Promise(setImmediate);
  }
  writer.flush();
  assert.ok(refusals > 0, 'a full connection is told of');
  const decoder = new ChannelDecoder();
  let i = 0;
  for await (const chunk of far as AsyncIterable<Buffer>) {
    for (const { type, body } of decoder.push(chunk)) {
      const { node, port, bytes } = expected[i]!;
      if (i % 7 === 3) assert.deepEqual([type, Buffer.from(body)], [99, Buffer.from(bytes)]);
      else {
        const read = parseDatagramBody(body)!;
        assert.deepEqual([type, read.node, read.port], [CHANNEL_DATAGRAM, node, port]);
        assert.deepEqual(Buffer.from(read.payload), Buffer.from(bytes));
      }
      i++;
    }
    if (i === expected.length) break;
  }
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
  assert.deepEqual(writes, [20 * (4 + 1 + 3 + 2 + 100)]);
  end();
  writer.datagram('LAX', 5_000, new Uint8Array(100));
  writer.flush();
  assert.equal(writes.length, 1, 'a closed connection is written nothing');
});
