/**
 * A live stream of constant rate, seven packets of MPEG-TS in each datagram, into several paths at
 * once, and viewers that note when each datagram came: one clock for all.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { pause, quantile, until } from '../evidence/measure.mjs';

export const DATAGRAM_BYTES = 1_316;
const TS_BYTES = 188;
const SYNC = 0x47;
const PID = 0x100;
const PAYLOAD_ONLY = 0x10;
/** Where in a datagram its number stands: in the payload of its first packet. */
const NUMBER_AT = 4;
const DRAIN_MS = 1_500;

/** What comes out of one path. */
export class Viewer {
  static async open(datagrams) {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
    const listening = once(socket, 'listening');
    socket.bind(0, '127.0.0.1');
    await listening;
    return new Viewer(socket, datagrams);
  }

  constructor(socket, datagrams) {
    this.socket = socket;
    this.port = socket.address().port;
    this.received = 0;
    this.twice = 0;
    /** By number, milliseconds; NaN where nothing came. */
    this.arrivedAt = new Float64Array(datagrams).fill(Number.NaN);
    socket.on('message', (bytes) => {
      const number = bytes.readUInt32BE(NUMBER_AT);
      if (!Number.isNaN(this.arrivedAt[number])) this.twice++;
      else this.received++;
      this.arrivedAt[number] = performance.now();
    });
  }

  close() {
    this.socket.close();
  }
}

export const datagramsIn = (seconds, bitsPerSecond) =>
  Math.ceil((seconds * bitsPerSecond) / (8 * DATAGRAM_BYTES));

/**
 * Sends `datagrams` into every path, each `{ port, viewer }`. When `sound` of them have been sent, `spoil` is called; when `warm` have, `atStart`, and what is sent from then on counts.
 */
export async function play(paths, { bitsPerSecond, datagrams, sound, warm, spoil, atStart }) {
  const socket = createSocket('udp4');
  const datagram = mpegTs();
  const sentAt = new Float64Array(datagrams);
  const intervalMs = (8_000 * DATAGRAM_BYTES) / bitsPerSecond;
  const began = performance.now();
  let sent = 0;
  const stages = [
    [sound, spoil],
    [warm, atStart],
  ];
  const timer = setInterval(() => {
    const due = Math.min(datagrams, Math.floor((performance.now() - began) / intervalMs));
    for (; sent < due; sent++) {
      const copy = Buffer.from(datagram);
      copy.writeUInt32BE(sent, NUMBER_AT);
      sentAt[sent] = performance.now();
      for (const { port } of paths) socket.send(copy, port, '127.0.0.1');
    }
    if (sent >= stages[0]?.[0]) stages.shift()[1]();
  }, 1);
  const playMs = datagrams * intervalMs;
  await until('the stream has been sent', () => sent === datagrams, {
    withinMs: 2 * playMs + 30_000,
  });
  clearInterval(timer);
  await pause(DRAIN_MS);
  socket.close();
  return paths.map(({ viewer }) => seen(viewer, sentAt, warm));
}

function seen(viewer, sentAt, warm) {
  const latencies = [];
  const lostAt = [];
  for (let n = warm; n < sentAt.length; n++) {
    const latency = viewer.arrivedAt[n] - sentAt[n];
    if (Number.isNaN(latency)) lostAt.push(sentAt[n]);
    else latencies.push(latency);
  }
  return {
    sent: sentAt.length - warm,
    lost: lostAt.length,
    lostAt,
    twice: viewer.twice,
    latencies,
    medianMs: latencies.length === 0 ? Number.NaN : quantile(latencies, 0.5),
    longestMs: latencies.reduce((a, b) => Math.max(a, b), 0),
  };
}

function mpegTs() {
  const datagram = Buffer.alloc(DATAGRAM_BYTES, 0xff);
  for (let at = 0; at < DATAGRAM_BYTES; at += TS_BYTES) {
    datagram[at] = SYNC;
    datagram.writeUInt16BE(PID, at + 1);
    datagram[at + 3] = PAYLOAD_ONLY;
  }
  return datagram;
}
