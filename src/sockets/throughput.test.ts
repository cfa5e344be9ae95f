import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Impairments } from '../sim/index.ts';
import { MS, pour, SECOND, TestNetwork } from './harness.test.ts';

const hop = (changes: Record<string, number> = {}): Partial<Impairments> =>
  ({ delay: 10 * MS, rate: 20_000_000, queueBytes: 256 * 1024, ...changes }) as Partial<Impairments>;

interface Row {
  goodput: number;
  rttMax: number;
  lost: number;
}

function run(hops: Partial<Impairments>[], time = 20, streams = 1, script?: (n: TestNetwork) => void): Row[] {
  const network = new TestNetwork({ seed: 7, hops });
  const [a, b] = network.nodes as [(typeof network.nodes)[0], (typeof network.nodes)[0]];
  const port = b.layer.streamListen({ port: 80 }, network.now);
  assert.ok(port.ok);
  const ids: number[] = [];
  for (let i = 0; i < streams; i++) {
    const stream = a.layer.streamConnect(b.address, 80, {}, network.now);
    assert.ok(stream.ok);
    ids.push(stream.value);
    pour(network, a, stream.value, 1e12);
  }
  script?.(network);
  const times: [number, number][] = [];
  const marks: number[] = [];
  let next = 0;
  let queueSum = 0;
  let queueMax = 0;
  let samples = 0;
  network.workloads.push((now) => {
    if (now < next) return;
    next = now + 10 * MS;
    const q = network.hops(a, b)[0]!.queuedBytes(now);
    if (now > 3 * SECOND) {
      queueSum += q;
      samples++;
      if (q > queueMax) queueMax = q;
    }
  });
  const cpu0 = process.cpuUsage();
  const rows: Row[] = [];
  for (let s = 0; s < time; s++) {
    const before = ids.map((_, i) => b.received.get(b.incoming[i]?.stream ?? -1) ?? 0);
    network.runFor(SECOND);
    const after = ids.map((_, i) => b.received.get(b.incoming[i]?.stream ?? -1) ?? 0);
    times.push([s, after.reduce((x, y, i) => x + y - before[i]!, 0) * 8 / 1e6]);
    marks.push(...after.map((x, i) => ((x - before[i]!) * 8) / 1e6));
  }
  const cpu = process.cpuUsage(cpu0);
  const s = (a.layer as any).streams.stream(ids[0]!).sender;
  const drops = network.hops(a, b).map((h) => JSON.stringify(h.drops));
  const total = ids.map((_, i) => ((b.received.get(b.incoming[i]!.stream) ?? 0) * 8) / time / 1e6);
  console.log('  per second:', (streams === 1 ? times.map((t) => t[1].toFixed(1)) : marks.map((m) => m.toFixed(1))).join(' '));
  console.log(`  mean ${total.map((t) => t.toFixed(2))} Mbit/s queue mean ${(queueSum / samples * 8 / 20e3).toFixed(0)} ms max ${(queueMax * 8 / 20e3).toFixed(0)} ms; lost ${s.lostPackets}/${s.sentPackets} spurious ${s.loss.spurious} congested ${s.congestion.congestedRounds} bw ${(s.congestion.bandwidth * 8 / 1e6).toFixed(1)} rttMin ${s.congestion.rttMin} mode ${s.congestion.mode} thr ${s.loss.packetThreshold} cpu ${((cpu.user) / s.sentPackets).toFixed(1)} us/pkt drops ${drops}`);
  return rows;
}

const only = process.env['ONLY'];
const sc = (name: string, f: () => void): void => {
  if (only !== undefined && !name.includes(only)) return;
  test(name, () => {
    console.log(name);
    f();
  });
};
const three = (c: Record<string, number> = {}) => [hop(c), hop(c), hop(c)];
sc('clean', () => void run(three()));
sc('loss1', () => void run(three({ loss: 0.01 })));
sc('loss3', () => void run(three({ loss: 0.03 })));
sc('burst', () => void run(three({ loss: 0.01, burst: 0.5 })));
sc('reorder', () => void run(three({ reorder: 0.1, reorderDelay: 20 * MS })));
sc('reorder-loss', () => void run(three({ reorder: 0.1, reorderDelay: 20 * MS, loss: 0.01 })));
sc('jitter', () => void run(three({ jitter: 2 * MS })));
sc('smallq', () => void run(three({ queueBytes: 32 * 1024 })));
sc('two', () => void run(three(), 40, 2));
sc('twoloss', () => void run(three({ loss: 0.01 }), 40, 2));
sc('reroute', () =>
  void run(three(), 20, 1, (n) => {
    const [a, b] = n.nodes as any;
    const set = (ms: number) => {
      for (const h of [...n.hops(a, b), ...n.hops(b, a)]) h.change({ delay: ms * MS } as any);
    };
    n.after(6 * SECOND, () => set(26));
    n.after(12 * SECOND, () => set(10));
  }));
sc('hinted', () =>
  void run(three(), 20, 1, (n) => {
    const [a, b] = n.nodes as any;
    const set = (ms: number) => {
      for (const h of [...n.hops(a, b), ...n.hops(b, a)]) h.change({ delay: ms * MS } as any);
      a.layer.routeChanged(b.address, n.now);
    };
    n.after(6 * SECOND, () => set(26));
    n.after(12 * SECOND, () => set(10));
  }));
sc('outage', () =>
  void run(three(), 20, 1, (n) => {
    const [a, b] = n.nodes as any;
    const set = (cut: boolean) => {
      for (const h of [...n.hops(a, b), ...n.hops(b, a)]) h.change({ cut });
    };
    n.after(6 * SECOND, () => set(true));
    n.after(11 * SECOND, () => set(false));
  }));
sc('slow', () => void run([hop({ rate: 1_000_000, queueBytes: 20_000 })]));
sc('fast', () => void run([hop({ rate: 500_000_000, queueBytes: 4_000_000 })], 5));
