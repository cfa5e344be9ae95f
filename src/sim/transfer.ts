/**
 * One request and its answer over a stream: the client writes so many bytes and finishes, the server
 * reads to the end, writes its own and finishes. A stream that breaks is opened anew until one
 * attempt comes through whole, as a person would.
 */
import type { Duration } from '../kernel/index.ts';
import { concatBytes, milliseconds, readU16, writeU16 } from '../kernel/index.ts';
import type { Testbed } from './testbed.ts';
import type { StreamHandlers, TestbedNode, TestbedStream } from './testbed-node.ts';

export interface TransferPlan {
  readonly from: string;
  readonly to: string;
  readonly start: Duration;
  /** From the client, then back from the server. */
  readonly bytes: number;
  readonly replyBytes: number;
  /** The first attempt is reset by the client after so long. */
  readonly resetAfter?: Duration;
  /** Stays on the route it began with. Default false. */
  readonly isPinned?: boolean;
}

export const TRANSFER_PORT = 5_001;
const RETRY_AFTER: Duration = milliseconds(1_000);
const CHUNK = 16 * 1024;
/** Transfer (u16) and attempt (u16) in front of the client's bytes. */
const HEADER_BYTES = 4;

export class Transfer {
  readonly plan: TransferPlan;
  readonly index: number;
  private readonly testbed: Testbed;
  private readonly client: TestbedNode;
  attempts = 0;
  isDone = false;
  /** Why the last attempt failed. */
  lastFailure = 'not begun';

  constructor(testbed: Testbed, plan: TransferPlan, index: number) {
    this.testbed = testbed;
    this.plan = { ...plan, bytes: Math.max(HEADER_BYTES, plan.bytes) };
    this.index = index;
    this.client = testbed.node(plan.from);
  }

  start(): void {
    this.testbed.after(this.plan.start, () => this.client.onStart(() => this.attempt()));
  }

  /** What a server does with a stream that comes in. */
  static serve(
    testbed: Testbed,
    transfers: readonly Transfer[],
    node: TestbedNode,
    stream: TestbedStream,
  ): StreamHandlers {
    let begun = new Uint8Array(0);
    let reader: PatternReader | undefined;
    let writer: PatternWriter | undefined;
    return {
      onData: (bytes) => {
        if (reader !== undefined) return reader.read(bytes);
        begun = concatBytes(begun, bytes) as Uint8Array<ArrayBuffer>;
        if (begun.length < HEADER_BYTES) return;
        const transfer = transfers[readU16(begun, 0)];
        const attempt = readU16(begun, 2);
        if (transfer === undefined) return stream.reset();
        const name = `${transfer.index}.${attempt}`;
        reader = new PatternReader(testbed, node, `${name}>`);
        reader.read(begun);
        const { replyBytes } = transfer.plan;
        writer = new PatternWriter(
          stream,
          `${name}<`,
          replyBytes,
          headerOf(transfer.index, attempt),
        );
      },
      onEnd: () => {
        reader?.end();
        writer?.pump();
      },
      onWritable: () => writer?.pump(),
    };
  }

  private attempt(): void {
    if (this.isDone) return;
    const { plan, testbed, client } = this;
    const attempt = ++this.attempts;
    const name = `${this.index}.${attempt}`;
    const again = (why: string): void => {
      this.lastFailure = `attempt ${attempt}: ${why}`;
      client.after(RETRY_AFTER, () => {
        if (attempt === this.attempts) this.attempt();
      });
    };
    this.note(`${name}>`, plan.to, plan.bytes);
    this.note(`${name}<`, plan.from, plan.replyBytes);
    const reader = new PatternReader(testbed, client, `${name}<`);
    let writer: PatternWriter | undefined;
    let isEnded = false;
    const opened = client.connect(
      { to: plan.to, port: TRANSFER_PORT },
      {
        onConnected: () => writer?.pump(),
        onData: (bytes) => reader.read(bytes),
        onWritable: () => writer?.pump(),
        onEnd: () => {
          isEnded = true;
          reader.end();
        },
        onClose: (reason) => {
          const closed = { kind: 'stream-closed' as const, stream: name, reason: reason ?? '' };
          testbed.trace.record({ at: testbed.now, node: client.name, ...closed });
          if (reason === undefined && isEnded) this.isDone = true;
          else again(reason ?? 'closed before its end');
        },
      },
      plan.isPinned ? { routing: { scheme: 'pinned' } } : {},
    );
    if (!opened.ok) return again(opened.reason);
    this.lastFailure = `attempt ${attempt} is under way`;
    const { resetAfter } = plan;
    if (attempt === 1 && resetAfter !== undefined)
      client.after(resetAfter, () => opened.value.reset());
    const header = headerOf(this.index, attempt);
    writer = new PatternWriter(opened.value, `${name}>`, plan.bytes, header);
  }

