/**
 * A context for tests of whole command lines: fixed clock, captured output, a daemon whose answers
 * the test gives. What the test does not give fails when it is used.
 */
import { PassThrough, Readable } from 'node:stream';
import type { DaemonConnection } from '../client/index.ts';
import type { FlowTraffic, NodeStatus, RouteExplanation } from '../host/index.ts';
import { OverlayError } from '../kernel/index.ts';
import { runCommandLine } from './application.ts';
import type { CliContext } from './context.ts';
import type { DaemonPort } from './daemon-port.ts';
import type { SimulatorPort } from './simulator-port.ts';
import { plainPaint } from './views/paint.ts';

export interface FakeRun {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

export interface FakeOptions {
  /** Absent: no daemon answers. */
  readonly daemon?: Partial<DaemonConnection>;
  readonly daemons?: Partial<DaemonPort>;
  readonly simulator?: Partial<SimulatorPort>;
  readonly stdin?: string | Readable;
}

export const FAKE_NOW: Date = new Date('2026-11-21T12:00:00.000Z');

/** Runs `overlane <words>` against a fake daemon. */
export async function runFake(words: readonly string[], options: FakeOptions): Promise<FakeRun> {
  const captured = { out: '', err: '' };
  const capture = (to: 'out' | 'err') => ({
    write(text: string): void {
      captured[to] += text;
    },
    getColorDepth: () => 1,
  });
  let elapsed = 0;
  const { stdin = Readable.from([]) } = options;
  const stdout = new PassThrough();
  stdout.on('data', (chunk) => {
    captured.out += String(chunk);
  });
  const context: CliContext = {
    process: {
      stdout: capture('out'),
      stderr: capture('err'),
      env: {},
      exitCode: null,
    },
    env: {},
    paint: plainPaint,
    stdin: typeof stdin === 'string' ? Readable.from([Buffer.from(stdin)]) : stdin,
    stdout,
    daemons: fakePort(options),
    simulator: {
      swarm: absent('swarm'),
      describe: absent('describe'),
      ...options.simulator,
    },
    now: () => FAKE_NOW,
    elapsedMs: () => elapsed,
    pause: (ms) => {
      elapsed += ms;
      return Promise.resolve();
    },
    signal: new AbortController().signal,
  };
  await runCommandLine(words, context);
  return { exit: Number(context.process.exitCode), ...captured };
}

const absent = (what: string) => () => Promise.reject(new Error(`the test gave no ${what}`));

function fakePort({ daemon, daemons }: FakeOptions): DaemonPort {
  return {
    listenDefault: [],
    socketPath: (given) => given ?? '/run/overlane/control.sock',
    stateDirectory: (given) => given ?? '/nonexistent/overlane-state',
    configFile: (given) => given ?? '/etc/overlane/overlane.yaml',
    init: absent('init'),
    join: absent('join'),
    run: absent('run'),
    start: absent('start'),
    checkConfig: absent('checkConfig'),
    configSchema: absent('configSchema'),
    readPolicy: absent('readPolicy'),
    readTopology: absent('readTopology'),
    connect(socket) {
      if (daemon === undefined)
        return Promise.reject(
          new OverlayError('DAEMON_UNREACHABLE', `no daemon answers on ${socket}`),
        );
      const base = { name: 'ATL', address: '00000001', [Symbol.asyncDispose]: async () => {} };
      return Promise.resolve({ ...base, ...daemon } as DaemonConnection);
    },
    ...daemons,
  };
}

/** ATL with two links, one of them down, and routes to two of three other nodes. */
export const FAKE_STATUS: NodeStatus = {
  name: 'ATL',
  address: '3f2a91c0',
  network: { name: 'acme', id: '5d1e0000000000000000000000000000', isLab: true },
  manifestVersion: 3,
  epoch: 217_000_000,
  uptimeMs: 7_380_000,
  certificateEnds: '2027-11-21T12:00:00.000Z',
  links: [
    {
      neighbour: 'DFW',
      state: 'up',
      remote: '127.0.0.1:40001',
      sinceMs: 720_000,
      rttMs: 18.234,
      rttMinMs: 18.1,
      lossOut: 0,
      lossIn: 0.304,
      incoming: { jitterMs: 0.31, burst: 2.4, reordered: 0.012, reorderExtent: 3 },
      outgoing: { jitterMs: 0.27, burst: 0, reordered: 0, reorderExtent: 0 },
      mtu: 1400,
      deadAfterMs: 430,
      bytesOut: 1_234_567,
      bytesIn: 987,
      packetsOut: 1000,
      packetsIn: 900,
      aead: 'aes-128-gcm',
      recovery: undefined,
      paths: [],
      reason: undefined,
    },
    {
      neighbour: 'WAS',
      state: 'down',
      remote: '[2001:db8::7]:7420',
      sinceMs: 3_100,
      rttMs: 0,
      rttMinMs: 0,
      lossOut: 0,
      lossIn: 0,
      incoming: { jitterMs: 0, burst: 0, reordered: 0, reorderExtent: 0 },
      outgoing: undefined,
      mtu: 1232,
      deadAfterMs: 430,
      bytesOut: 0,
      bytesIn: 0,
      packetsOut: 0,
      packetsIn: 0,
      aead: '',
      recovery: undefined,
      paths: [],
      reason: 'nothing heard for 0.43 s',
    },
  ],
  routes: [
    {
      destination: 'LAX',
      path: ['DFW', 'LAX'],
      latencyMs: 30.12,
      loss: 0.152,
      costMs: 45.1,
      sinceMs: 12_300,
      changes: 3,
      cause: 'link ATL-WAS down',
    },
    {
      destination: 'DFW',
      path: ['DFW'],
      latencyMs: 9.1,
      loss: 0,
      costMs: 9.1,
      sinceMs: 7_200_000,
      changes: 1,
      cause: 'link ATL-DFW up',
    },
  ],
  members: [
    { name: 'ATL', address: '3f2a91c0', isReachable: true, certificateEnds: '' },
    { name: 'DFW', address: '00000002', isReachable: true, certificateEnds: '' },
    { name: 'LAX', address: '00000003', isReachable: true, certificateEnds: '' },
    { name: 'WAS', address: '00000004', isReachable: false, certificateEnds: '' },
  ],
  sockets: [
    { kind: 'listener', port: 7000, remote: undefined, dropped: 0 },
    { kind: 'stream', port: 49_152, remote: { node: 'LAX', port: 80 }, dropped: 0 },
  ],
  counters: { 'handshake.malformed': 2, 'packet.replayed': 0 },
  underlay: {
    kind: 'fast',
    reason: 'runs joined and cut by the kernel',
    isFallback: false,
    crypto: { kind: 'fast', reason: 'contexts are kept', isFallback: false },
    locals: ['0.0.0.0:7420'],
    receiveBufferBytes: 4_194_304,
    sendBufferBytes: 4_194_304,
  },
};

export const FAKE_EXPLANATION: RouteExplanation = {
  destination: 'LAX',
  route: FAKE_STATUS.routes[0],
  candidates: [
    {
      path: ['WAS', 'CHI', 'LAX'],
      latencyMs: Number.POSITIVE_INFINITY,
      loss: 0,
      costMs: Number.POSITIVE_INFINITY,
      isChosen: false,
      verdict: 'link ATL-WAS down for 3.1 s',
    },
    {
      path: ['DFW', 'LAX'],
      latencyMs: 30.12,
      loss: 0.152,
      costMs: 45.1,
      isChosen: true,
      verdict: '',
    },
  ],
};

export const FAKE_FLOWS: readonly FlowTraffic[] = [
  {
    source: 'ATL',
    destination: 'LAX',
    flow: 3,
    lane: 'remote',
    route: 'graph',
    packets: 1_000,
    bytes: 200_000,
    copies: 2_000,
    recovered: 0,
    duplicates: 0,
    late: 0,
    dropped: 0,
    idleMs: 12,
  },
  {
    source: 'DFW',
    destination: 'ATL',
    flow: 1,
    lane: 'video',
    route: 'each node',
    packets: 10,
    bytes: 12_000,
    copies: 0,
    recovered: 3,
    duplicates: 2,
    late: 1,
    dropped: 4,
    idleMs: 400,
  },
];
