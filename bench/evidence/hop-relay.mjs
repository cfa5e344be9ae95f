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
 *   node hop-relay.mjs BYTES_MIN BYTES_MAX     started by fork(); speaks over its channel
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { constants, setPriority } from 'node:os';

const [bytesMin, bytesMax] = process.argv.slice(2).map(Number);
/** When the packets now inside the middle daemon went in, oldest first. */
const inside = [];
let samples = [];
let strays = 0;

try {
  setPriority(constants.priority.PRIORITY_HIGHEST);
} catch {
  // Without the right to it the figure holds more of this process' own wake-up.
}

const [first, second] = await Promise.all([relay(0), relay(1)]);
process.send({ ports: [first, second] });
process.on('message', (message) => {
  if (message === 'begin') {
    samples = [];
    strays = 0;
    inside.length = 0;
  } else process.send({ samples, strays: strays + inside.length });
});
process.on('disconnect', () => process.exit());

/** One link; resolves with the ports on its outer and its inner side. */
async function relay(link) {
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
    if (link === 1 && isMarked(bytes)) leaves(now);
    if (outerPeer !== undefined) outer.send(bytes, outerPeer, '127.0.0.1');
  });
  return { outer: outer.address().port, inner: inner.address().port };
}

function leaves(now) {
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
