/**
 * netcat on the overlay: standard input goes to the other node, what comes back goes to standard
 * output. What a person or `--json` is told goes to standard error, since standard output is data.
 */
import { once } from 'node:events';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { DatagramSocket, OverlayNodeHandle, OverlayStream } from '../../host/index.ts';
import { OverlayError } from '../../kernel/index.ts';
import { type CommonFlags, type DefinedCommand, defineCommand } from '../command.ts';
import type { CliContext } from '../context.ts';
import { FLOW_FLAGS, type FlowFlags, flowOfFlags } from '../flow-flags.ts';
import { durationMs, endpointArgument, parsePort } from '../parameters.ts';
import { showBytes } from '../views/quantities.ts';

interface Flags extends FlowFlags {
  readonly listen?: number;
  readonly datagram: boolean;
  readonly linger: number;
}

type Endpoint = { readonly node: string; readonly port: number };

interface Carried {
  sent: number;
  received: number;
  remote: string;
}

export const pipeCommand: DefinedCommand = defineCommand<Flags, [to?: Endpoint]>({
  path: 'pipe',
  brief: 'Connect standard input and output to another node (netcat on the overlay)',
  description:
    'With NODE:PORT: opens a stream there. With --listen PORT: takes one stream, then ends with it. With --datagram: each read of standard input is one datagram.',
  usesDaemon: true,
  reportsTo: 'stderr',
  examples: [
    { line: 'overlane pipe --listen 7000 > copy.tar', note: 'on LAX: take one stream' },
    { line: 'overlane pipe LAX:7000 < site.tar', note: 'here: send a file' },
    { line: 'overlane pipe --datagram LAX:7001', note: 'lines as datagrams, both ways' },
    { line: 'overlane pipe --lane bulk LAX:7000 < site.tar', note: 'everything else goes first' },
  ],
  fields: { remote: 'NODE:PORT of the other end', sent: 'bytes', received: 'bytes' },
  flags: {
    listen: {
      kind: 'parsed',
      parse: parsePort,
      optional: true,
      placeholder: 'port',
      brief: 'Wait for one stream (or for datagrams) on this overlay port',
    },
    datagram: {
      kind: 'boolean',
      default: false,
      withNegated: false,
      brief: 'Datagrams in place of a stream',
    },
    linger: {
      kind: 'parsed',
      parse: durationMs,
      default: '1s',
      brief: 'With --datagram: wait for answers after the end of standard input',
    },
    ...FLOW_FLAGS,
  },
  aliases: { l: 'listen', u: 'datagram' },
  positional: { kind: 'tuple', parameters: [{ ...endpointArgument, optional: true }] },
  async run(context, flags, to) {
    if ((to === undefined) === (flags.listen === undefined))
      throw new OverlayError('USAGE', 'either NODE:PORT or --listen PORT');
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const carried = flags.datagram
      ? await carryDatagrams(context, daemon, flags, to)
      : await carryStream(context, daemon, flags, to);
    const { remote, sent, received } = carried;
    return {
      data: { remote, sent, received },
      text: `${remote}: ${showBytes(sent)} sent, ${showBytes(received)} received`,
    };
  },
});

async function carryStream(
  context: CliContext,
  daemon: OverlayNodeHandle,
  flags: Flags & CommonFlags,
  to: Endpoint | undefined,
): Promise<Carried> {
  const { signal } = context;
  const stream =
    to === undefined
      ? await takeOne(daemon, flags.listen!, signal)
      : await daemon.connect(to, { ...flowOfFlags(flags), signal });
  const carried = { sent: 0, received: 0, remote: `${stream.remote.node}:${stream.remote.port}` };
  // Counted in a Transform, because iterating over a Duplex ends both its directions at once.
  const count = (way: 'sent' | 'received'): Transform =>
    new Transform({
      transform(chunk: Buffer, _encoding, done) {
        carried[way] += chunk.length;
        done(null, chunk);
      },
    });
  await Promise.all([
    pipeline(context.stdin, count('sent'), stream, { signal }),
    pipeline(stream, count('received'), context.stdout, { signal, end: false }),
  ]).catch((error: unknown) => {
    throw signal.aborted ? new OverlayError('ABORTED', 'interrupted', { cause: error }) : error;
  });
  return carried;
}

async function takeOne(
  daemon: OverlayNodeHandle,
  port: number,
  signal: AbortSignal,
): Promise<OverlayStream> {
  const server = await daemon.listen({ port, signal });
  try {
    return await new Promise<OverlayStream>((resolve, reject) => {
      server.once('connection', resolve);
      server.once('close', () => reject(new OverlayError('ABORTED', 'interrupted')));
    });
  } finally {
    await server.close();
  }
}

async function carryDatagrams(
  context: CliContext,
  daemon: OverlayNodeHandle,
  flags: Flags & CommonFlags,
  to: Endpoint | undefined,
): Promise<Carried> {
  const { signal } = context;
  const bound = flags.listen === undefined ? {} : { port: flags.listen };
  const flow = { ...flowOfFlags(flags), ...(to === undefined ? {} : { to: to.node }) };
  await using socket = await daemon.datagram({ ...bound, ...flow, signal });
  const carried = {
    sent: 0,
    received: 0,
    remote: to === undefined ? `port ${socket.local.port}` : `${to.node}:${to.port}`,
  };
  /** Without NODE:PORT, answers go to whoever spoke last. */
  let peer: Endpoint | undefined = to;
  const incoming = (async () => {
    for await (const datagram of socket) {
      carried.received += datagram.payload.length;
      peer = to ?? datagram.from;
      if (!context.stdout.write(datagram.payload)) await once(context.stdout, 'drain');
    }
  })();
  const isEnded = await sendInput(context, socket, () => peer, carried);
  if (flags.listen === undefined && isEnded) await context.pause(flags.linger, signal);
  // A listener goes on until Ctrl-C: its input often is at its end from the start.
  if (flags.listen !== undefined) await incoming;
  await socket.close();
  await incoming;
  return carried;
}

async function sendInput(
  context: CliContext,
  socket: DatagramSocket,
  peer: () => Endpoint | undefined,
  carried: Carried,
): Promise<boolean> {
  const { signal } = context;
  for await (const chunk of context.stdin) {
    if (signal.aborted) return false;
    const to = peer();
    if (to === undefined) continue;
    const payload = Buffer.from(chunk);
    const hasRoom = socket.send(payload, { to });
    carried.sent += payload.length;
    if (!hasRoom) await once(socket as never, 'drain', { signal }).catch(() => undefined);
  }
  return true;
}
