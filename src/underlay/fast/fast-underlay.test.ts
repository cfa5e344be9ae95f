/** What the conformance suite cannot see: runs, a full kernel buffer, refusals. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { DatagramBatch, type UnderlayAddress, underlayAddress } from '../../kernel/index.ts';
import { type FastSystem, FastUnderlay, type FastUnderlayOptions } from './fast-underlay.ts';
import { EAGAIN, ECONNREFUSED, EIO, ENOBUFS, fastSystem } from './system-calls.ts';

const found = fastSystem();
const options = { skip: found.ok ? false : found.reason, timeout: 10_000 };
const V4 = { host: '127.0.0.1', port: 0 };

/** The real system, where some calls of `sendmmsg` fail with what is named instead. */
function balking(failures: (number | undefined)[]): FastSystem {
  assert.ok(found.ok);
  const real = found.value;
  let errno = 0;
  return {
    native: real.native,
    errno: () => errno || real.errno(),
    receiveMany: (...args) => real.receiveMany(...args),
    sendMany: (...args) => {
      errno = failures.shift() ?? 0;
      return errno === 0 ? real.sendMany(...args) : -1;
    },
    close: (fd) => real.close(fd),
    setOption: (...args) => real.setOption(...args),
    receiveQueued: (...args) => real.receiveQueued(...args),
    receiveDrops: (fd) => real.receiveDrops(fd),
    socketBeside: (...args) => real.socketBeside(...args),
    setSelector: (...args) => real.setSelector(...args),
    setAlone: (fd) => real.setAlone(fd),
    buffers: (fd) => real.buffers(fd),
    udpSocket: (...args) => real.udpSocket(...args),
    nameOf: (index) => real.nameOf(index),
    indexOf: (name) => real.indexOf(name),
  };
}

