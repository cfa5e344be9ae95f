/** docs/limits.md: every bound, its default as the code has it, and what happens at it. */
import { LAN_PEERS_MAX, PROCESSOR_BOUNDS } from '../../daemon/index.ts';
import {
  ACCOUNTS_MAX,
  DELIVERED_KNOWN_MAX,
  FLOW_BYTES_MARK,
  FLOWS_MAX_DEFAULT,
  KNOWN_FLOWS_MAX,
  LAPS_REMEMBERED,
  LINK_QUEUE_BYTES_MAX,
  OTHER_WAYS_MAX,
  PROOF_LIMITS,
  QUEUE_DROPS_MAX,
  RELIABLE_BYTES_MAX,
  STRANDED_BYTES_MAX,
  UNACKNOWLEDGED_LIFE,
  WINDOW_BYTES,
  WINDOW_PACKETS,
} from '../../forwarding/index.ts';
import { LINK_LIMITS, PATHS_MAX, RELIABLE_IN_FLIGHT_MAX } from '../../link/index.ts';
import { ROUTING_LIMITS } from '../../routing/index.ts';
import { VERIFIED_CHAINS_MAX } from '../../security/index.ts';
import { SOCKET_LIMITS_DEFAULT } from '../../sockets/index.ts';
import {
  PROOF_BATCH_MAX,
  TOPOLOGY_BYTES_MAX,
  TOPOLOGY_LINKS_MAX,
  TOPOLOGY_NODES_MAX,
} from '../../wire/index.ts';

/** What happens at the bound, and the counter that says it did. */
type Policy = readonly [overflow: string, counter: string];
type Policies<T> = { readonly [K in keyof T]: Policy };

const LINK: Policies<typeof LINK_LIMITS> = {
  neighboursMax: ['refuse the handshake', 'link.handshake.refused.too-many-neighbours'],
  pendingHandshakesMax: [
    'as responder demand cookies from half full, then refuse; as initiator drop the oldest',
    'link.handshake.table-full, link.handshake.initiations-overflow',
  ],
  handshakesPerSecond: [
    'demand a cookie; with one, four times as many, then drop',
    'link.handshake.cookies-demanded, link.handshake.overload',
  ],
  enrolmentsMax: ['refuse', 'link.enrol.too-many-enrolments'],
  helloBudget: ['hellos less often', '`hello` in status'],
  trainRate: ['trains wait', '`link.train.over-budget`'],
  trainIdleRate: ['idle links are measured later', '`link.train.sent`'],
  outgoingBatchPackets: ['send the batch', '-'],
  incomingBatchPackets: ['open in parts', '-'],
  mtuMin: ['what every path must carry', '-'],
  mtuTunnel: ['what is tried next', '-'],
  mtuMax: ['refuse as too big', 'forwarding.dropped.too-big'],
  historyPacketsMax: ['per link: forget the oldest', 'links[].recovery.evicted'],
  historyBytesMax: ['per link: forget the oldest', 'links[].recovery.evicted'],
  historyTime: ['not sent again', 'links[].recovery.late'],
  missingMax: ['per link: forget the oldest loss', 'links[].recovery.overflows'],
  repairsPendingMax: ['per link: not sent again', 'links[].recovery.overflows'],
  realtimeShareMax: ['not sent again', 'links[].recovery.overBudget'],
  deadlineShareMax: ['not sent again', 'links[].recovery.overBudget'],
  repairBurstBytes: ['not sent again', 'links[].recovery.overBudget'],
};

