/**
 * A process of its own between the middle daemon of a chain and its two neighbours: it passes on every
 * datagram between them and notes when one of a certain size goes in towards the middle on the first
 * link and when it comes out again on the second. Both moments are read from one clock, right before the
 * send and first thing in the receive; what is measured is thus the middle daemon, its wake-up, two
 * passages of the kernel, and the wake-up of this process: an upper bound of what the daemon adds.
 *
 *   first neighbour <-> [outer | inner] <-> middle <-> [inner | outer] <-> second neighbour
 *                        link 0                         link 1
 *
 * Each socket learns from what comes whom to send to, so the daemons' own ports need not be known.
 *
 * Beside it, half an interval later each time, a datagram of the same size goes to a process that does
 * nothing but send it back: what the machine itself adds to any program that forwards, just then.
 *
 *   node hop-relay.mjs BYTES_MIN BYTES_MAX     started by fork(); speaks over its channel
 *   node hop-relay.mjs bare                    the process that sends back
 */
import { fork } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { constants, setPriority } from 'node:os';

const [bytesMin, bytesMax] = process.argv.slice(2).map(Number);
const BARE_AFTER_MS = 5;
/** When the packets now inside the middle daemon went in, oldest first. */
const inside = [];
let samples = [];
let bareSamples = [];
let strays = 0;

process.on('disconnect', () => process.exit());
if (process.argv[2] === 'bare') await sendBack();
else await passOn();

async function sendBack() {
  const made = await socket();
  made.on('message', (bytes, from) => made.send(bytes, from.port, '127.0.0.1'));
  process.send(made.address().port);
}

async function passOn() {
  try {
    setPriority(constants.priority.PRIORITY_HIGHEST);
  } catch {
    // Without the right to it the figure holds more of this process' own wake-up.
  }
  const probe = await bareProbe();
  const [first, second] = await Promise.all([relay(0, probe), relay(1, probe)]);
  process.send({ ports: [first, second] });
  process.on('message', (message) => {
    if (message === 'begin') {
      samples = [];
      bareSamples = [];
      strays = 0;
      inside.length = 0;
    } else process.send({ samples, bareSamples, strays: strays + inside.length });
  });
}

/** Sends one datagram through the bare process, some time after it is called. */
async function bareProbe() {
  const child = fork(process.argv[1], ['bare'], { stdio: 'inherit' });
  const [port] = await once(child, 'message');
  try {
    setPriority(child.pid, 0);
  } catch {
    // It has the priority of a daemon then, or of this process.
  }
  const made = await socket();
  let sentAt = 0;
  made.on('message', () => bareSamples.push(performance.now() - sentAt));
  const bytes = new Uint8Array(bytesMin);
  const send = () => {
    sentAt = performance.now();
    made.send(bytes, port, '127.0.0.1');
  };
  return () => setTimeout(send, BARE_AFTER_MS);
}

/** One link; resolves with the ports on its outer and its inner side. */
async function relay(link, probe) {
  const outer = await socket();
  const inner = await socket();
  let outerPeer;
  let innerPeer;
  outer.on('message', (bytes, from) => {
    outerPeer = from.port;
    if (innerPeer === undefined) return;
    if (link === 0 && isMarked(bytes)) inside.push(performance.now());
    inner.send(bytes, innerPeer, '127.0.0.1');
  });
  inner.on('message', (bytes, from) => {
    const now = performance.now();
    innerPeer = from.port;
    if (link === 1 && isMarked(bytes)) leaves(now, probe);
    if (outerPeer !== undefined) outer.send(bytes, outerPeer, '127.0.0.1');
  });
  return { outer: outer.address().port, inner: inner.address().port };
}

function leaves(now, probe) {
  probe();
  const entered = inside.shift();
  if (entered === undefined) strays++;
  else samples.push(now - entered);
}

const isMarked = (bytes) => bytes.length >= bytesMin && bytes.length <= bytesMax;

async function socket() {
  const made = createSocket({
    type: 'udp4',
    lookup: (host, _options, answer) => answer(null, host, 4),
  });
  // The address needs no resolving, so the event may come before `bind` returns.
  const listening = once(made, 'listening');
  made.bind(0, '127.0.0.1');
  await listening;
  return made;
}
