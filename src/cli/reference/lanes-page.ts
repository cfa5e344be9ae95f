/** docs/lanes.md, from the named lanes and the words themselves. */
import {
  LANE_DEADLINE_MAX,
  type Lane,
  NAMED_LANES,
  OTHER_WAYS_MAX,
  OWN_LANE_FIRST,
  PLAYOUT_WORDS,
  type PlayoutWord,
  RECOVERY_WORDS,
  type RecoveryWord,
  ROUTING_WORDS,
  type RoutingWord,
} from '../../forwarding/index.ts';
import { formatDuration } from '../../kernel/index.ts';

const ROUTING: Readonly<Record<RoutingWord, string>> = {
  best: 'the best route at each moment, each node deciding',
  'single-hop': 'the direct way, or through the one node that makes it better',
  disjoint: 'as many node-disjoint paths at once as `paths` says (2)',
  targeted:
    'two disjoint paths; while an end is in trouble, a graph that goes round the trouble there',
  'time-constrained': 'every link on which the packet can still be in time',
  flood: 'every link, as often as the packet is new to a node',
  pinned: 'the route of the first packet for ever, as an unprotected Internet path',
};

const RECOVERY: Readonly<Record<RecoveryWord, string>> = {
  none: 'what is lost is lost; costs nothing',
  reliable: 'no loss while the link lives, out of order, with back-pressure to the source',
  realtime: 'one request, one retransmission, a bounded cost',
  deadline: "requests and retransmissions spread over what is left of the packet's deadline",
  priority: 'newest of the highest priority first, fair between sources under attack',
  'fair-reliable': 'no loss, fair between pairs of source and destination, with back-pressure',
};

const PLAYOUT: Readonly<Record<PlayoutWord, string>> = {
  none: 'as they come',
  deadline: 'as they come; what is later than the deadline is dropped and counted',
  order: 'in the order sent; a gap holds up what is behind it until its deadline, not longer',
  smooth: 'in order, each at the time it was sent plus the deadline: jitter is gone',
};