const ROUTING: Policies<typeof ROUTING_LIMITS> = {
  neighboursMax: ['refuse the adjacency', 'routing.neighbours-full'],
  membersMax: ['refuse the certificate', 'routing.members-full'],
  recordsMax: ['refuse the record', 'routing.records-full'],
  linkStatePartsMax: ['own links: not advertised; others: refuse', 'routing.own-links-full'],
  manifestPartsMax: ['refuse', 'routing.malformed-manifest'],
  heldRecordsMax: ['drop the oldest', 'routing.held-records-full'],
  inFlightMax: ['wait', '-'],
  originRecordsPerSecond: ['not acknowledged: it comes again', 'routing.origin-rate-limited'],
  originRecordsBurst: ['as above', 'routing.origin-rate-limited'],
  forgeriesPerSecond: ['not looked at', 'routing.forgeries-rate-limited'],
  forgeriesBurst: ['as above', 'routing.forgeries-rate-limited'],
  ownRecordsPerSecond: ['postponed and merged', 'routing.own-record-made'],
  ownRecordsBurst: ['as above', '-'],
  vanishedLinksMax: ['drop the oldest', 'routing.vanished-links-full'],
  candidatesMax: ['the best are kept', '-'],
  flowRoutesMax: ['forget the longest idle; it asks again', 'routing.flow-routes-full'],
  policyFlowsMax: ['forget all; they are classified again', 'routing.policy-flows-full'],
  routeHistoryMax: ['forget the oldest', '-'],
  disseminationPlansMax: ['made anew when next asked for', 'routing.dissemination-plans-full'],
};

const PROOFS: Policies<typeof PROOF_LIMITS> = {
  verifiedRootsMax: ['the oldest is verified again', 'forwarding.verified-roots-forgotten'],
  signaturesPerSecond: [
    'of one source: refuse its packets under new signatures',
    'forwarding.dropped.source-over-signature-budget',
  ],
  signaturesBurst: ['as above', 'forwarding.dropped.source-over-signature-budget'],
  badSignaturesPerSecond: [
    'of one neighbour: refuse what it brings under new signatures',
    'forwarding.dropped.neighbour-over-forgery-budget',
  ],
  badSignaturesBurst: ['as above', 'forwarding.dropped.neighbour-over-forgery-budget'],
};

