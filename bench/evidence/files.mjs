/**
 * A program that sends files: datagrams from one daemon to another whenever the first has room, and the
 * counting of those that arrive. A process of its own, so that nobody else's latency contains its JavaScript.
 *
 * Started by `startFiles`; asked for what has arrived by any message, and ends with its parent.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect } from '../../dist/client/index.js';

const PROGRAM = fileURLToPath(import.meta.url);
const PORT = 4_001;
const DATAGRAM_BYTES = 1_100;
/** Sent in one turn. */
const TURN_DATAGRAMS = 16;

/** Resolves once files are on their way. `from`, `to`: daemons; `lane` is whose. */
export async function startFiles({ from, to, lane }) {
  const sockets = [from, to].map(({ directory }) => join(directory, 'control.sock'));
  const child = fork(PROGRAM, [...sockets, to.name, lane], { stdio: 'inherit' });
  const answer = async () => (await once(child, 'message'))[0];
  await answer();
  return {
    pid: child.pid,
    /** Bytes that have arrived so far. */
    received: () => {
      child.send('received');
      return answer();
    },
    stop: () => child.disconnect(),
  };
}

async function sendFiles([from, to, node, lane]) {
  const receiver = await (await connect(to)).datagram({ port: PORT });
  const sender = await (await connect(from)).datagram({ lane });
  const payload = new Uint8Array(DATAGRAM_BYTES);
  let received = 0;
  receiver.on('message', () => {
    received += DATAGRAM_BYTES;
  });
  const fill = () => {
    for (let i = 0; i < TURN_DATAGRAMS; i++)
      if (!sender.send(payload, { to: { node, port: PORT } })) return;
    setImmediate(fill);
  };
  sender.on('drain', fill);
  fill();
  process.on('message', () => process.send(received));
  process.on('disconnect', () => process.exit());
  process.send(received);
}

if (process.argv[1] === PROGRAM) await sendFiles(process.argv.slice(2));