  private note(stream: string, to: string, bytes: number): void {
    const node = this.plan.from;
    this.testbed.trace.record({
      at: this.testbed.now,
      node,
      kind: 'stream-opened',
      stream,
      to,
      bytes,
    });
  }
}

function headerOf(index: number, attempt: number): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  writeU16(header, 0, index);
  writeU16(header, 2, attempt);
  return header;
}

/** Writes a stream's bytes as fast as they are taken, then finishes. */
class PatternWriter {
  private readonly stream: TestbedStream;
  private readonly key: number;
  private readonly total: number;
  private readonly header: Uint8Array;
  private offset = 0;
  private isFinished = false;

  constructor(stream: TestbedStream, name: string, total: number, header: Uint8Array) {
    this.stream = stream;
    this.key = keyOf(name);
    this.total = total;
    this.header = name.endsWith('>') ? header : new Uint8Array(0);
  }

  pump(): void {
    if (this.isFinished) return;
    while (this.offset < this.total) {
      const bytes = new Uint8Array(Math.min(CHUNK, this.total - this.offset));
      for (let i = 0; i < bytes.length; i++) {
        const at = this.offset + i;
        bytes[i] = this.header[at] ?? patternByte(this.key, at);
      }
      const taken = this.stream.write(bytes);
      this.offset += taken;
      if (taken < bytes.length) return;
    }
    this.isFinished = true;
    this.stream.finish();
  }
}

/** Compares what arrives with what must have been written, and puts it into the trace. */
class PatternReader {
  private readonly testbed: Testbed;
  private readonly node: TestbedNode;
  private readonly name: string;
  private readonly key: number;
  private readonly headerBytes: number;
  private offset = 0;

  constructor(testbed: Testbed, node: TestbedNode, name: string) {
    this.testbed = testbed;
    this.node = node;
    this.name = name;
    this.key = keyOf(name);
    this.headerBytes = name.endsWith('>') ? HEADER_BYTES : 0;
  }

  read(bytes: Uint8Array): void {
    let isIntact = true;
    for (let i = 0; i < bytes.length; i++) {
      const at = this.offset + i;
      if (at >= this.headerBytes && bytes[i] !== patternByte(this.key, at)) isIntact = false;
    }
    this.testbed.trace.record({
      at: this.testbed.now,
      node: this.node.name,
      kind: 'stream-received',
      stream: this.name,
      offset: this.offset,
      bytes: bytes.length,
      isIntact,
      life: this.node.life,
    });
    this.offset += bytes.length;
  }

  end(): void {
    const { name: stream, offset: total } = this;
    const at = this.testbed.now;
    this.testbed.trace.record({ at, node: this.node.name, kind: 'stream-ended', stream, total });
  }
}

function keyOf(name: string): number {
  let h = 7;
  for (let i = 0; i < name.length; i++) h = Math.imul(h, 31) + name.charCodeAt(i);
  return h;
}

/** Neighbouring bytes differ, and so do those a segment, a window or a page apart. */
const patternByte = (key: number, at: number): number =>
  (key + at * 7 + (at >> 8) + (at >> 15)) & 255;
