/**
 * A stream on a node in this process as a real Duplex. Made by `OverlayHost`.
 *
 * Outwards, a write the node takes only in part is held with its callback until the node has room,
 * so the application sees the node's bound as ordinary back-pressure. Inwards, bytes are reported
 * as consumed when the application has taken them; while it does not, at most one receive window
 * of the core collects here and the far end stops.
 *
 * Views from the core are gathered in a staging buffer and pushed once for each input the node
 * handled, so that a window of small packets becomes one chunk.
 */
import { Duplex } from 'node:stream';
import type { OverlayError } from '../kernel/index.ts';
import type { EndpointParts, OverlayStream } from './api.ts';
import { failure } from './failure.ts';

/** What the stream needs of its host. */
export interface StreamPort {
  /** Bytes taken. */
  write(bytes: Uint8Array): number;
  consumed(bytes: number): void;
  finish(): void;
  reset(): void;
}

const STAGING_BYTES = 32 * 1024;

export class EmbeddedStream extends Duplex implements OverlayStream {
  readonly local: EndpointParts;
  readonly remote: EndpointParts;
  private readonly port: StreamPort;
  private held: { bytes: Uint8Array; done: (error?: Error | null) => void } | undefined;
  private staging = Buffer.alloc(0);
  private stagedFrom = 0;
  private stagedTo = 0;
  private unconsumed = 0;
  private isFinished = false;
  /** Set when the core has said its last word about the stream. */
  private isClosedBelow = false;

  constructor(options: { local: EndpointParts; remote: EndpointParts; port: StreamPort }) {
    super({ allowHalfOpen: true, readableHighWaterMark: 64 * 1024 });
    this.local = options.local;
    this.remote = options.remote;
    this.port = options.port;
  }

  /** Whether everything was written and only its delivery is still going on. */
  get isFinishing(): boolean {
    return this.isFinished && !this.isClosedBelow;
  }

  // Called by the host, inside the node: takes the bytes, runs nothing of the application.

  /** Copies bytes in. True when a push must follow. */
  stage(bytes: Uint8Array): boolean {
    if (this.destroyed) return false;
    const wasEmpty = this.stagedFrom === this.stagedTo;
    if (this.stagedTo + bytes.length > this.staging.length) this.restage(bytes.length);
    this.staging.set(bytes, this.stagedTo);
    this.stagedTo += bytes.length;
    return wasEmpty;
  }

  // Called by the host as effects, outside the node.

  /** Hands what was staged to the application. */
  pushStaged(): void {
    const chunk = this.staging.subarray(this.stagedFrom, this.stagedTo);
    this.stagedFrom = this.stagedTo;
    if (chunk.length === 0) return;
    if (this.destroyed) this.port.consumed(chunk.length);
    else if (this.push(chunk)) this.port.consumed(chunk.length);
    else this.unconsumed += chunk.length;
  }

  peerEnded(): void {
    this.pushStaged();
    if (!this.destroyed) this.push(null);
  }

  becameWritable(): void {
    const { held } = this;
    if (held === undefined) return;
    this.held = undefined;
    this.offer(held.bytes, held.done);
  }

  /** The core's last word. `error` undefined: both directions finished. */
  closedBelow(error: OverlayError | undefined): void {
    this.pushStaged();
    this.isClosedBelow = true;
    if (error !== undefined) this.destroy(error);
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.offer(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.isFinished = true;
    if (!this.isClosedBelow) this.port.finish();
    done();
  }

  override _read(): void {
    const bytes = this.unconsumed;
    if (bytes === 0) return;
    this.unconsumed = 0;
    if (!this.isClosedBelow) this.port.consumed(bytes);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const isOrderly = error === null && this.isFinished && this.readableEnded;
    if (!this.isClosedBelow && !isOrderly) this.port.reset();
    const { held } = this;
    this.held = undefined;
    held?.done(error ?? failure('STREAM_ABORTED'));
    done(error);
  }

  private offer(bytes: Uint8Array, done: (error?: Error | null) => void): void {
    if (this.isClosedBelow) {
      done(failure('CLOSED'));
      return;
    }
    const taken = this.port.write(bytes);
    if (taken >= bytes.length) done();
    else this.held = { bytes: bytes.subarray(taken), done };
  }

  /** A new staging buffer; chunks pushed earlier keep the old one alive as long as they live. */
  private restage(room: number): void {
    const staged = this.staging.subarray(this.stagedFrom, this.stagedTo);
    this.staging = Buffer.allocUnsafe(Math.max(STAGING_BYTES, 2 * (staged.length + room)));
    this.staging.set(staged);
    this.stagedFrom = 0;
    this.stagedTo = staged.length;
  }
}
