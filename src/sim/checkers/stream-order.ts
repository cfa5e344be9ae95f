/**
 * A stream is a pipe: bytes come out in order, without a gap, as they were put in, no more of them
 * than were put in, and its end is told only behind the last one.
 */
import type { Checker, TraceEvent } from '../trace.ts';

export class StreamOrder implements Checker {
  readonly invariant = 'stream-order';
  private readonly wanted = new Map<string, { readonly to: string; readonly bytes: number }>();
  private readonly received = new Map<string, number>();
  private readonly ended = new Set<string>();

  event(event: TraceEvent): string | undefined {
    switch (event.kind) {
      case 'stream-opened':
        this.wanted.set(event.stream, { to: event.to, bytes: event.bytes });
        return undefined;
      case 'stream-received':
        return this.receive(event.stream, event.node, event.offset, event.bytes, event.isIntact);
      case 'stream-ended':
        return this.end(event.stream);
      default:
        return undefined;
    }
  }

  private receive(
    stream: string,
    node: string,
    offset: number,
    bytes: number,
    isIntact: boolean,
  ): string | undefined {
    const wanted = this.wanted.get(stream);
    if (wanted?.to !== node) return `stream ${stream} was not opened to here`;
    if (!isIntact) return `stream ${stream} has wrong bytes at ${offset}, +${bytes}`;
    if (this.ended.has(stream)) return `stream ${stream} went on after its end`;
    const before = this.received.get(stream) ?? 0;
    if (offset !== before) return `stream ${stream} jumped from ${before} to ${offset}`;
    if (before + bytes > wanted.bytes) return `stream ${stream} has more bytes than were written`;
    this.received.set(stream, before + bytes);
    return undefined;
  }

  private end(stream: string): string | undefined {
    const wanted = this.wanted.get(stream)?.bytes;
    const received = this.received.get(stream) ?? 0;
    if (this.ended.has(stream)) return `stream ${stream} ended twice`;
    this.ended.add(stream);
    return received === wanted ? undefined : `stream ${stream} ended at ${received} of ${wanted}`;
  }
}
