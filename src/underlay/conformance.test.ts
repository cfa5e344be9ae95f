/** What every underlay must do. A new implementation adds one row to `implementations`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DatagramBatch, OverlayError, Random, type UnderlayAddress } from '../kernel/index.ts';
import { systemClock } from './clock.ts';
import { FastUnderlay, fastSystem } from './fast/index.ts';
import { ImpairedUnderlay } from './impaired.ts';
import { UdpUnderlay } from './udp.ts';
import type { LocalSocketOptions, Underlay } from './underlay.ts';

type Open = (locals: readonly LocalSocketOptions[]) => Promise<Underlay>;

const openUdp: Open = (locals) => UdpUnderlay.open({ locals });

const impaired = async (locals: readonly LocalSocketOptions[]): Promise<ImpairedUnderlay> =>
  new ImpairedUnderlay({
    inner: await openUdp(locals),
    clock: systemClock(),
    random: new Random(1),
    isLab: () => true,
  });

/** Where the binding does not load the suite has nothing to hold of it, and says so. */
const binding = fastSystem();

const openFast: Open = (locals) => {
  assert.ok(binding.ok);
  return FastUnderlay.open({ locals }, binding.value);
};

const openFastWithoutRuns: Open = (locals) => {
  assert.ok(binding.ok);
  return FastUnderlay.open({ locals, segmentation: false, receiveSlots: 3 }, binding.value);
};

const fastOnes: readonly (readonly [string, Open])[] = [
  ['fast', openFast],
  ['fast, without runs', openFastWithoutRuns],
];

const implementations: readonly (readonly [string, Open])[] = [
  ['udp', openUdp],
  ...(binding.ok ? fastOnes : []),
  ['impaired, nothing impaired', impaired],
  [
    'impaired, other remotes impaired',
    async (locals): Promise<Underlay> => {
      const underlay = await impaired(locals);
      underlay.impair('192.0.2.1:9', { cut: true });
      return underlay;
    },
  ],
];

const V4: LocalSocketOptions = { host: '127.0.0.1', port: 0 };
const V6: LocalSocketOptions = { host: '::1', port: 0 };

interface Received {
  readonly text: string;
  readonly remote: UnderlayAddress;
  readonly local: number;
}

/** Collects what arrives; `has` resolves when there are that many. */
function collect(underlay: Underlay): { all: Received[]; has: (count: number) => Promise<void> } {
  const all: Received[] = [];
  let wake = (): void => undefined;
  underlay.start((batch) => {
    for (let i = 0; i < batch.count; i++)
      all.push({
        text: Buffer.from(batch.view(i)).toString(),
        remote: batch.remotes[i]!,
        local: batch.locals[i]!,
      });
    wake();
  });
  return {
    all,
    has: async (count): Promise<void> => {
      while (all.length < count)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    },
  };
}

function batchOf(texts: readonly string[], remote: UnderlayAddress, local = 0): DatagramBatch {
  const batch = new DatagramBatch({ capacity: 256, slabBytes: 256 * 1024 });
  for (const text of texts) batch.push(Buffer.from(text), remote, local);
  return batch;
}

for (const [name, open] of implementations) {
  const bounded = { timeout: 10_000 };

  test(`${name}: a batch arrives whole, with the sender's address`, bounded, async () => {
    const a = await open([V4]);
    const b = await open([V4]);
    const atB = collect(b);
    const texts = [...Array(100).keys()].map((i) => `datagram ${i}`);
    const batch = batchOf(texts, b.locals[0]!);
    a.send(batch);
    batch.slab.fill(0);
    await atB.has(100);
    assert.deepEqual(
      atB.all.map((r) => r.text),
      texts,
    );
    assert.equal(atB.all[0]!.remote.key, a.locals[0]!.key);
    assert.equal(atB.all[99]!.remote, atB.all[0]!.remote);
    assert.equal(b.counters()['datagrams-in'], 100);
    await Promise.all([a.close(), b.close()]);
  });

  test(`${name}: IPv4 and IPv6 sockets live side by side`, bounded, async () => {
    const a = await open([V4, V6]);
    const b = await open([V6, V4]);
    const atB = collect(b);
    // Local 0 of `a` is IPv4: for an IPv6 remote the first socket of that family is taken.
    a.send(batchOf(['six'], b.locals[0]!, 0));
    await atB.has(1);
    a.send(batchOf(['four'], b.locals[1]!, 0));
    await atB.has(2);
    assert.deepEqual(
      atB.all.map((r) => [r.text, r.local, r.remote.family]),
      [
        ['six', 0, 'udp6'],
        ['four', 1, 'udp4'],
      ],
    );
    await Promise.all([a.close(), b.close()]);
  });

  test(`${name}: what cannot be sent is counted and harms nothing`, bounded, async () => {
    const a = await open([V4]);
    const b = await open([V4]);
    const atB = collect(b);
    a.send(batchOf(['x'.repeat(2000)], b.locals[0]!));
    a.send(batchOf(['no such family here'], { ...b.locals[0]!, family: 'udp6', host: '::1' }));
    a.send(batchOf(['good'], b.locals[0]!));
    await atB.has(1);
    assert.equal(atB.all[0]!.text, 'good');
    assert.equal(a.counters()['send-oversize'], 1);
    assert.equal(a.counters()['send-no-socket'], 1);
    await Promise.all([a.close(), b.close()]);
    a.send(batchOf(['late'], b.locals[0]!));
    assert.equal(a.counters()['send-closed'], 1);
  });

  test(`${name}: a port in use is refused and nothing is left open`, bounded, async () => {
    const a = await open([V4]);
    const { port } = a.locals[0]!;
    const free = await open([V4]);
    const freePort = free.locals[0]!.port;
    await free.close();
    await assert.rejects(
      open([
        { host: '127.0.0.1', port: freePort },
        { host: '127.0.0.1', port },
      ]),
      (error: OverlayError) =>
        error instanceof OverlayError &&
        error.code === 'UNDERLAY_BIND_FAILED' &&
        error.details['system'] === 'EADDRINUSE',
    );
    await a.close();
    const again = await open([{ host: '127.0.0.1', port }]);
    await again.close();
    await again.close();
  });
}

test('a host name is not an address to bind', async () => {
  await assert.rejects(openUdp([{ host: 'localhost', port: 0 }]), { code: 'BAD_ARGUMENT' });
});

test('the buffers in force are reported', async () => {
  const a = await openUdp([V4]);
  assert.ok(a.buffers.receiveBytes > 0 && a.buffers.sendBytes > 0);
  await a.close();
});

test('the fast underlay loads here, or says why not', (t) => {
  if (binding.ok) return;
  assert.match(binding.reason, /\w/);
  t.diagnostic(`not run: the fast underlay, because ${binding.reason}`);
});
