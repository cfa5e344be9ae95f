/**
 * Every function of `wire/` that reads what a peer sent, with valid messages to start from. A decoder
 * that is exported and has no target here fails the test of this folder.
 */
import { readdirSync, readFileSync } from 'node:fs';
import * as wire from '../../dist/wire/index.js';

const NAMES_OF_READERS = /^(decode|parse|isSealed|sealed|graphNextHops|pathHop)/;
const bytes = (count, from = 1) => Uint8Array.from({ length: count }, (_, i) => (from + i) & 0xff);
const ADDRESSES = [0x0a00_0001, 0x7fff_ffff, 0x9fff_fffe];

/** `[{ name, seeds, read(bytes, at, end) }]`; `read` returns something that JSON can hold. */
export function wireTargets() {
  const seeds = { ...encodedSeeds(), ...vectorSeeds() };
  return Object.entries(READERS).map(([name, read]) => ({
    name,
    read,
    seeds: seeds[name] ?? [],
  }));
}

/** Readers that `wire/` exports and nobody fuzzes. */
export const forgottenReaders = () =>
  Object.keys(wire).filter((name) => NAMES_OF_READERS.test(name) && !(name in READERS));

const whole = (decode) => (b, at, end) => decode(b.subarray(at, end));
const ranged = (decode) => (b, at, end) => decode(b, at, end);
/** Decoders that fill a record say with `accepted` that it is filled. */
const into = (decode, blank, accepted) => (b, at, end) => {
  const target = blank();
  return decode(target, b, at, end) === accepted ? target : undefined;
};
const latin = (b, at, end) => String.fromCharCode(...b.subarray(at, Math.min(end, at + 4096)));

