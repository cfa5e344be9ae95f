/**
 * Reassembly of datagrams that were cut at their source because they are longer than the path carries.
 * A message of which a fragment is lost never completes: it is dropped after a time. Messages being
 * put together are bounded in number, in bytes, and per source, so that one peer cannot push out the
 * others' beyond its share.
 */
import type { Counters, Instant, NodeAddress } from '../kernel/index.ts';
import type { SocketMessage } from '../wire/index.ts';
import { RangeSet } from './range-set.ts';

export interface ReassemblyLimits {
  /** Messages being put together. Overflow: the oldest is dropped. */
  readonly reassembliesMax: number;
  readonly reassembliesPerSourceMax: number;
  readonly reassemblyBytesMax: number;
  /** From a message's first fragment to its last. */
  readonly reassemblyTime: number;
}

interface Partial {
  readonly key: string;
  readonly source: NodeAddress;
  readonly bytes: Uint8Array;
  readonly have: RangeSet;
  readonly deadline: Instant;
}

export class Reassembly {
  private readonly limits: ReassemblyLimits;
  private readonly counters: Counters;
  /** Insertion order is age order: deadlines never come out of turn. */
  private readonly partials = new Map<string, Partial>();
  private bytesHeld = 0;

  constructor(limits: ReassemblyLimits, counters: Counters) {
    this.limits = limits;
    this.counters = counters;
  }

  get size(): number {
    return this.partials.size;
  }

  nextTimeout(): Instant | undefined {
    for (const partial of this.partials.values()) return partial.deadline;
    return undefined;
  }

  timeout(now: Instant): void {
    for (const partial of this.partials.values()) {
      if (partial.deadline > now) return;
      this.drop(partial, 'datagram.reassembly-timed-out');
    }
  }

  /** Adds one fragment, and returns the whole message if it was the last one missing. */
  add(
    source: NodeAddress,
    fragment: SocketMessage,
    bytes: Uint8Array,
    end: number,
    now: Instant,
  ): Uint8Array | undefined {
    const key = `${source}.${fragment.fromPort}.${fragment.toPort}.${fragment.identifier}`;
    const partial = this.partials.get(key) ?? this.begin(key, source, fragment.totalBytes, now);
    if (partial === undefined || partial.bytes.length !== fragment.totalBytes) {
      this.counters.add('datagram.fragment-refused');
      return undefined;
    }
    partial.bytes.set(bytes.subarray(fragment.payloadOffset, end), fragment.offset);
    partial.have.add(fragment.offset, fragment.offset + end - fragment.payloadOffset);
    if (partial.have.count !== 1 || partial.have.start(0) !== 0) return undefined;
    if (partial.have.top !== fragment.totalBytes) return undefined;
    this.remove(partial);
    return partial.bytes;
  }

  private begin(
    key: string,
    source: NodeAddress,
    totalBytes: number,
    now: Instant,
  ): Partial | undefined {
    const { limits } = this;
    let ofSource = 0;
    let oldestOfSource: Partial | undefined;
    for (const partial of this.partials.values())
      if (partial.source === source) {
        ofSource++;
        oldestOfSource ??= partial;
      }
    if (ofSource >= limits.reassembliesPerSourceMax && oldestOfSource !== undefined)
      this.drop(oldestOfSource, 'datagram.reassembly-evicted');
    for (const oldest of this.partials.values()) {
      const isOver =
        this.partials.size >= limits.reassembliesMax ||
        this.bytesHeld + totalBytes > limits.reassemblyBytesMax;
      if (!isOver) break;
      this.drop(oldest, 'datagram.reassembly-evicted');
    }
    if (totalBytes > limits.reassemblyBytesMax) return undefined;
    const partial: Partial = {
      key,
      source,
      bytes: new Uint8Array(totalBytes),
      have: new RangeSet(),
      deadline: (now + limits.reassemblyTime) as Instant,
    };
    this.partials.set(key, partial);
    this.bytesHeld += totalBytes;
    return partial;
  }

  private drop(partial: Partial, reason: string): void {
    this.counters.add(reason);
    this.remove(partial);
  }

  private remove(partial: Partial): void {
    this.partials.delete(partial.key);
    this.bytesHeld -= partial.bytes.length;
  }
}
