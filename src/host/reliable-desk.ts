/**
 * Reliable datagrams of one socket that have no outcome yet, and who waits for each: shared by the
 * sockets of an embedded node and those of a daemon.
 */
import type { ReceiptOutcome } from '../node/index.ts';
import type { SignalOption, UndeliverableCode } from './api.ts';
import { abortFailure, failure } from './failure.ts';

export interface Waiter {
  /** Undefined: delivered. */
  settled(code: UndeliverableCode | 'CLOSED' | undefined): void;
}

const CODES: Readonly<Record<Exclude<ReceiptOutcome, 'delivered'>, UndeliverableCode>> = {
  refused: 'REFUSED',
  'timed-out': 'TIMED_OUT',
  'peer-restarted': 'PEER_RESTARTED',
};

export class ReliableDesk {
  delivered = 0;
  private readonly waiters = new Map<number, Waiter>();
  private nextId = 1;

  /** The id to send it under. */
  open(waiter: Waiter): number {
    const id = this.nextId;
    this.nextId = id === 0xffff_ffff ? 1 : id + 1;
    this.waiters.set(id, waiter);
    return id;
  }

  /** Resolves when delivered. `send` throws what is wrong with the call itself. */
  promise(options: SignalOption, send: (id: number) => void): Promise<void> {
    const { signal } = options;
    if (signal?.aborted === true) return Promise.reject(abortFailure(signal));
    return new Promise((resolve, reject) => {
      const aborted = (): void => {
        this.waiters.delete(id);
        reject(abortFailure(signal!));
      };
      const id = this.open({
        settled: (code) => {
          signal?.removeEventListener('abort', aborted);
          if (code === undefined) resolve();
          else reject(failure(code));
        },
      });
      signal?.addEventListener('abort', aborted, { once: true });
      try {
        send(id);
      } catch (error) {
        this.waiters.delete(id);
        signal?.removeEventListener('abort', aborted);
        reject(error);
      }
    });
  }

  ended(id: number, outcome: ReceiptOutcome): void {
    if (outcome === 'delivered') this.delivered++;
    this.settle(id, outcome === 'delivered' ? undefined : CODES[outcome]);
  }

  /** As another desk tells it; no code: delivered. */
  told(id: number, code: UndeliverableCode | undefined): void {
    if (code === undefined) this.delivered++;
    this.settle(id, code);
  }

  /** After the caller's own statement, as an answer from elsewhere would come. */
  failed(id: number, code: UndeliverableCode): void {
    queueMicrotask(() => this.settle(id, code));
  }

  /** Whoever still waits hears CLOSED; events are for those that listen. */
  close(): void {
    for (const id of [...this.waiters.keys()]) this.settle(id, 'CLOSED');
  }

  private settle(id: number, code: UndeliverableCode | 'CLOSED' | undefined): void {
    const waiter = this.waiters.get(id);
    this.waiters.delete(id);
    waiter?.settled(code);
  }
}
