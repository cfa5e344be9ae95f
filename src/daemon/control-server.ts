/**
 * The control socket: HTTP and JSON over a Unix socket, versioned by path. Who can open the socket
 * controls the node, so access is a matter of file permissions. Events come as newline-delimited
 * JSON; sockets of SDK programs are HTTP upgrades (`control-sockets.ts`).
 *
 * A socket file that nobody listens on any more is taken over; one that somebody does is not.
 */
import { chmodSync, unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { OverlayNodeHandle } from '../host/index.ts';
import { nearestSpelling, OverlayError } from '../kernel/index.ts';
import { type DaemonControls, errorBody } from './control-api.ts';
import { CONTROL_ROUTES, type Route } from './control-routes.ts';
import { ControlSockets } from './control-sockets.ts';
import { watchAll } from './control-watch.ts';
import type { Logger } from './log.ts';

export interface ControlServerOptions {
  readonly path: string;
  readonly mode: number;
  /** Default 512; further connections are closed, counted. */
  readonly connectionsMax?: number;
  readonly node: OverlayNodeHandle;
  readonly controls: DaemonControls;
  readonly log: Logger;
}

/** A Unix socket's path is at most this long on Linux (unix(7)), its end marker apart. */
export const SOCKET_PATH_BYTES_MAX = 107;
const REQUEST_BODY_BYTES_MAX = 64 * 1024;
/** How long open requests get when the server closes. */
const FINISH_MS = 500;

const STATUS_OF: Readonly<Record<string, number>> = {
  BAD_ARGUMENT: 400,
  CONFIG_INVALID: 400,
  NOT_A_LAB: 403,
  NOT_AN_ISSUER: 403,
  UNKNOWN_DESTINATION: 404,
  NO_SUCH_ROUTE: 404,
  NO_SUCH_FORWARD: 404,
  NO_SUCH_STREAM: 404,
  METHOD_NOT_ALLOWED: 405,
  UNKNOWN_LANE: 404,
  LANE_CANNOT_HOLD: 409,
  RATE_NOT_AVAILABLE: 429,
  PORT_IN_USE: 409,
  FORWARD_EXISTS: 409,
  REQUEST_TOO_BIG: 413,
  LIMIT_REACHED: 429,
  INTERNAL: 500,
  UNREACHABLE: 502,
  REFUSED: 502,
  TIMED_OUT: 504,
};

export class ControlServer {
  private readonly options: ControlServerOptions;
  private readonly server: Server;
  private readonly sockets: ControlSockets;
  private readonly closing = new AbortController();
  private readonly upgraded = new Set<Duplex>();

  /** Fails with CONTROL_SOCKET_FAILED, CONTROL_SOCKET_IN_USE. */
  static async open(options: ControlServerOptions): Promise<ControlServer> {
    await clearStale(options.path);
    const server = new ControlServer(options);
    await server.listen();
    return server;
  }

  private constructor(options: ControlServerOptions) {
    this.options = options;
    this.sockets = new ControlSockets(options.node, options.log);
    this.server = createServer((request, response) => {
      void this.answer(request, response);
    });
    this.server.maxConnections = options.connectionsMax ?? 512;
    this.server.on('drop', () => options.log.warn({}, 'too many control connections: one closed'));
    this.server.on('upgrade', (request, socket, head) => {
      this.upgraded.add(socket);
      socket.once('close', () => this.upgraded.delete(socket));
      socket.on('error', ignore);
      this.sockets.upgrade(request, socket as Socket, head).catch((error: unknown) => {
        this.refuseUpgrade(socket, this.asOverlayError(error));
      });
    });
  }

  /** Lets requests finish for a moment, then closes every connection and removes the socket. */
  async close(): Promise<void> {
    this.closing.abort();
    this.sockets.close();
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeIdleConnections();
    for (const socket of this.upgraded) socket.destroy();
    const hurry = setTimeout(() => this.server.closeAllConnections(), FINISH_MS);
    await closed;
    clearTimeout(hurry);
  }

  private async listen(): Promise<void> {
    const { path, mode } = this.options;
    // The socket must never be open to others, not even before the chmod.
    const umask = process.umask(0o177);
    try {
      await new Promise<void>((resolve, reject) => {
        this.server.once('error', reject);
        this.server.listen(path, resolve);
      });
      chmodSync(path, mode);
    } catch (cause) {
      throw new OverlayError('CONTROL_SOCKET_FAILED', `cannot open the control socket ${path}`, {
        details: { path, reason: (cause as NodeJS.ErrnoException).code },
        cause,
      });
    } finally {
      process.umask(umask);
    }
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const url = new URL(request.url ?? '/', 'http://control');
      const method = request.method ?? 'GET';
      if (url.pathname === '/v1/watch' && method === 'GET') {
        await watchAll(this.options.node, url, response, this.closing.signal);
        return;
      }
      const { route, rest } = findRoute(method, url.pathname);
      const body = method === 'GET' || method === 'DELETE' ? {} : await readJson(request);
      const gone = new AbortController();
      response.once('close', () => gone.abort());
      const { node, controls } = this.options;
      const value = await route.run({ node, controls, body, url, rest, signal: gone.signal });
      this.options.log.debug({ method, path: url.pathname }, 'request answered');
      if (route.type !== undefined) send(response, 200, { type: route.type, body: String(value) });
      else respond(response, 200, value ?? {});
      if (route.after !== undefined) response.once('close', () => route.after?.(controls));
    } catch (error) {
      const told = this.asOverlayError(error);
      if (response.headersSent) response.destroy();
      else respond(response, STATUS_OF[told.code] ?? 500, errorBody(told));
    }
  }

  private refuseUpgrade(socket: Duplex, error: OverlayError): void {
    const body = JSON.stringify(errorBody(error));
    const status = STATUS_OF[error.code] ?? 500;
    socket.end(
      `HTTP/1.1 ${status} Refused\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  }

  /** An error we did not foresee is our bug: it is logged whole and told as INTERNAL. */
  private asOverlayError(error: unknown): OverlayError {
    if (error instanceof OverlayError) return error;
    this.options.log.error({ error }, 'a control request failed unexpectedly');
    return new OverlayError('INTERNAL', `the daemon failed: ${(error as Error).message}`);
  }
}

function findRoute(method: string, pathname: string): { route: Route; rest: string } {
  let isPathKnown = false;
  for (const route of CONTROL_ROUTES) {
    const isPrefix = route.path.endsWith('/');
    const isMatch = isPrefix ? pathname.startsWith(route.path) : pathname === route.path;
    if (!isMatch) continue;
    isPathKnown = true;
    if (route.method !== method) continue;
    return { route, rest: isPrefix ? decode(pathname.slice(route.path.length)) : '' };
  }
  if (isPathKnown)
    throw new OverlayError('METHOD_NOT_ALLOWED', `${pathname} does not take ${method}`);
  const paths = CONTROL_ROUTES.map((route) => route.path);
  throw new OverlayError('NO_SUCH_ROUTE', `there is no ${pathname} in this API`, {
    details: { nearest: nearestSpelling(pathname, paths) },
  });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new OverlayError('BAD_ARGUMENT', `"${text}" is not a well-formed path`);
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > REQUEST_BODY_BYTES_MAX)
      throw new OverlayError('REQUEST_TOO_BIG', `a request is at most ${REQUEST_BODY_BYTES_MAX} B`);
    chunks.push(chunk);
  }
  if (length === 0) return {};
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (cause) {
    throw new OverlayError('BAD_ARGUMENT', 'the request body is not JSON', { cause });
  }
}

const respond = (response: ServerResponse, status: number, value: unknown): void =>
  send(response, status, { type: 'application/json', body: `${JSON.stringify(value)}\n` });

function send(
  response: ServerResponse,
  status: number,
  { type, body }: { readonly type: string; readonly body: string },
): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

/** Removes a socket file that nobody listens on. Fails with CONTROL_SOCKET_IN_USE. */
async function clearStale(path: string): Promise<void> {
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) {
    throw new OverlayError(
      'CONTROL_SOCKET_FAILED',
      `the path of the control socket is longer than the system's ${SOCKET_PATH_BYTES_MAX} bytes: set \`control\` to a shorter one (${path})`,
      { details: { path, bytesMax: SOCKET_PATH_BYTES_MAX } },
    );
  }
  const code = await new Promise<string | undefined>((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(undefined);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'ERROR'));
  });
  if (code === 'ENOENT') return;
  if (code !== 'ECONNREFUSED') {
    throw new OverlayError('CONTROL_SOCKET_IN_USE', `something else is at ${path}`, {
      details: { path, reason: code },
    });
  }
  unlinkSync(path);
}

const ignore = (): void => {};
