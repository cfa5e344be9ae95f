/**
 * One processor in force: its overlay port, the thread of its module, and what has come of it. It is
 * the end of the flows addressed to it, which is what makes their payloads readable here, and the
 * source of what it sends on.
 *
 * Bounded: messages given to the module and not yet done with, in number and bytes; past that the
 * newest are dropped and counted. A module that throws is counted; one that is stuck, ends its thread
 * or takes too much memory is started again, after a pause that doubles up to a minute.
 */
import { Worker } from 'node:worker_threads';
import type { Datagram, DatagramSocket, OverlayNodeHandle } from '../../host/index.ts';
import { OverlayError } from '../../kernel/index.ts';
import type { ProcessorConfig } from '../config.ts';
import type { ProcessorReport } from '../control-api.ts';
import type { Logger } from '../log.ts';
import type { FromWorker, WorkerData } from './processor-module.ts';

export interface ProcessorOptions {
  readonly node: OverlayNodeHandle;
  readonly log: Logger;
  readonly config: ProcessorConfig;
  /** URL of the module. */
  readonly module: string;
  readonly bounds?: Partial<ProcessorBounds>;
}

export interface ProcessorBounds {
  /** Messages with the module. Overflow: drop the newest (`busy`). */
  readonly messagesMax: number;
  readonly bytesMax: number;
  /** A module that finishes nothing for this long is started again. */
  readonly stuckMs: number;
  readonly heapMegabytesMax: number;
  readonly restartMs: number;
  readonly restartMsMax: number;
}

export const PROCESSOR_BOUNDS: ProcessorBounds = {
  messagesMax: 1_024,
  bytesMax: 16 * 1_024 * 1_024,
  stuckMs: 5_000,
  heapMegabytesMax: 128,
  restartMs: 500,
  restartMsMax: 60_000,
};

const STOP_MS = 1_000;
const WORKER = new URL('./processor-worker.js', import.meta.url);

export class Processor {
  readonly config: ProcessorConfig;
  private readonly options: ProcessorOptions;
  private readonly bounds: ProcessorBounds;
  private socket: DatagramSocket | undefined;
  private worker: Worker | undefined;
  private state: ProcessorReport['state'] = 'starting';
  private readonly dropped: Record<string, number> = {};
  private received = 0;
  private sent = 0;
  private errors = 0;
  private restarts = 0;
  private lastError: string | undefined;
  private readonly underWay = new Map<number, number>();
  private bytesUnderWay = 0;
  private nextId = 1;
  private pauseMs: number;
  private restart: NodeJS.Timeout | undefined;
  private watchdog: NodeJS.Timeout | undefined;
  private stopped: (() => void) | undefined;
  private isClosed = false;

  /** Fails with what opening its port does: PORT_IN_USE, UNKNOWN_LANE, LANE_CANNOT_HOLD. */
  static async open(options: ProcessorOptions): Promise<Processor> {
    const processor = new Processor(options);
    const { config, node } = options;
    await checkLane(node, config);
    const { flow, port, to } = config;
    // A reserved rate is reserved on the way to somebody.
    const target = flow.rate === undefined || to === undefined ? {} : { to: to.node };
    const socket = await node.datagram({ ...flow, ...target, port });
    processor.socket = socket;
    socket.on('message', (datagram) => processor.take(datagram));
    socket.on('undeliverable', (_to, code) => processor.drop(code));
    processor.start();
    return processor;
  }

  private constructor(options: ProcessorOptions) {
    this.options = options;
    this.config = options.config;
    this.bounds = { ...PROCESSOR_BOUNDS, ...options.bounds };
    this.pauseMs = this.bounds.restartMs;
  }

  get report(): ProcessorReport {
    const { config, state, received, sent, errors, restarts, lastError } = this;
    const { name, module, port, lane, from, to, flow } = config;
    return {
      name,
      module,
      port,
      match: { lane, from },
      to: to === undefined ? undefined : `${to.node}:${to.port}`,
      flow,
      state,
      received,
      sent,
      errors,
      restarts,
      underWay: this.underWay.size,
      dropped: { ...this.dropped },
      lastError,
    };
  }

