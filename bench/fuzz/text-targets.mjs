/** What people and local programs write: configuration files, units, invite tokens, control channels. */
import { DatagramsReader, datagramsHead } from '../../dist/daemon/channel-datagrams.js';
import {
  CHANNEL_DATAGRAMS,
  CHANNEL_RELIABLE,
  ChannelDecoder,
  channelFrame,
  jsonBody,
  jsonFrame,
  parseReliableBody,
  reliableFrame,
} from '../../dist/daemon/control-channel.js';
import {
  parseConfig,
  parseDuration,
  parseHostPort,
  parseRate,
  parseShare,
  parseSize,
} from '../../dist/daemon/index.js';
import { fromBase64url, fromHex, nearestSpelling, utf8Decode } from '../../dist/kernel/index.js';

const TEXT_BYTES_MAX = 4_096;
const latin = (b, at, end) =>
  String.fromCharCode(...b.subarray(at, Math.min(end, at + TEXT_BYTES_MAX)));
const ascii = (...texts) => texts.map((text) => Uint8Array.from(text, (c) => c.charCodeAt(0)));
const text = (read) => (b, at, end) => read(latin(b, at, end));

const CONFIG = `state: /var/lib/overlane
listen: ["0.0.0.0:4600", "[::]:4600"]
neighbours:
  - name: beta
    addresses: ["192.0.2.1:4600"]
forwards:
  - { protocol: tcp, listen: "127.0.0.1:8080", to: "beta:80" }
expose:
  - { protocol: udp, port: 53, to: "127.0.0.1:53", from: any }
impairments:
  - { neighbour: beta, delay: 10ms, loss: 1.5%, rate: 20Mbit, queue: 256KiB }
log: { level: info }
`;

/** `[{ name, seeds, read }]` as in `wire-targets.mjs`; a `read` may return a promise. */
export const textTargets = () => [
  { name: 'units', seeds: ascii('300ms', '1.5s', '20Mbit', '256KiB', '1.5%'), read: text(units) },
  {
    name: 'parseHostPort',
    seeds: ascii('192.0.2.1:4600', '[2001:db8::1]:4600', 'relay.example.net:1'),
    read: text((t) => parseHostPort(t)),
  },
  { name: 'fromBase64url', seeds: ascii('b3ZlcmxhbmU', 'AAEC_-8'), read: text(fromBase64url) },
  { name: 'fromHex', seeds: ascii('00ff7fA0'), read: text(fromHex) },
  { name: 'utf8Decode', seeds: utf8Seeds(), read: (b, at, end) => utf8Decode(b.subarray(at, end)) },
  {
    name: 'nearestSpelling',
    seeds: ascii('neighbours', 'adresses'),
    read: text((t) => nearestSpelling(t.slice(0, 64), ['neighbours', 'addresses', 'listen'])),
  },
  { name: 'control channel', seeds: channelSeeds(), read: readChannel },
  {
    name: 'parseConfig',
    seeds: ascii(CONFIG),
    read: text((t) => parseConfig(t, 'fuzz.yaml')),
    weight: 0.01,
  },
];

const units = (t) => [parseDuration(t), parseRate(t), parseSize(t), parseShare(t)];

const utf8Seeds = () => ['ascii', 'größer', '日本語', '🛰️ link'].map((t) => Buffer.from(t));

function channelSeeds() {
  const to = { node: 'beta', port: 5_000 };
  const head = datagramsHead(to, 'video').subarray(4);
  const three = [40, 0, 3].flatMap((bytes) => [0, bytes, ...new Uint8Array(bytes)]);
  const datagrams = channelFrame(CHANNEL_DATAGRAMS, Uint8Array.of(...head, ...three));
  const reliable = reliableFrame({ id: 7, timeoutMs: 30_000 }, to, new Uint8Array(20));
  const json = jsonFrame(6, { to: 'beta:5000', code: 'UNREACHABLE' });
  const data = channelFrame(1, new Uint8Array(60));
  const run = Uint8Array.of(...datagrams, ...json, ...data, ...datagrams, ...reliable);
  return [datagrams, json, data, reliable, run];
}

/** In two chunks, as a socket may deliver it. */
function readChannel(b, at, end) {
  const decoder = new ChannelDecoder();
  const reader = new DatagramsReader();
  const middle = at + ((end - at) >> 1);
  const bodies = [];
  for (const chunk of [b.subarray(at, middle), b.subarray(middle, end)])
    for (const frame of decoder.push(chunk))
      if (frame.type === CHANNEL_DATAGRAMS) bodies.push(reader.read(frame.body));
      else if (frame.type === CHANNEL_RELIABLE) bodies.push(parseReliableBody(frame.body));
      else bodies.push(jsonBody(frame));
  return bodies;
}
