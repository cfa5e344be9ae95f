/**
 * What this machine does for packets: real daemons in a line on loopback, nothing impaired, and a program
 * that sends from the first and receives at the last through the SDK. For each lane and size: how long
 * a packet takes when there is time, how many get through when there is not, and what each costs the
 * daemons by the kernel's accounting.
 *
 * All processes share the machine's processors, so the rate is that of the whole line. For one
 * forwarding daemon on a processor of its own see bench/packet-path.mjs.
 */
import type { DaemonConnection, DatagramSocket } from '../client/index.ts';
import { LabCluster } from './cluster.ts';
import { Load, quantile } from './load.ts';
import { processorTime } from './processor-time.ts';

export interface PacketBenchOptions {
  readonly lanes: readonly string[];
  /** Payload bytes, 4 or more. */
  readonly sizes: readonly number[];
  /** Links between the first and the last daemon, 1 or more. */
  readonly hops: number;
  /** Measured time of each of the two looks at a lane and size. */
  readonly measureMs: number;
  /** Packets on their way at one time where the rate is looked for. */
  readonly window: number;
  /** Packets a second where latency is looked at. */
  readonly pacePerSecond: number;
  readonly signal?: AbortSignal;
  readonly onRow?: (row: PacketBenchRow) => void;
}

export interface PacketBenchRow {
  readonly lane: string;
  /** Payload of a datagram. */
  readonly bytes: number;
  readonly packetsPerSecond: number;
  /** Payload bits. */
  readonly bitsPerSecond: number;
  /** Share of the packets of the full load that did not come. */
  readonly lost: number;
  /** Microseconds of processor time a packet, of each daemon in order; absent where the system does not say. */
  readonly processorUs?: readonly number[];
  /** The same of this program, which sends and receives. */
  readonly programUs?: number;
  readonly latency: {
    readonly packets: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
    readonly maxMs: number;
  };
}

export interface PacketBenchReport {
  readonly hops: number;
  /** Which underlay the daemons use. */
  readonly underlay: string;
  readonly rows: readonly PacketBenchRow[];
}

export const PACKET_BENCH_DEFAULTS: Omit<PacketBenchOptions, 'signal' | 'onRow'> = {
  lanes: ['default', 'voice', 'bulk'],
  sizes: [100, 1_200],
  hops: 2,
  measureMs: 2_000,
  window: 256,
  pacePerSecond: 1_000,
};

/** Of the first socket; each row has its own, because a port is free again only a moment after closing. */
const PORT_FIRST = 4_000;
const WARM_MS = 500;
/** Until the last packets of a load are here. */
const REST_MS = 300;
const WATCH_MS = 20;

/** Fails as the lab's start and opening a socket do: UNKNOWN_LANE, MESSAGE_TOO_BIG, TIMED_OUT, ... */
export async function benchPackets(options: PacketBenchOptions): Promise<PacketBenchReport> {
  const nodes = Array.from({ length: options.hops + 1 }, (_, i) => `N${i}`);
  const links = nodes.slice(1).map((b, i) => ({ a: nodes[i]!, b }));
  const cluster = await LabCluster.start({ nodes, links });
  try {
    const last = nodes[options.hops]!;
    await cluster.routed('N0', last, 200);
    const pids = nodes.map((name) => cluster.node(name).pid ?? 0);
    const rows: PacketBenchRow[] = [];
    for (const lane of options.lanes)
      for (const bytes of options.sizes) {
        if (options.signal?.aborted === true) break;
        const from = cluster.node('N0').handle;
        const row = await benchOne(
          {
            from,
            to: cluster.node(last).handle,
            last,
            lane,
            bytes,
            pids,
            port: PORT_FIRST + rows.length,
          },
          options,
        );
        options.onRow?.(row);
        rows.push(row);
      }
    const { underlay } = await cluster.node('N0').handle.status();
    return { hops: options.hops, underlay: underlay.kind, rows };
  } finally {
    await cluster.stop();
  }
}