const FIXED: readonly (readonly [string, string, string, string])[] = [
  [
    'flows in the flow table (`limits.flows`)',
    String(FLOWS_MAX_DEFAULT),
    'forget the longest idle eighth',
    'forwarding.flows-evicted',
  ],
  [
    'sequence numbers remembered per flow',
    '2048',
    'older packets count as duplicates',
    'forwarding.dropped.duplicate',
  ],
  [
    'queue in front of a link with a capacity',
    `100 ms of it, 32 KiB to ${LINK_QUEUE_BYTES_MAX / 2 ** 20} MiB`,
    'the most backlogged source loses its lowest priority, newest first (priority lane: oldest)',
    'forwarding.dropped.overload',
  ],
  [
    "responses to sessions' initiations, kept until the session is used (`sessionResponsesMax`)",
    String(SOCKET_LIMITS_DEFAULT.sessionResponsesMax),
    'forget the oldest; its initiator is answered when it begins anew, after 5 s',
    'sockets.session.responses-forgotten',
  ],
  [
    'packets in the receiving buffer of the system (fast underlay)',
    '1/4, 1/2 of it; 1/2 of that for urgent packets',
    'drop bulk, then other data; voice and remote control where they are most of what comes; never control',
    'link.shed.bulk, link.shed.normal, link.shed.prompt, underlay.receive-overflow',
  ],
  [
    'one reliable flow waiting at one link',
    `${FLOW_BYTES_MARK / 1024} KiB`,
    'hold the flow back at whoever brings it, down to its socket',
    'sockets.datagram.held-back',
  ],
  [
    'reliable packets waiting at a node',
    `${RELIABLE_BYTES_MAX / 2 ** 20} MiB`,
    'from half on hold flows back at 16 KiB each; then drop the newest',
    'forwarding.dropped.overload',
  ],
  [
    'packets acknowledged end to end under way between two members',
    `${WINDOW_BYTES / 1024} KiB, ${WINDOW_PACKETS} packets, ${UNACKNOWLEDGED_LIFE / 1e6} s`,
    'hold the sockets back; give up the oldest',
    'sockets.datagram.held-back, forwarding.dropped.unacknowledged',
  ],
  [
    'the same, waiting for one link',
    `${(2 * WINDOW_BYTES) / 1024} KiB`,
    'drop the copy',
    'forwarding.dropped.overload',
  ],
  [
    'flows of which a node knows what has arrived',
    String(DELIVERED_KNOWN_MAX),
    'forget the flow told of longest ago; copies pass',
    '-',
  ],
  [
    'signed acknowledgements of one destination',
    '40 a second',
    'ignore',
    'forwarding.delivered.rate-limited',
  ],
  ['reliable packets of a link not yet acknowledged', String(RELIABLE_IN_FLIGHT_MAX), 'wait', '-'],
  [
    'reliable packets without a way',
    `${STRANDED_BYTES_MAX / 2 ** 20} MiB, 60 s`,
    'drop the newest, the oldest',
    'forwarding.dropped.stranded-full, forwarding.dropped.stranded-too-long',
  ],
  [
    'reliable packets remembered that were taken back from a link',
    String(LAPS_REMEMBERED),
    'forget the oldest; it may pass again',
    '-',
  ],
  [
    'flooded flows of which a node knows what a neighbour has',
    `${KNOWN_FLOWS_MAX} for each neighbour, 512 packets of each`,
    'forget the flow learned of first; a copy is sent that the neighbour has',
    '-',
  ],
  [
    'pairs of member and lane in the accounts',
    String(ACCOUNTS_MAX),
    'added up under no member',
    '-',
  ],
  [
    "ways asked for a flow's rate beside its own, in 10 s",
    String(OTHER_WAYS_MAX),
    'refuse the rate',
    'forwarding.reservation.flow-refused',
  ],
  [
    'pairs of link and lane of which drops are counted',
    String(QUEUE_DROPS_MAX),
    'counted for all links only',
    'forwarding.dropped.overload, forwarding.dropped.late',
  ],
  ['packets from a node to itself in one call', '1024', 'refuse', 'node.loopback-overflows'],
  [
    'certificate chains remembered as verified',
    String(VERIFIED_CHAINS_MAX),
    'drop the oldest; it is verified again',
    '-',
  ],
  [
    'topology in the manifest',
    `${TOPOLOGY_LINKS_MAX} links, ${TOPOLOGY_NODES_MAX} nodes, ${TOPOLOGY_BYTES_MAX} B`,
    'refuse',
    'routing.manifest-malformed',
  ],
  ['certificate chain', '800 B', 'refuse as malformed', 'routing.certificate-malformed'],
  ['flooded record', '1152 B', 'refuse', 'routing.malformed-record'],
  [
    'paths to one neighbour',
    String(PATHS_MAX),
    'refuse the handshake',
    'link.handshake.refused.too-many-paths',
  ],
  ['replay window of a link session', '8192', 'refuse older packets', 'link.packet.replayed'],
  ['parities waiting to be sent, per link', '64', 'not sent', 'links[].recovery.overflows'],
  ['blocks of frames that parities came for, per link', '32', 'forget the oldest', '-'],
  [
    'frames kept for parities, per link',
    '1024, 1 MiB',
    'forget the oldest',
    'links[].recovery.parity',
  ],
  [
    'questions to an address that a neighbour was heard from',
    '5',
    'the neighbour is not followed',
    'link.address-checks-unanswered',
  ],
  [
    'UDP datagrams held for a full socket',
    '512 KiB (fast underlay: and 4096)',
    'drop the newest',
    'underlay.send-queue-full',
  ],
  [
    'runs read from the kernel in one call (fast underlay)',
    '16, each of up to 64 datagrams',
    'the next call',
    '-',
  ],
  ['remote addresses cached', '4096', 'drop the oldest', 'underlay.remotes-evicted'],
  [
    'datagrams held by the lab impairments',
    '16384',
    'drop the newest',
    'underlay.impaired.held-overflow',
  ],
  [
    'datagrams waiting for a reader (`receiveQueueMax`)',
    '1024',
    'drop the oldest',
    '`dropped` of the socket',
  ],
  [
    'bytes that the connection to a program holds ahead of its `receiveQueueMax`',
    '4 MiB',
    'wait for the reader as above',
    '`dropped` of the socket',
  ],
  ['items a watch may be behind', '256', 'a fresh snapshot', '`missed` in it'],
  ['connections to the control socket (`limits.controlConnections`)', '512', 'close', 'log'],
  ['request to the control socket', '64 KiB', 'refuse: REQUEST_TOO_BIG', '-'],
  ['frame of an SDK socket', '128 KiB', 'close the connection', '-'],
  ['streams announced to programs and not fetched', '256, each for 10 s', 'reset', 'log'],
  [
    'TCP connections of one forward or expose rule (`limits.forwardConnections`)',
    '512',
    'reset',
    '`refusals` of the rule: too-many-connections',
  ],
  [
    'UDP clients of one forward or expose rule (`limits.udpClients`)',
    '256, each for 60 s of silence',
    'forget the longest silent',
    '-',
  ],
  [
    'UDP datagrams of a client whose socket is being opened',
    '64',
    'drop the oldest',
    '`refusals` of the rule: opening-queue-full',
  ],
  [
    'messages with the module of a processor',
    `${PROCESSOR_BOUNDS.messagesMax}, ${PROCESSOR_BOUNDS.bytesMax} B`,
    'drop the newest',
    'processors.dropped.busy',
  ],
  [
    'time in which the module of a processor finishes something',
    `${PROCESSOR_BOUNDS.stuckMs} ms`,
    'end its thread and start it again',
    'processors.restarts',
  ],
  [
    'heap of the module of a processor',
    `${PROCESSOR_BOUNDS.heapMegabytesMax} MB`,
    'its thread ends and is started again',
    'processors.restarts',
  ],
  ['processors', '64', 'refuse the configuration', '-'],
  ['packets under one signature', `${PROOF_BATCH_MAX}, or 5 ms`, 'they leave', '-'],
  ['own lanes of a network', '240', 'refuse the configuration', '-'],
  ['members found on the local network', String(LAN_PEERS_MAX), 'leave out the newest', 'lan.full'],
  ['invites that are open', '1000', 'refuse: TOO_MANY_INVITES', '-'],
];

