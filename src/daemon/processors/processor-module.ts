/**
 * What a processor's module sees and what it must be. The module is the user's, an ES module with
 *
 *   export function createProcessor(context) {
 *     return { message({ payload, from, lane }) { return somethingToSendOn; } };
 *   }
 *
 * What `message` returns (bytes, a text, or a list of either) goes to the processor's `to`; nothing
 * returned is nothing sent: the message was dropped, or merged into what is sent later. It may be
 * async. `context.send` sends at any time and to anybody, so a module can answer.
 */
export interface ProcessorContext {
  /** Name of the node it runs on. */
  readonly node: string;
  /** What the configuration gives it under `options`. */
  readonly options: unknown;
  /** Sends to `to`, `NODE:port`; absent: to the processor's `to`. */
  send(payload: Uint8Array | string, to?: string): void;
}

export interface ProcessorMessage {
  readonly payload: Uint8Array;
  /** `NODE:port` that it came from: answers go there. */
  readonly from: string;
  readonly lane: string;
}

type Payload = Uint8Array | string;
export type ProcessorReturn = Payload | readonly Payload[] | undefined | null;

export interface ProcessorModule {
  message(message: ProcessorMessage): ProcessorReturn | Promise<ProcessorReturn>;
  /** The processor ends: the last moment to send. */
  stop?(): void | Promise<void>;
}

/** From the daemon to the module's thread. */
export type ToWorker =
  | ({ readonly kind: 'message'; readonly id: number } & ProcessorMessage)
  | { readonly kind: 'stop' };

/** And back. */
export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly id: number; readonly error: string | undefined }
  | { readonly kind: 'send'; readonly payload: Payload; readonly to: string | undefined }
  | { readonly kind: 'failed'; readonly error: string }
  | { readonly kind: 'stopped' };

export interface WorkerData {
  /** URL of the module. */
  readonly module: string;
  readonly node: string;
  readonly options: unknown;
}