async function pair(
  failures: (number | undefined)[] = [],
  more: Partial<FastUnderlayOptions> = {},
): Promise<{
  a: FastUnderlay;
  b: FastUnderlay;
  to: UnderlayAddress;
  arrived: string[];
  until: (count: number) => Promise<void>;
  close: () => Promise<unknown>;
}> {
  const a = await FastUnderlay.open({ locals: [V4], ...more }, balking(failures));
  const b = await FastUnderlay.open({ locals: [V4] }, balking([]));
  const arrived: string[] = [];
  let wake = (): void => undefined;
  a.start(() => undefined);
  b.start((batch) => {
    for (let i = 0; i < batch.count; i++)
      arrived.push(Buffer.from(batch.view(i)).toString('latin1'));
    wake();
  });
  const until = async (count: number): Promise<void> => {
    while (arrived.length < count)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  const close = (): Promise<unknown> => Promise.all([a.close(), b.close()]);
  return { a, b, to: b.locals[0]!, arrived, until, close };
}

function batchOf(texts: readonly string[], to: UnderlayAddress): DatagramBatch {
  const batch = new DatagramBatch({ capacity: 2_048, slabBytes: 4 * 1024 * 1024 });
  for (const text of texts) batch.push(Buffer.from(text, 'latin1'), to, 0);
  return batch;
}

const numbered = (count: number, bytes: number): string[] =>
  [...Array(count).keys()].map((i) => `${i} `.padEnd(bytes, '.'));

test('equal sizes leave and arrive as runs', options, async () => {
  const { a, b, to, arrived, until, close } = await pair();
  const texts = numbered(200, 1_200);
  a.send(batchOf(texts, to));
  await until(200);
  assert.deepEqual(arrived, texts);
  assert.equal(a.counters()['datagrams-out'], 200);
  if (a.offloads.send) assert.ok(a.counters()['messages-out']! <= 4, 'runs of up to 54');
  if (a.offloads.send && b.offloads.receive) assert.ok(b.counters()['messages-in']! <= 8);
  await close();
});

test('without segmentation each datagram is a message', options, async () => {
  const { a, to, arrived, until, close } = await pair([], { segmentation: false });
  const texts = numbered(70, 300);
  a.send(batchOf(texts, to));
  await until(70);
  assert.deepEqual(arrived, texts);
  assert.equal(a.counters()['messages-out'], 70);
  assert.deepEqual(a.offloads, { receive: false, send: false });
  await close();
});

test('whatever the sizes, all arrive whole and in order', options, async () => {
  const { a, to, arrived, until, close } = await pair();
  const sizes = fc.array(fc.oneof(fc.constant(100), fc.constant(1_200), fc.nat({ max: 1_500 })), {
    maxLength: 150,
  });
  await fc.assert(
    fc.asyncProperty(sizes, async (lengths) => {
      const texts = lengths.map((length, i) => String.fromCharCode(i).repeat(length));
      arrived.length = 0;
      a.send(batchOf(texts, to));
      await until(texts.length);
      assert.deepEqual(arrived, texts);
    }),
    { numRuns: 60 },
  );
  await close();
});

test('destinations mixed in one batch each get theirs in order', options, async () => {
  const ends = await Promise.all([pair(), pair(), pair()]);
  const batch = new DatagramBatch({ capacity: 2_048, slabBytes: 1024 * 1024 });
  const texts = numbered(1_500, 100);
  for (const [i, text] of texts.entries()) batch.push(Buffer.from(text), ends[(i * i) % 3]!.to, 0);
  ends[0]!.a.send(batch);
  for (const [k, end] of ends.entries()) {
    const expected = texts.filter((_, i) => (i * i) % 3 === k);
    await end.until(expected.length);
    assert.deepEqual(end.arrived, expected);
  }
  await Promise.all(ends.map((end) => end.close()));
});

test('what the kernel has no room for waits its turn', options, async () => {
  const { a, to, arrived, until, close } = await pair([EAGAIN, undefined, EAGAIN]);
  const texts = numbered(300, 700);
  a.send(batchOf(texts.slice(0, 200), to));
  assert.equal(a.counters()['send-waited'], 200);
  a.send(batchOf(texts.slice(200), to));
  await until(300);
  assert.deepEqual(arrived, texts);
  assert.equal(a.counters()['datagrams-out'], 300);
  await close();
});

test('past the bound of the queue the newest are dropped and counted', options, async () => {
  const { a, to, arrived, until, close } = await pair([EAGAIN], { sendQueueBytesMax: 10_000 });
  const texts = numbered(30, 1_000);
  a.send(batchOf(texts, to));
  assert.equal(a.counters()['send-queue-full'], 20);
  await until(10);
  assert.deepEqual(arrived, texts.slice(0, 10));
  await close();
});

test(
  'a run that a device refuses leaves in pieces, and so does all after it',
  options,
  async () => {
    const { a, to, arrived, until, close } = await pair([EIO]);
    const texts = numbered(40, 500);
    a.send(batchOf(texts.slice(0, 20), to));
    a.send(batchOf(texts.slice(20), to));
    await until(40);
    assert.deepEqual(arrived, texts);
    const counters = a.counters();
    if (a.offloads.send) assert.equal(counters['run-refused.EIO'], 1);
    assert.equal(counters['messages-out'], a.offloads.send ? 40 : 39);
    await close();
  },
);

test('an error of the network costs the datagrams it names and nothing else', options, async () => {
  const { a, to, arrived, until, close } = await pair([ENOBUFS, ECONNREFUSED]);
  a.send(batchOf(['lost'], to));
  a.send(batchOf(['lost too'], to));
  a.send(batchOf(['good'], to));
  await until(1);
  assert.deepEqual(arrived, ['good']);
  assert.equal(a.counters()['send-error.ENOBUFS'], 1);
  assert.equal(a.counters()['send-error.ECONNREFUSED'], 1);
  await close();
});

test('a datagram larger than is taken is dropped where it arrives', options, async () => {
  const { a, b, to, arrived, until, close } = await pair([], { datagramBytesMax: 9_000 });
  a.send(batchOf(['x'.repeat(1_501), 'y'.repeat(1_500)], to));
  await until(1);
  assert.equal(arrived[0]?.length, 1_500);
  assert.equal(b.counters()['receive-oversize'], 1);
  await close();
});

test('what is no address is counted', options, async () => {
  const { a, close } = await pair();
  a.send(batchOf(['x'], { ...underlayAddress('192.0.2.1', 1), host: 'nowhere' }));
  assert.equal(a.counters()['send-bad-address'], 1);
  await close();
});

test('a receiver that throws is heard of, and the next batch arrives', options, async () => {
  const { a, close } = await pair();
  const c = await FastUnderlay.open({ locals: [V4] }, balking([]));
  const seen: string[] = [];
  let both = (): void => undefined;
  const done = new Promise<void>((resolve) => {
    both = resolve;
  });
  const thrown = new Promise<Error>((resolve) => {
    const listeners = process.rawListeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.once('uncaughtException', (error) => {
      for (const listener of listeners)
        process.on('uncaughtException', listener as (e: Error) => void);
      resolve(error);
    });
  });
  c.start((batch) => {
    seen.push(Buffer.from(batch.view(0)).toString());
    if (seen.length === 1) throw new Error('a bug above');
    both();
  });
  a.send(batchOf(['one'], c.locals[0]!));
  assert.equal((await thrown).message, 'a bug above');
  a.send(batchOf(['two'], c.locals[0]!));
  await done;
  assert.deepEqual(seen, ['one', 'two']);
  await Promise.all([c.close(), close()]);
});

test(
  'who takes more than one call brings is told how full the buffer still is',
  options,
  async () => {
    const quiet = balking([]);
    const a = await FastUnderlay.open({ locals: [V4] }, quiet);
    const systemBufferBytes = 256 * 1024;
    const b = await FastUnderlay.open({ locals: [V4], systemBufferBytes }, balking([]));
    const to = b.locals[0]!;
    const backlogs: number[] = [];
    let left = 0;
    let done = (): void => undefined;
    const arrival = (count: number): Promise<void> => {
      left = count;
      return new Promise((resolve) => {
        done = resolve;
      });
    };
    // No two in a row of one size: each is a message of its own.
    const texts = numbered(60, 0).map((text, i) => text.padEnd(1_000 + (i % 2), '.'));
    a.send(batchOf(texts, to));
    const all = arrival(texts.length);
    b.start((batch) => {
      backlogs.push(batch.backlog);
      left -= batch.count;
      if (left === 0) done();
    });
    await all;
    assert.equal(backlogs[0], 0, 'nothing is asked before it is needed');
    assert.ok(backlogs[1]! > 0.05 && backlogs[1]! < 0.9, `${backlogs}`);
    const one = arrival(1);
    a.send(batchOf(['one'], to));
    await one;
    assert.equal(backlogs.at(-1), 0);
    await Promise.all([a.close(), b.close()]);
  },
);

/** Sealed packets by their look; urgent ones are of precedence 0. Sizes alternate, so that none are joined. */
const sealed = (precedence: number, i: number): string =>
  `\x15${String.fromCharCode(precedence)}${i} `.padEnd(1_000 + (i % 2), '.');
const flood = (count: number): string[] => [...Array(count).keys()].map((i) => sealed(3, i));

/** A receiver that has fallen behind: it tells of each batch, and of the end of its urgent buffer. */
async function behind(
  t: TestContext,
  system: FastSystem,
): Promise<{
  a: FastUnderlay;
  b: FastUnderlay;
  to: UnderlayAddress;
  seen: { text: string; isUrgent: boolean }[];
  until: (has: () => boolean) => Promise<void>;
}> {
  const a = await FastUnderlay.open({ locals: [V4] }, balking([]));
  const b = await FastUnderlay.open({ locals: [V4], systemBufferBytes: 256 * 1024 }, system);
  t.after(() => Promise.all([a.close(), b.close()]));
  const seen: { text: string; isUrgent: boolean }[] = [];
  let look = (): void => undefined;
  const to = b.locals[0]!;
  a.send(batchOf(flood(150), to));
  b.start((batch) => {
    for (let i = 0; i < batch.count; i++)
      seen.push({ text: Buffer.from(batch.view(i)).toString('latin1'), isUrgent: batch.isUrgent });
    look();
  });
  const until = (has: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      look = () => {
        if (has()) resolve();
      };
      look();
    });
  return { a, b, to, seen, until };
}