interface Way {
  readonly from: DaemonConnection;
  readonly to: DaemonConnection;
  readonly last: string;
  readonly lane: string;
  readonly bytes: number;
  readonly pids: readonly number[];
  readonly port: number;
}

async function benchOne(way: Way, options: PacketBenchOptions): Promise<PacketBenchRow> {
  const { lane, bytes, last, port } = way;
  await using receiver = await way.to.datagram({ port });
  await using sender = await way.from.datagram({ lane });
  const to = { node: last, port };
  const socket = {
    sendMany: (payloads: readonly Uint8Array[]) => sender.sendMany(payloads, { to }),
  };
  const load = new Load({ socket, bytes, now: () => performance.now() });
  const reading = readAll(receiver, load);
  sender.on('drain', () => load.drained());
  const watch = setInterval(() => load.watch(), WATCH_MS);
  try {
    const latencies = await unhurried(load, options);
    const { packets, seconds, lost, spent } = await full(load, [...way.pids, process.pid], options);
    const packetsPerSecond = packets / seconds;
    const each = spent?.map((ns) => ns / 1_000 / packets);
    const processorUs = each?.slice(0, -1);
    const programUs = each?.at(-1);
    return {
      lane,
      bytes,
      packetsPerSecond,
      bitsPerSecond: packetsPerSecond * bytes * 8,
      lost,
      ...(processorUs === undefined ? {} : { processorUs }),
      ...(programUs === undefined ? {} : { programUs }),
      latency: {
        packets: latencies.length,
        p50Ms: quantile(latencies, 0.5),
        p99Ms: quantile(latencies, 0.99),
        maxMs: quantile(latencies, 1),
      },
    };
  } finally {
    clearInterval(watch);
    await receiver.close();
    await reading;
  }
}

async function readAll(receiver: DatagramSocket, load: Load): Promise<void> {
  for await (const { payloads } of receiver.batches({ lent: true })) load.arrived(payloads);
}

/** Latencies of a slow flow, sorted. The first packets, which set up the way, do not count. */
async function unhurried(load: Load, options: PacketBenchOptions): Promise<number[]> {
  const { pacePerSecond, measureMs } = options;
  const began = { beganMs: performance.now(), perSecond: pacePerSecond, before: load.sent };
  const timer = setInterval(() => load.pace(began), 1);
  try {
    await pause(WARM_MS, options.signal);
    load.latencies.length = 0;
    await pause(measureMs, options.signal);
  } finally {
    clearInterval(timer);
  }
  await pause(REST_MS, options.signal);
  return [...load.latencies].sort((a, b) => a - b);
}

interface Full {
  readonly packets: number;
  readonly seconds: number;
  readonly lost: number;
  /** Nanoseconds, of each daemon and of this program. */
  readonly spent: readonly number[] | undefined;
}

async function full(
  load: Load,
  pids: readonly number[],
  options: PacketBenchOptions,
): Promise<Full> {
  const sentBefore = load.sent - load.received;
  load.keep(options.window);
  await pause(WARM_MS, options.signal);
  const [received, began] = [load.received, performance.now()];
  const before = pids.map(processorTime);
  await pause(options.measureMs, options.signal);
  const after = pids.map(processorTime);
  const packets = load.received - received;
  const seconds = (performance.now() - began) / 1_000;
  load.keep(0);
  await pause(REST_MS, options.signal);
  const missing = Math.max(0, load.sent - load.received - sentBefore);
  const spent = after.flatMap((ns, i) =>
    ns === undefined || before[i] === undefined ? [] : [ns - before[i]],
  );
  return {
    packets: Math.max(1, packets),
    seconds,
    lost: missing / Math.max(1, load.sent),
    spent: spent.length === pids.length ? spent : undefined,
  };
}

/** Ends early, without an error, when the signal is aborted. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end);
  });
}
