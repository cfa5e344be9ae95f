/** Requests to a daemon's control socket: HTTP and JSON over a Unix socket, and upgrades of it. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { CONTROL_API_VERSION, errorOf } from '../daemon/index.ts';
import { abortFailure } from '../host/index.ts';
import { OverlayError } from '../kernel/index.ts';
import type { ReadBuffers } from './read-buffers.ts';

export interface ControlCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

export interface Upgraded<T> {
  readonly socket: Socket;
  /** What the daemon says about the socket it opened. */
  readonly about: T;
  /** Bytes of the channel that came with the answer. */
  readonly head: Uint8Array;
}

export class ControlClient {
  readonly socketPath: string;

  constructor(socketPath: string) {
    this.socketPath = socketPath;
  }

  /** Fails with what the daemon answers, DAEMON_UNREACHABLE, DAEMON_PROTOCOL, ABORTED. */
  async call<T>(call: ControlCall): Promise<T> {
    const response = await this.open(call);
    const body = await readBody(response, call.signal);
    if (response.statusCode !== 200) throw errorOf(body);
    return body as T;
  }

  /** The lines of an answer that goes on until the signal is aborted or the daemon stops. */
  async *lines(call: ControlCall): AsyncGenerator<unknown, void> {
    if (isAborted(call.signal)) return;
    const response = await this.open(call);
    if (response.statusCode !== 200) throw errorOf(await readBody(response, call.signal));
    try {
      let rest = '';
      response.setEncoding('utf8');
      for await (const chunk of response as AsyncIterable<string>) {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) if (line !== '') yield JSON.parse(line);
      }
    } catch (error) {
      if (!isAborted(call.signal)) throw this.unreachable(error);
    } finally {
      response.destroy();
    }
  }

  /** Fails as `call` does. */
  upgrade<T>(
    path: string,
    protocol: string,
    signal?: AbortSignal,
    buffers?: ReadBuffers,
  ): Promise<Upgraded<T>> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(abortFailure(signal));
      const request = httpRequest({
        socketPath: this.socketPath,
        path,
        headers: { connection: 'Upgrade', upgrade: protocol },
        ...(buffers && { createConnection: () => buffers.connect(this.socketPath) }),
      });
      const aborted = (): void => {
        request.destroy();
        reject(abortFailure(signal!));
      };
      signal?.addEventListener('abort', aborted, { once: true });
      const settle = (): void => signal?.removeEventListener('abort', aborted);
      request.once('upgrade', (response, socket: Socket, head) => {
        settle();
        const about = response.headers['overlane-socket'];
        resolve({ socket, about: JSON.parse(String(about)) as T, head });
      });
      request.once('response', (response) => {
        settle();
        readBody(response, undefined).then((body) => reject(errorOf(body)), reject);
      });
      request.once('error', (error) => {
        settle();
        reject(this.unreachable(error));
      });
      request.end();
    });
  }

  private open({ method, path, body, signal }: ControlCall): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(abortFailure(signal));
      const text = body === undefined ? undefined : JSON.stringify(body);
      const request = httpRequest({
        socketPath: this.socketPath,
        method,
        path,
        agent: false,
        headers: text === undefined ? {} : { 'content-type': 'application/json' },
        ...(signal === undefined ? {} : { signal }),
      });
      request.once('response', resolve);
      request.once('error', (error) => {
        reject(signal?.aborted === true ? abortFailure(signal) : this.unreachable(error));
      });
      request.end(text);
    });
  }

  private unreachable(cause: unknown): OverlayError {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'closed';
    const hint: Record<string, string> = {
      ENOENT: 'no daemon has run there; start one with `overlane up`',
      ECONNREFUSED: 'the daemon there is no longer running; start it with `overlane up`',
      EACCES: 'this user may not talk to that daemon',
    };
    return new OverlayError(
      'DAEMON_UNREACHABLE',
      `no daemon answers on ${this.socketPath} (${hint[reason] ?? reason})`,
      { details: { socket: this.socketPath, reason }, isRetryable: true, cause },
    );
  }
}

/** A function, because the compiler does not know that a signal changes. */
const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;

async function readBody(
  response: IncomingMessage,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (cause) {
    if (signal?.aborted === true) throw abortFailure(signal);
    throw new OverlayError('DAEMON_PROTOCOL', 'the daemon answered something unintelligible', {
      details: { apiVersion: CONTROL_API_VERSION, status: response.statusCode },
      cause,
    });
  }
}