test(
  'who falls behind has a buffer of its own for what is urgent, and gives it up when it has caught up',
  options,
  async (t) => {
    const system = balking([]);
    const givenUp = new Promise<void>((resolve) => {
      system.setAlone = (fd) => {
        assert.ok(found.ok);
        found.value.setAlone(fd);
        resolve();
      };
    });
    const { a, b, to, seen, until } = await behind(t, system);
    await until(() => (b.counters()['urgent-buffers'] ?? 0) > 0 || seen.length === 150);
    assert.equal(b.counters()['urgent-buffers'], 1);
    // More than there is room for, and then what may not be lost.
    const from = seen.length;
    for (let i = 0; i < 4; i++) a.send(batchOf(flood(300), to));
    a.send(batchOf([sealed(0, 0), sealed(1, 1), 'handshake'], to));
    await until(() => seen.filter(({ isUrgent }) => isUrgent).length === 3);
    const before = seen.slice(from).findIndex(({ isUrgent }) => isUrgent);
    assert.ok(before <= 64, `${before} were read before`);
    assert.ok(b.counters()['receive-overflow']! > 0);
    assert.equal(b.counters()['receive-overflow-urgent'], 0);
    assert.ok(seen.every(({ text, isUrgent }) => isUrgent === !text.startsWith('\x15\x03')));
    await givenUp;
    a.send(batchOf([sealed(0, 7)], to));
    await until(() => seen.at(-1)?.text === sealed(0, 7));
    assert.equal(seen.at(-1)?.isUrgent, false);
  },
);

test(
  'where the system refuses the second buffer all goes on through the first',
  options,
  async (t) => {
    const system = balking([]);
    system.setSelector = () => false;
    const { a, b, to, seen, until } = await behind(t, system);
    await until(() => seen.length === 150);
    assert.equal(b.counters()['urgent-buffer-refused'], 1);
    a.send(batchOf([sealed(0, 0)], to));
    await until(() => seen.length === 151);
    assert.equal(seen.at(-1)?.isUrgent, false);
  },
);

test('what is urgent leaves in messages of its own', options, async () => {
  const { a, to, arrived, until, close } = await pair();
  const texts = [2, 2, 2, 0, 0, 2, 1, 2, 2].map((precedence) => sealed(precedence, 0));
  a.send(batchOf(texts, to));
  await until(texts.length);
  assert.deepEqual(arrived, texts);
  if (a.offloads.send) assert.equal(a.counters()['messages-out'], 5);
  await close();
});