const READERS = {
  decodeCertificate: whole(wire.decodeCertificate),
  decodeSignedObject: whole((b) => wire.decodeSignedObject(b, 2_000)),
  decodeChain: whole(wire.decodeChain),
  decodeManifestBody: whole(wire.decodeManifestBody),
  decodeManifest: whole(wire.decodeManifest),
  decodePolicy: whole(wire.decodePolicy),
  decodeMaximalTopology: whole(wire.decodeMaximalTopology),
  parseInviteToken: (b, at, end) => wire.parseInviteToken(latin(b, at, end)),
  decodeHandshake1: whole(wire.decodeHandshake1),
  decodeHandshake2: whole(wire.decodeHandshake2),
  decodeHandshake3: whole(wire.decodeHandshake3),
  decodeCookieReply: whole(wire.decodeCookieReply),
  decodeHandshakePayload: whole(wire.decodeHandshakePayload),
  decodeEnrolRequest: ranged(wire.decodeEnrolRequest),
  decodeEnrolAnswerPart: ranged(wire.decodeEnrolAnswerPart),
  decodeEnrolAnswerText: whole(wire.decodeEnrolAnswerText),
  decodeGoodbye: ranged(wire.decodeGoodbye),
  decodeMtuMessage: ranged(wire.decodeMtuMessage),
  decodeLatencyCode: (b, at, end) => (at < end ? wire.decodeLatencyCode(b[at]) : undefined),
  decodeRelayFigures: ranged(wire.decodeRelayFigures),
  decodeRelayAdvice: ranged(wire.decodeRelayAdvice),
  decodeSamples: ranged(wire.decodeSamples),
  decodeDelivered: whole(wire.decodeDelivered),
  decodeHave: ranged(wire.decodeHave),
  decodeLanAnnouncement: whole(wire.decodeLanAnnouncement),
  decodeHello: into(wire.decodeHello, wire.blankHello, true),
  decodeFlood: ranged(wire.decodeFlood),
  decodeFloodAck: ranged(wire.decodeFloodAck),
  decodeSync: ranged(wire.decodeSync),
  decodeLinkState: whole(wire.decodeLinkState),
  decodeLinkBandwidths: whole((b) => wire.decodeLinkBandwidths(b, 3)),
  decodeRateCode: (b, at, end) => (at < end ? wire.decodeRateCode(b[at]) : undefined),
  decodeTrainFrame: ranged(wire.decodeTrainFrame),
  decodeTrainReport: ranged(wire.decodeTrainReport),
  decodeReservationRequest: ranged(wire.decodeReservationRequest),
  decodeReservationAnswer: ranged(wire.decodeReservationAnswer),
  decodeDataHeader: into(wire.decodeDataHeader, wire.blankDataHeader, undefined),
  graphNextHops: (b, at, end) => {
    const header = wire.blankDataHeader();
    if (wire.decodeDataHeader(header, b, at, end) !== undefined) return undefined;
    const hops = [];
    if (header.routeForm === wire.ROUTE_GRAPH)
      for (const self of ADDRESSES)
        wire.graphNextHops(hops, b, at + wire.DATA_HEADER_BYTES, self, header);
    return hops;
  },
  pathHop: (b, at, end) => {
    const header = wire.blankDataHeader();
    if (wire.decodeDataHeader(header, b, at, end) !== undefined) return undefined;
    const hops = header.routeForm === wire.ROUTE_PATH ? header.routeWords : 0;
    return Array.from({ length: hops }, (_, i) => wire.pathHop(b, at + wire.DATA_HEADER_BYTES, i));
  },
  isSealedPacket: (b, at, end) => wire.isSealedPacket(b, at, end - at),
  sealedReceiver: (b, at, end) => (end - at < 16 ? undefined : wire.sealedReceiver(b, at)),
  sealedDropPrecedence: (b, at, end) =>
    end - at < 16 ? undefined : wire.sealedDropPrecedence(b, at),
  sealedCounter: (b, at, end) => (end - at < 16 ? undefined : wire.sealedCounter(b, at)),
  decodeLossReport: into(wire.decodeLossReport, wire.blankLossReport, true),
  decodeParityHead: (b, at, end) => {
    const head = wire.blankParityHead();
    const parity = wire.decodeParityHead(head, b, at, end);
    return parity < 0 ? undefined : { ...head, parity: parity - at };
  },
  decodeRepair: (b, at, end) => {
    const repair = wire.blankRepair();
    if (!wire.decodeRepair(repair, b, at, end)) return undefined;
    return { ...repair, frame: repair.frame - at };
  },
  decodeNodeControl: ranged(wire.decodeNodeControl),
  decodeReliableAck: ranged(wire.decodeReliableAck),
  decodeSessionMessage: ranged(wire.decodeSessionMessage),
  decodeSessionOffer: whole(wire.decodeSessionOffer),
  decodeProof: ranged(wire.decodeProof),
  decodeReceipt: ranged(wire.decodeReceipt),
  decodeSocketMessage: ranged(wire.decodeSocketMessage),
  decodeTimedMessage: ranged(wire.decodeTimedMessage),
  decodeStreamSegment: into(wire.decodeStreamSegment, wire.blankStreamSegment, true),
};

/** Golden vectors: a file's name is the format's, its decoder's name follows from it. */
function vectorSeeds() {
  const folder = new URL('../../src/wire/vectors/', import.meta.url);
  const decoderOf = {
    'certificate.json': 'decodeCertificate',
    'certificate-chain.json': 'decodeChain',
    'manifest.json': 'decodeManifest',
    'lan-announcement.json': 'decodeLanAnnouncement',
    'policy.json': 'decodePolicy',
    'maximal-topology.json': 'decodeMaximalTopology',
    'packet-proof.json': 'decodeProof',
    'receipt.json': 'decodeReceipt',
    'timed-message.json': 'decodeTimedMessage',
  };
  const seeds = {};
  for (const file of readdirSync(folder)) {
    const decoder = decoderOf[file];
    if (decoder === undefined) continue;
    const vectors = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
    seeds[decoder] = vectors.flatMap((v) =>
      v.hex === undefined ? [] : [Buffer.from(v.hex, 'hex')],
    );
  }
  const signed = (seeds.decodeManifest ?? []).map((b) => wire.decodeManifest(b)?.body);
  seeds.decodeManifestBody = signed.filter((body) => body !== undefined);
  seeds.decodeSignedObject = [...(seeds.decodeManifest ?? [])];
  return Object.fromEntries(Object.entries(seeds).filter(([, list]) => list.length > 0));
}

