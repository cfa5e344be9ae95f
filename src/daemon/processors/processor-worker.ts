/**
 * The thread that a processor's module runs in. What it throws in `message` is told and counted; what
 * it throws elsewhere ends the thread, and the daemon starts another. It can neither stop the daemon
 * nor hold it up.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../../kernel/index.ts';
import type {
  FromWorker,
  ProcessorModule,
  ProcessorReturn,
  ToWorker,
  WorkerData,
} from './processor-module.ts';

assert(parentPort !== null, 'this is the main file of a worker thread');
const port = parentPort;
const tell = (message: FromWorker): void => port.postMessage(message);

const { module: url, node, options } = workerData as WorkerData;

const send = (payload: Uint8Array | string, to?: string): void => {
  if (typeof payload !== 'string' && !(payload instanceof Uint8Array))
    throw new TypeError('a payload is a Uint8Array or a string');
  tell({ kind: 'send', payload, to });
};

function sendOn(returned: ProcessorReturn): void {
  if (returned === undefined || returned === null) return;
  if (typeof returned === 'string' || returned instanceof Uint8Array) send(returned);
  else if (Array.isArray(returned)) for (const payload of returned) send(payload as Uint8Array);
  else throw new TypeError('message() returns a Uint8Array, a string, a list of them, or nothing');
}

async function created(): Promise<ProcessorModule | undefined> {
  try {
    const loaded = (await import(url)) as { createProcessor?: unknown };
    if (typeof loaded.createProcessor !== 'function')
      throw new TypeError('the module does not export a function createProcessor');
    const made = (await loaded.createProcessor({ node, options, send })) as ProcessorModule;
    if (typeof made?.message !== 'function')
      throw new TypeError('createProcessor returned nothing with a function message');
    return made;
  } catch (error) {
    tell({ kind: 'failed', error: textOf(error) });
    return undefined;
  }
}

const textOf = (error: unknown): string =>
  (error instanceof Error ? (error.stack ?? error.message) : String(error)).slice(0, 2_000);

async function handle(processor: ProcessorModule, asked: ToWorker): Promise<void> {
  if (asked.kind === 'stop') {
    try {
      await processor.stop?.();
    } finally {
      tell({ kind: 'stopped' });
    }
    return;
  }
  const { id, payload, from, lane } = asked;
  let failure: string | undefined;
  try {
    sendOn(await processor.message({ payload, from, lane }));
  } catch (error) {
    failure = textOf(error);
  }
  tell({ kind: 'done', id, error: failure });
}

const processor = await created();
if (processor !== undefined) {
  port.on('message', (asked: ToWorker) => void handle(processor, asked));
  tell({ kind: 'ready' });
}