  /** The module gets a moment to send its last. */
  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.restart);
    clearInterval(this.watchdog);
    const { worker } = this;
    if (worker !== undefined && this.state === 'running') {
      worker.ref();
      await new Promise<void>((resolve) => {
        const limit = setTimeout(resolve, STOP_MS);
        this.stopped = () => {
          clearTimeout(limit);
          resolve();
        };
        worker.postMessage({ kind: 'stop' });
      });
    }
    await worker?.terminate();
    await this.socket?.close();
  }

  private start(): void {
    const { config, module, node } = this.options;
    const workerData: WorkerData = { module, node: node.name, options: config.options };
    const resourceLimits = { maxOldGenerationSizeMb: this.bounds.heapMegabytesMax };
    const worker = new Worker(WORKER, { workerData, resourceLimits, env: {}, name: config.name });
    this.worker = worker;
    this.state = 'starting';
    worker.on('message', (message: FromWorker) => {
      if (worker === this.worker) this.heard(message);
    });
    worker.on('error', (error: Error) => {
      this.errors++;
      this.lastError = error.message;
    });
    worker.once('exit', () => this.ended(worker));
    worker.unref();
  }

  private take({ payload, from, lane }: Datagram): void {
    const { config, bounds } = this;
    if (config.lane !== undefined && lane !== config.lane) return this.drop('other-lane');
    if (config.from !== 'any' && !config.from.includes(from.node)) return this.drop('not-allowed');
    if (this.worker === undefined || this.state !== 'running') return this.drop('not-running');
    const isFull =
      this.underWay.size >= bounds.messagesMax ||
      this.bytesUnderWay + payload.length > bounds.bytesMax;
    if (isFull) return this.drop('busy');
    this.received++;
    const id = this.nextId++;
    this.underWay.set(id, payload.length);
    this.bytesUnderWay += payload.length;
    this.watchdog ??= setInterval(() => this.check(), bounds.stuckMs).unref();
    const message = { kind: 'message', id, payload, from: `${from.node}:${from.port}`, lane };
    this.worker.postMessage(message);
  }

  private heard(message: FromWorker): void {
    switch (message.kind) {
      case 'ready':
        this.state = 'running';
        return;
      case 'done':
        this.done(message.id, message.error);
        return;
      case 'send':
        this.send(message.payload, message.to);
        return;
      case 'stopped':
        this.stopped?.();
        return;
      case 'failed':
        this.errors++;
        this.fault(`the module cannot be used: ${message.error}`);
        void this.worker?.terminate();
    }
  }

  private done(id: number, error: string | undefined): void {
    this.bytesUnderWay -= this.underWay.get(id) ?? 0;
    this.underWay.delete(id);
    if (error === undefined) {
      this.pauseMs = this.bounds.restartMs;
      return;
    }
    this.errors++;
    this.drop('module-error');
    this.fault(error);
  }

  private send(payload: Uint8Array | string, to: string | undefined): void {
    const target = to ?? this.config.to;
    if (target === undefined) return this.drop('nowhere-to-send');
    try {
      this.socket?.send(payload, { to: target });
      this.sent++;
    } catch (error) {
      this.drop(error instanceof OverlayError ? error.code : 'send-failed');
    }
  }

  /** Told once for each kind in a row: a module that throws each time must not fill a disk. */
  private fault(error: string): void {
    const first = error.split('\n')[0]!;
    if (first !== this.lastError?.split('\n')[0])
      this.options.log.warn({ processor: this.config.name, error }, 'a processor failed');
    this.lastError = error;
  }

  /** Runs every `stuckMs`: whoever was under way then and still is has stood for as long. */
  private check(): void {
    const [oldest] = this.underWay.keys();
    if (oldest !== undefined && oldest <= this.checkedTo) {
      this.errors++;
      this.fault(`nothing finished for ${this.bounds.stuckMs} ms`);
      void this.worker?.terminate();
    }
    this.checkedTo = this.nextId - 1;
  }

  /** The newest message there was at the last check. */
  private checkedTo = 0;

  private ended(worker: Worker): void {
    if (worker !== this.worker) return;
    this.worker = undefined;
    for (const _ of this.underWay) this.drop('module-error');
    this.underWay.clear();
    this.bytesUnderWay = 0;
    if (this.isClosed) return;
    this.state = 'failed';
    this.restarts++;
    this.restart = setTimeout(() => this.start(), this.pauseMs).unref();
    this.pauseMs = Math.min(this.pauseMs * 2, this.bounds.restartMsMax);
  }

  private drop(reason: string): void {
    this.dropped[reason] = (this.dropped[reason] ?? 0) + 1;
  }
}

/** A node that is not known yet speaks against nothing: members are learnt as links come up. */
async function checkLane(node: OverlayNodeHandle, { flow, to }: ProcessorConfig): Promise<void> {
  if (to === undefined) return;
  await node.checkLane(flow, { to: to.node }).catch((error: unknown) => {
    if (!(error instanceof OverlayError) || error.code !== 'UNKNOWN_DESTINATION') throw error;
  });
}