function encodedSeeds() {
  const chain = bytes(400);
  const version = { type: 1, part: 0, origin: ADDRESSES[0], epoch: 7, sequence: 9 };
  const versions = [version, { ...version, origin: ADDRESSES[1], type: 2 }];
  const token = wire.formatInviteToken({
    networkId: bytes(16),
    rootKey: bytes(32, 9),
    inviterKey: bytes(32, 40),
    inviterName: 'alpha',
    addresses: ['192.0.2.1:4600', '[2001:db8::1]:4600', 'relay.example.net:4600'],
    secret: bytes(16, 80),
    expiry: 1_800_000_000_000_000,
  });
  return {
    parseInviteToken: [Uint8Array.from(token, (c) => c.charCodeAt(0))],
    decodeHandshake1: [wire.encodeHandshake1(77, bytes(32))],
    decodeHandshake2: [wire.encodeHandshake2({ sender: 78, receiver: 77 }, bytes(500))],
    decodeHandshake3: [wire.encodeHandshake3(78, bytes(500))],
    decodeCookieReply: [
      wire.encodeCookieReply({ receiverIndex: 77, nonce: bytes(12), sealed: bytes(32) }),
    ],
    decodeHandshakePayload: ['member', 'enrol', 'refuse'].map((intent) =>
      wire.encodeHandshakePayload({
        intent,
        aeads: ['aes-128-gcm', 'chacha20-poly1305'],
        epoch: 7,
        chain: intent === 'member' ? chain : bytes(0),
        reason: intent === 'refuse' ? 'certificate expired' : '',
      }),
    ),
    decodeEnrolRequest: [
      wire.encodeEnrolRequest({
        secret: bytes(16),
        name: 'alpha',
        identityKey: bytes(32),
        signature: bytes(64),
      }),
    ],
    decodeEnrolAnswerPart: wire.encodeEnrolAnswer({ granted: true, chain, manifest: bytes(900) }),
    decodeEnrolAnswerText: [
      Uint8Array.of(0, ...Buffer.from('token-used')),
      Uint8Array.of(1, chain.length >> 8, chain.length & 255, ...chain, ...bytes(500)),
    ],
    decodeGoodbye: [wire.encodeGoodbye({ code: 3, detail: 'certificate expired' })],
    decodeMtuMessage: [wire.encodeMtuMessage({ id: 5, datagramBytes: 1400 })],
    decodeLatencyCode: [bytes(1)],
    decodeRelayFigures: [wire.encodeRelayFigures({ hash: 7, round: 3, codes: bytes(40) })],
    decodeRelayAdvice: [
      wire.encodeRelayAdvice({
        hash: 7,
        round: 3,
        hints: [{ destination: 5, relay: 9, rest: 80 }],
      }),
    ],
    decodeSamples: [
      wire.encodeSamples([{ from: 'ATL', to: 'LAX', metric: 'm', value: 1.5, ageSeconds: 3 }])
        .bytes,
    ],
    decodeDelivered: [
      Uint8Array.from([
        ...wire.encodeDelivered({
          destination: ADDRESSES[0],
          epoch: 3,
          number: 4,
          flows: ADDRESSES.map((source) => ({
            source,
            epoch: 3,
            flow: 7,
            isSigned: true,
            greatest: 90,
            runs: [5, 2, 9],
          })),
        }),
        ...bytes(64),
      ]),
    ],
    decodeHave: [
      wire.encodeHave(
        ADDRESSES.map((source, i) => ({
          source,
          epoch: 3,
          isSigned: i > 0,
          flow: 7 + i,
          first: 90,
          count: 2,
        })),
      ),
    ],
    decodeHello: [helloBody(wire.blankHello()), helloBody(FULL_HELLO)],
    decodeLossReport: [lossReportBody()],
    decodeRepair: [bytes(80)],
    decodeReliableAck: [
      wire.encodeReliableAck({
        session: 9,
        greatest: 4_000,
        delay: 4_800,
        runs: [3, 1, 2, 5, 10],
        paused: ADDRESSES.map((source) => ({ source, destination: ADDRESSES[0], flow: 7 })),
      }),
    ],
    decodeParityHead: [parityBody()],
    decodeFlood: [wire.encodeFlood({ ...version, age: 12_300_000, body: linkStateBody() })],
    decodeFloodAck: [wire.encodeFloodAck(versions), wire.encodeFloodAck([version])],
    decodeSync: [
      wire.encodeSync({ kind: 'digest', chunk: 3, first: 0, last: wire.RECORD_KEY_MAX, versions }),
      wire.encodeSync({ kind: 'digest-received', chunk: 3 }),
      wire.encodeSync({ kind: 'summary', isAnswer: true, count: 24, hashHigh: 5, hashLow: 6 }),
    ],
    decodeLinkState: [linkStateBody()],
    decodeLinkBandwidths: [
      wire.encodeLinkBandwidths([{ capacity: 20e6, available: 8e6 }, undefined, undefined]),
    ],
    decodeRateCode: [bytes(1)],
    decodeTrainFrame: [wire.encodeTrainFrame({ train: 7, place: 3, packets: 16 })],
    decodeTrainReport: [
      wire.encodeTrainReport({ train: 7, arrived: 16, time: 17_000, wireBytes: 21_420 }),
    ],
    decodeReservationRequest: [
      wire.encodeReservationRequest({
        isRelease: false,
        flow: 9,
        id: 5,
        neighbour: ADDRESSES[1],
        rate: 8e6,
      }),
    ],
    decodeReservationAnswer: [
      wire.encodeReservationAnswer({
        verdict: 'no-room',
        id: 5,
        neighbour: ADDRESSES[1],
        available: 2e6,
        capacity: 10e6,
      }),
    ],
    decodeDataHeader: dataPackets(),
    graphNextHops: dataPackets(),
    pathHop: dataPackets(),
    isSealedPacket: [sealedPacket()],
    sealedReceiver: [sealedPacket()],
    sealedDropPrecedence: [sealedPacket()],
    sealedCounter: [sealedPacket()],
    decodeNodeControl: [
      { kind: 'echo-request', identifier: 5, token: 6, paddingBytes: 56 },
      { kind: 'echo-reply', identifier: 5, token: 6, paddingBytes: 0 },
    ].map(wire.encodeNodeControl),
    decodeSessionMessage: [
      { kind: 'initiation', receiverIndex: 0, noise: bytes(96) },
      { kind: 'response', receiverIndex: 9, noise: bytes(48) },
      { kind: 'unknown', receiverIndex: 9, noise: bytes(0) },
    ].map(wire.encodeSessionMessage),
    decodeSessionOffer: [
      wire.encodeSessionOffer({
        index: 5,
        epoch: 7,
        number: 1,
        algorithms: ['aes-128-gcm', 'chacha20-poly1305'],
      }),
    ],
    decodeSocketMessage: socketMessages(),
    decodeStreamSegment: streamSegments(),
  };
}