export function limitsPage(): string {
  const fixed = FIXED.map((row) => `| ${row.join(' | ')} |`);
  return `# Limits

Everything that can grow has a bound, a stated way to overflow, and a counter where it matters:
\`overlane status --counters\` shows them. Times of the socket layer are in microseconds.

This page is generated from the defaults in the code.

## Links

${table(LINK_LIMITS, LINK)}

## Routing

${table(ROUTING_LIMITS, ROUTING)}

## Signed packets

${table(PROOF_LIMITS, PROOFS)}

## Sockets

What is full refuses or holds back its own user: sends say \`full\`, writes take less, a peer's window closes.

| option | default |
|---|---|
${Object.entries(SOCKET_LIMITS_DEFAULT)
  .map(([name, value]) => `| \`${name}\` | ${value} |`)
  .join('\n')}

## Elsewhere

| what | default | overflow | counter |
|---|---|---|---|
${fixed.join('\n')}
`;
}

function table<T extends object>(defaults: T, policies: Policies<T>): string {
  const rows = Object.entries(defaults).map(([name, value]) => {
    const [overflow, counter] = policies[name as keyof T];
    return `| \`${name}\` | ${value} | ${overflow} | ${counter} |`;
  });
  return ['| option | default | overflow | counter |', '|---|---|---|---|', ...rows].join('\n');
}
