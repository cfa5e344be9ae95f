/**
 * What carries datagrams below the overlay: the portable one on `node:dgram`, a faster one where it
 * loads, and the impairment shim around either. All pass `underlay/conformance.test.ts`.
 */
import type { DatagramBatch, UnderlayAddress } from '../kernel/index.ts';

/** Called with what has arrived. The batch is reused when the call returns. */
export type ReceiveBatch = (batch: DatagramBatch) => void;

export interface LocalSocketOptions {
  /** Literal IP address; `0.0.0.0` and `::` mean all addresses of the family. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

export interface Underlay {
  /** Short name for reports: `portable`, `fast`. */
  readonly kind: string;
  /** What is bound, in the order of the options; a datagram's `local` is an index into it. */
  readonly locals: readonly UnderlayAddress[];
  /** System buffer sizes in bytes, the smallest over the sockets. */
  readonly buffers: { readonly receiveBytes: number; readonly sendBytes: number };
  /** Starts delivering. Called once. What arrived before may be delivered or lost. */
  start(receive: ReceiveBatch): void;
  /**
   * Sends every datagram of the batch, or counts why not; never throws for what the network or the
   * system does. The batch is the caller's again when this returns.
   */
  send(batch: DatagramBatch): void;
  /** Drops, errors and totals by name. */
  counters(): Record<string, number>;
  /** No delivery happens after this was called; resolves when the ports are free. */
  close(): Promise<void>;
}