function lossReportBody() {
  const report = wire.blankLossReport();
  for (const counter of [1, 2, 3, 10, 500]) wire.addLoss(report, counter);
  const body = new Uint8Array(wire.lossReportBytes(report));
  wire.encodeLossReport(body, 0, report);
  return body;
}

function parityBody() {
  const head = {
    session: 7,
    index: 1,
    counters: [100, 101, 104],
    sinceFirst: 5_000,
    sinceLast: 1_000,
  };
  const frame = new Uint8Array(wire.parityOverhead(3) + 40);
  wire.encodeParity(frame, 0, head, bytes(40));
  return frame.subarray(wire.CONTROL_FRAME_HEADER_BYTES);
}

const FULL_HELLO = {
  ...wire.blankHello(),
  flags: 1,
  timestamp: 5_000,
  echo: 4_000,
  hold: 900,
  pace: 2_000_000,
  rtt: 30_000,
  hasArrivals: true,
  arrivals: { jitter: 800, burst: 2.5, reorderedPpm: 90, reorderExtent: 3 },
};

function helloBody(hello) {
  const frame = new Uint8Array(wire.helloFrameBytes(hello.pace, hello.hasArrivals));
  wire.encodeHello(frame, 0, hello);
  return frame.subarray(wire.CONTROL_FRAME_HEADER_BYTES);
}