export function lanesPage(): string {
  return `# Lanes

Every flow says what it needs, and the network does the rest: a lane by name (\`lane: "video"\`), parts
spelled out (\`{ routing: "targeted", recovery: "deadline", deadline: "130ms" }\`), or a name with parts
that differ. The same words work in the SDK (\`datagram\`, \`connect\`, \`ping\`, \`trace\`), on the command
line (\`--lane\`, \`--routing\`, \`--recovery\`, \`--deadline\`, \`--priority\`, \`--playout\`, \`--signed\`), and in the
configuration (\`forwards[].lane\` and so on). \`overlane lanes NODE\` says which can hold to a node.

This page is generated from the code.

## The named lanes

| lane | no. | routing | recovery | deadline | priority | playout | signed |
|---|---|---|---|---|---|---|---|
${NAMED_LANES.map(laneRow).join('\n')}

${NAMED_LANES.map(({ name, purpose }) => `- **${name}**: ${purpose}`).join('\n')}

Deadlines are one way. A lane whose deadline is not longer than the fastest known way to the
destination is refused when the flow is opened (\`LANE_CANNOT_HOLD\`), with the nearest lane that can;
an unknown name is refused with the nearest spelling (\`UNKNOWN_LANE\`). Routing \`disjoint\`
with more paths than there are is not refused: its packets take those that exist, and \`overlane lanes NODE\` says how
many (\`shortfall\` in the SDK).

## The words

| routing | |
|---|---|
${wordRows(ROUTING_WORDS, ROUTING)}

| recovery, on each link of the way | |
|---|---|
${wordRows(RECOVERY_WORDS, RECOVERY)}

| playout, of datagrams at the destination | |
|---|---|
${wordRows(PLAYOUT_WORDS, PLAYOUT)}

\`deadline\` is at most ${formatDuration(LANE_DEADLINE_MAX)}, \`0ms\` is none. \`priority\`, 0 to 15, orders packets of one
source; sources are fair to each other whatever their priorities. \`requests\` and \`retransmissions\`,
0 to 15, fix what the recoveries \`realtime\` and \`deadline\` otherwise choose by themselves.

\`signed\`: packets bear the signature of their source, and every node refuses what others made of them
([intrusion-tolerance.md](intrusion-tolerance.md)). In the lane \`control\` nothing else passes any node.

Deployment note: recovery that spreads several requests and retransmissions over a deadline is the
subject of US patents 8,437,267 and 11,057,319. Whoever deploys the recovery \`deadline\` where they are
in force should know of them; \`realtime\` and \`reliable\` do not work that way.

## Reliable datagrams

\`deliver\` (or \`send\` with \`reliable: true\`) sends a datagram until the other socket's receipt has come: over
whatever route the flow has by then, so it outlives the crash of any node between, and delivered once. How
it ended is told: delivered, \`REFUSED\` (nobody has the port), \`TIMED_OUT\` after 30 s or as asked,
\`PEER_RESTARTED\` (the other node lost its memory: it may have had it). It works in every lane; what
a lane's recovery repairs on links is then sent again less often end to end.

## Reserved rates

\`rate: "8Mbit"\` reserves on every link that the flow's packets take, all headers counted: a message of
1200 bytes takes about 1330, one of 160 bytes 290. A link gives away 90 % of its capacity, and half of it
to one member (\`reservations\` in the configuration of the node it leaves); its own node is not limited. What
is not to be had is refused when the flow is opened (\`RATE_NOT_AVAILABLE\`), with the link that is short, what is
left there, and the rate that can; the answer takes a round trip to the farthest link, 3 s at most. Packets within
the rate go before all others on these links, the rest of the flow within its fair share.

Where a link of the best way has no room, up to ${OTHER_WAYS_MAX} others are asked: the best over links that have not said no and do not tell of
less than the rate, those that do tell so last, as what is used but not reserved can still be had. The flow takes the
first that has room, and comes back when the best is better by half and has it again. \`why\` shows on which link
another way had none, and what was left there; \`link show\` how often that was so (\`REFUSED\`). Graphs, \`pinned\`
and \`explicit\` routes have no other way.

A flow with a rate keeps to one path, which its packets bear, whatever the network's routes do meanwhile: load
moves latencies, and where it would go instead nothing is reserved for it. When another path is better by half, the
rate is reserved there first, and the flow moves when it holds. When its path breaks it moves at once, and the
reservation follows. Where the new way has no room either, and no other, the flow is told (\`watch\`, the
event \`reservation\`, \`status --json\`), goes on within its fair share, and has the rate again when there is room.
What a socket sends to one node is one flow and has one rate: a second one is refused (\`BAD_ARGUMENT\`; \`rate-already-reserved\` in a
\`Testbed\`) until the first is released. Sockets have rates apart, each with an allowance of its own, also to the same node.
The reservation ends with the socket, or 15 s after its node was last heard. A lane with the recovery \`reliable\`
or \`fair-reliable\`, and the routing \`flood\`, reserve nothing and are refused with a rate.

A link's capacity is what its configuration states, or what trains of packets have measured; \`status\`, \`link show\` and \`perf\`
show both, with use, reservations and what is left; \`why\` shows a flow's rate on its route ([routing.md](routing.md)). A link whose capacity nobody knows
refuses nothing.

## Lanes of your own

\`\`\`yaml
lanes:
  - name: telemetry
    number: ${OWN_LANE_FIRST}
    extends: monitoring
    deadline: "500ms"
    recovery: realtime
    purpose: "Readings of the north site."
\`\`\`

Numbers are ${OWN_LANE_FIRST} to 255 and the same at every node of the network: a packet carries the number for
display and accounting, and beside it everything that nodes act on. A node whose configuration lacks
the lane serves its packets all the same and shows it as \`lane-${OWN_LANE_FIRST}\`.

## Playout without a common clock

A message in a lane with playout carries its number and the time its source sent it, by the source's
own clock. Arrival less sending time less the age that the packet's header told (half a round trip for
each link, and what the packet waited) is how far the two clocks are apart, give or take what one packet
differs from the usual. The destination follows its centre over some seconds, in which outliers count
little; drift of the clocks is followed with it, and a reroute to a longer way moves nothing.
A message is late when more than its deadline has passed since it was sent, by that measure; \`smooth\`
hands it out at exactly that time. A way that is slower in one direction than in the other is off by
half of the difference, which no method without a common clock can see.
`;
}

function laneRow(lane: Lane): string {
  const { name, number, routing, paths, recovery, deadline, priority, playout, signed } = lane;
  const way = routing === 'disjoint' ? `disjoint, ${paths} paths` : routing;
  const within = deadline === 0 ? '-' : formatDuration(deadline);
  const counts =
    lane.requests + lane.retransmissions === 0
      ? ''
      : `, ${lane.requests} request, ${lane.retransmissions} retransmission`;
  return `| \`${name}\` | ${number} | ${way} | ${recovery}${counts} | ${within} | ${priority} | ${playout} | ${signed ? 'yes' : '-'} |`;
}

const wordRows = <T extends string>(
  words: readonly T[],
  notes: Readonly<Record<T, string>>,
): string => words.map((w) => `| \`${w}\` | ${notes[w]} |`).join('\n');
