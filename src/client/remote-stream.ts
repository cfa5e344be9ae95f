/** A stream whose overlay end is in a daemon: a Duplex over an upgraded control connection. */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import {
  CHANNEL_DATA,
  CHANNEL_END,
  CHANNEL_ERROR,
  ChannelDecoder,
  channelFrame,
  channelHeader,
  DATA_BYTES_MAX,
  errorOf,
  jsonBody,
} from '../daemon/index.ts';
import { type EndpointParts, failure, type OverlayStream } from '../host/index.ts';

export class RemoteStream extends Duplex implements OverlayStream {
  readonly local: EndpointParts;
  readonly remote: EndpointParts;
  private readonly socket: Socket;
  private readonly decoder: ChannelDecoder = new ChannelDecoder();
  private isEnded = false;

  constructor(options: {
    socket: Socket;
    head: Uint8Array;
    local: EndpointParts;
    remote: EndpointParts;
  }) {
    super({ allowHalfOpen: true, readableHighWaterMark: 64 * 1024 });
    this.socket = options.socket;
    this.local = options.local;
    this.remote = options.remote;
    this.socket.on('data', (chunk: Uint8Array) => this.arrived(chunk));
    this.socket.on('error', () => {});
    // A connection that goes without a word took the daemon with it.
    this.socket.once('end', () => this.hungUp());
    this.socket.once('close', () => this.hungUp());
    if (options.head.length > 0) this.arrived(options.head);
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.socket.cork();
    for (let at = 0; at < chunk.length; at += DATA_BYTES_MAX) {
      const part = chunk.subarray(at, at + DATA_BYTES_MAX);
      const isLast = at + DATA_BYTES_MAX >= chunk.length;
      this.socket.write(channelHeader(CHANNEL_DATA, part.length));
      this.socket.write(part, isLast ? done : undefined);
    }
    if (chunk.length === 0) done();
    this.socket.uncork();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.socket.write(channelFrame(CHANNEL_END, new Uint8Array(0)), done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // The daemon takes a connection that closes before both ends as a reset.
    if (this.writableFinished && this.isEnded) this.socket.end();
    else this.socket.destroy();
    done(error);
  }

  private arrived(chunk: Uint8Array): void {
    for (const frame of this.decoder.push(chunk)) {
      if (frame.type === CHANNEL_DATA) {
        if (!this.push(Buffer.from(frame.body))) this.socket.pause();
      } else if (frame.type === CHANNEL_END) {
        this.isEnded = true;
        this.push(null);
      } else if (frame.type === CHANNEL_ERROR) {
        this.destroy(errorOf(jsonBody(frame)));
      }
    }
    if (this.decoder.isBroken) this.destroy(failure('RESET'));
  }

  private hungUp(): void {
    if (this.destroyed || (this.isEnded && this.writableFinished)) return;
    this.destroy(failure('NODE_STOPPED'));
  }
}