function linkStateBody() {
  const report = { latency: 12_000, jitter: 1_000, mtu: 1400 };
  const losses = { lossOutPpm: 500, lossInPpm: 0 };
  const links = ADDRESSES.map((neighbour) => ({ neighbour, ...report, ...losses }));
  const extensions = Uint8Array.of(9, 3, 1, 2, 3);
  const state = wire.encodeLinkState({ isWithdrawn: false, links, extensions });
  return Uint8Array.of(...state, ...bytes(wire.LINK_STATE_SIGNATURE_BYTES));
}

function dataPackets() {
  const edges = ADDRESSES.slice(1).map((to, i) => ({ from: ADDRESSES[i], to }));
  const routes = [
    wire.NO_ROUTE,
    wire.FLOOD_ROUTE,
    wire.pathBlock(ADDRESSES),
    wire.graphBlock({ source: ADDRESSES[0], destination: ADDRESSES[1], edges }),
  ];
  return routes.map((route) => {
    const header = { ...wire.blankDataHeader(), hopLimit: 64, deadline: 65_000, recovery: 3 };
    const packet = bytes(wire.DATA_HEADER_BYTES + route.bytes.length + 100);
    const named = {
      source: ADDRESSES[0],
      destination: ADDRESSES[1],
      epoch: 7,
      flow: 1,
      sequence: 2,
    };
    wire.encodeDataHeader(packet, 0, { ...header, ...named }, route);
    return packet;
  });
}

function sealedPacket() {
  const packet = bytes(120);
  wire.writeSealedHeader(packet, 0, 77, 0x1_0000_0005);
  return packet;
}

function socketMessages() {
  const ports = { fromPort: 4000, toPort: 5000 };
  const datagram = bytes(80);
  wire.encodeDatagramHeader(datagram, 0, ports);
  const fragment = bytes(80);
  const place = { totalBytes: 5_000, identifier: 3, offset: 1_200 };
  wire.encodeFragmentHeader(fragment, 0, { ...ports, ...place });
  const unreachable = bytes(wire.DATAGRAM_HEADER_BYTES);
  wire.encodePortUnreachable(unreachable, 0, ports);
  return [datagram, fragment, unreachable, Uint8Array.of(wire.MESSAGE_CONFIRM)];
}

function streamSegments() {
  const opener = wire.SEGMENT_NUMBERED | wire.SEGMENT_OPENER;
  const flagSets = [
    opener | wire.SEGMENT_OPEN | wire.SEGMENT_DATA,
    opener | wire.SEGMENT_ACK | wire.SEGMENT_DATA | wire.SEGMENT_FIN,
    wire.SEGMENT_ACK,
    wire.SEGMENT_NUMBERED | wire.SEGMENT_RESET,
  ];
  return flagSets.map((flags) => {
    const segment = wire.blankStreamSegment();
    Object.assign(segment, { flags, stream: 5, number: 90, toPort: 80, fromPort: 49_152 });
    Object.assign(segment, { windowLimit: 1 << 20, ackDelay: 160, rangeCount: 3, offset: 70_000 });
    for (let i = 0; i < 3; i++) {
      segment.rangeFirst[i] = 80 - 20 * i;
      segment.rangeLast[i] = 85 - 20 * i;
    }
    const out = bytes(300);
    const dataBytes = flags & wire.SEGMENT_DATA ? 60 : 0;
    return out.subarray(0, wire.encodeStreamSegment(out, 0, segment) + dataBytes);
  });
}
