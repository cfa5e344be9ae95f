/**
 * What a node may spend on finding out: one figure, bits a second with all headers, for all links
 * together. Most of it goes to hellos, because a figure that nobody measured cannot be told; the rest to
 * telling figures to the rendezvous and hearing what they advise.
 */
import type { Duration } from '../kernel/index.ts';
import { milliseconds, seconds } from '../kernel/index.ts';

export interface ProbingOptions {
  /** Bits a second. Default 110 kbit/s. */
  readonly budget: number;
  /** Whether to look for relays by fresh figures. Auto: from `relaysFrom` members on. Default auto. */
  readonly relays: 'auto' | 'on' | 'off';
  readonly relaysFrom: number;
  /** With so many members only links to rendezvous are told to everybody. */
  readonly backboneFrom: number;
  /** Hellos are never slower than this. */
  readonly helloIntervalMax: Duration;
}

export const PROBING: ProbingOptions = {
  budget: 110_000,
  relays: 'auto',
  relaysFrom: 24,
  backboneFrom: 64,
  helloIntervalMax: seconds(12),
};

const HELLO_SHARE = 0.65;

export const probingShares = (budget: number): { hellos: number; relays: number } => ({
  hellos: Math.round(budget * HELLO_SHARE),
  relays: Math.round(budget * (1 - HELLO_SHARE)),
});

export const HELLO_INTERVAL_MIN: Duration = milliseconds(100);
