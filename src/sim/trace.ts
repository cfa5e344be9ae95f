/**
 * What happened, as data: every decision of every node, every datagram and every fault, in order.
 * Checkers read it while it is made; the last events are kept for the report of a failure; the whole
 * of it can be had as JSON lines. A hash over all of it tells whether two runs were the same run.
 */
import type { Duration } from '../kernel/index.ts';
import { assert } from '../kernel/index.ts';
import type { PacketName } from '../node/index.ts';

interface Common {
  /** Virtual time, microseconds. */
  readonly at: number;
  /** Name of the node it happened at; empty for the network itself. */
  readonly node: string;
}

export type TraceEvent = Common &
  (
    | { readonly kind: 'start'; readonly life: number; readonly address: number }
    | { readonly kind: 'crash'; readonly life: number }
    | { readonly kind: 'stop'; readonly life: number }
    | { readonly kind: 'fault'; readonly what: string; readonly isActive: boolean }
    | { readonly kind: 'phase'; readonly phase: string }
    /** An underlay datagram left. `copies`: how many will arrive; `fate`: why none will. */
    | {
        readonly kind: 'transmit';
        readonly remote: string;
        readonly bytes: number;
        /** The last four bytes: for a sealed packet they depend on all the others. */
        readonly mark: number;
        readonly copies: number;
        readonly fate: string;
      }
    | { readonly kind: 'receive'; readonly remote: string; readonly bytes: number }
    | ({ readonly kind: 'packet-sent' | 'packet-delivered' } & PacketName & Life)
    | ({
        readonly kind: 'packet-forwarded';
        readonly from: number;
        readonly to: number;
      } & PacketName &
        Life)
    | ({ readonly kind: 'packet-dropped'; readonly reason: string } & Partial<PacketName> & Life)
    | { readonly kind: 'node-event'; readonly event: string; readonly text: string }
    /** An application message, by what its bytes say about themselves. */
    | {
        readonly kind: 'message-sent';
        readonly message: string;
        readonly to: string;
        readonly outcome: string;
      }
    | ({
        readonly kind: 'message-received';
        readonly message: string;
        readonly isIntact: boolean;
      } & Life)
    | {
        readonly kind: 'stream-opened';
        readonly stream: string;
        readonly to: string;
        readonly bytes: number;
      }
    | ({
        readonly kind: 'stream-received';
        readonly stream: string;
        readonly offset: number;
        readonly bytes: number;
        readonly isIntact: boolean;
      } & Life)
    | { readonly kind: 'stream-ended'; readonly stream: string; readonly total: number }
    | { readonly kind: 'stream-closed'; readonly stream: string; readonly reason: string }
    | { readonly kind: 'echo'; readonly to: string; readonly outcome: string; readonly rtt: number }
    /** A figure that must not pass its bound, as one node states it. */
    | {
        readonly kind: 'bound';
        readonly name: string;
        readonly value: number;
        readonly bound: number;
      }
    | {
        readonly kind: 'expected';
        readonly what: string;
        readonly isMet: boolean;
        readonly text: string;
      }
  );

interface Life {
  /** Which incarnation of the node: 1 after the first start. */
  readonly life: number;
}

export interface Violation {
  /** Name of the checker. */
  readonly invariant: string;
  readonly at: Duration;
  readonly node: string;
  readonly text: string;
}

/** Reads a trace and knows one thing that must never be in it. */
export interface Checker {
  readonly invariant: string;
  /** What the event breaks, in words; undefined while all is well. */
  event(event: TraceEvent): string | undefined;
}

export interface TraceOptions {
  /** Events kept for the report of a failure; older ones are dropped. Default 200. */
  readonly lastEventsMax?: number;
  /** Takes every event as one line of JSON. */
  readonly onLine?: (line: string) => void;
  readonly checkers?: readonly Checker[];
}

/** Violations kept of one run; the first says most. */
const VIOLATIONS_MAX = 20;

export class Trace {
  private readonly last: TraceEvent[] = [];
  private readonly lastMax: number;
  private readonly onLine: ((line: string) => void) | undefined;
  private readonly checkers: readonly Checker[];
  private readonly digest = new TraceHash();
  private oldest = 0;
  readonly violations: Violation[] = [];
  events = 0;

  constructor(options: TraceOptions = {}) {
    this.lastMax = options.lastEventsMax ?? 200;
    this.onLine = options.onLine;
    this.checkers = options.checkers ?? [];
    assert(this.lastMax > 0, 'a trace keeps at least one event');
  }

  record(event: TraceEvent): void {
    this.events++;
    this.digest.event(event);
    if (this.last.length < this.lastMax) this.last.push(event);
    else {
      this.last[this.oldest] = event;
      this.oldest = (this.oldest + 1) % this.lastMax;
    }
    this.onLine?.(JSON.stringify(event));
    for (const checker of this.checkers) {
      const text = checker.event(event);
      if (text !== undefined) this.violate(checker.invariant, event.at, event.node, text);
    }
  }

  violate(invariant: string, at: number, node: string, text: string): void {
    if (this.violations.length >= VIOLATIONS_MAX) return;
    this.violations.push({ invariant, at: at as Duration, node, text });
  }

  /** Equal for equal runs: 16 hexadecimal digits. */
  hash(): string {
    return this.digest.value();
  }

  lastLines(count: number = this.lastMax): string[] {
    const lines: string[] = [];
    const have = this.last.length;
    for (let i = Math.max(0, have - count); i < have; i++)
      lines.push(JSON.stringify(this.last[(this.oldest + i) % have]));
    return lines;
  }
}

/** Two 32-bit multiply-xor lanes over all fields; for telling runs apart, not for security. */
class TraceHash {
  private a = 0x811c_9dc5;
  private b = 0x9e37_79b9;

  event(event: TraceEvent): void {
    this.number(event.at);
    this.text(event.node);
    this.text(event.kind);
    switch (event.kind) {
      case 'transmit':
        this.number(event.bytes);
        this.word(event.mark);
        return this.word(event.copies);
      case 'receive':
        return this.number(event.bytes);
      case 'packet-sent':
      case 'packet-delivered':
      case 'packet-forwarded':
        this.word(event.source);
        return this.word(event.sequence);
      default:
        return this.fields(event);
    }
  }

  private fields(event: TraceEvent): void {
    for (const key in event) {
      const value = (event as unknown as Record<string, string | number | boolean>)[key];
      if (typeof value === 'number') this.number(value);
      else if (typeof value === 'string') this.text(value);
      else this.word(value === true ? 1 : 2);
    }
  }

  value(): string {
    return hex(this.a) + hex(this.b);
  }

  private word(word: number): void {
    this.a = Math.imul(this.a ^ word, 0x0100_0193);
    this.a ^= this.a >>> 15;
    this.b = Math.imul(this.b + word, 0x85eb_ca6b);
    this.b ^= this.b >>> 13;
  }

  private number(value: number): void {
    this.word(value | 0);
    if (value > 0x7fff_ffff || value < 0) this.word(Math.floor(value / 0x1_0000_0000));
  }

  private text(value: string): void {
    let h = value.length;
    for (let i = 0; i < value.length; i++) h = Math.imul(h ^ value.charCodeAt(i), 0x0100_0193);
    this.word(h);
  }
}

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
