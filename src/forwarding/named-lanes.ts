/**
 * The lanes that every network has. Each is a bundle with a reason; docs/lanes.md is generated from
 * this file. Deadlines are one way, source to destination.
 */
import type { Duration } from '../kernel/index.ts';
import { milliseconds } from '../kernel/index.ts';
import { PRIORITY_DEFAULT } from '../wire/index.ts';
import type { Lane, LaneBundle } from './lane.ts';

const NONE = 0 as Duration;

const PLAIN: LaneBundle = {
  routing: 'best',
  paths: 2,
  recovery: 'none',
  deadline: NONE,
  priority: PRIORITY_DEFAULT,
  requests: 0,
  retransmissions: 0,
  playout: 'none',
  signed: false,
};

export const NAMED_LANES: readonly Lane[] = [
  {
    ...PLAIN,
    name: 'default',
    number: 0,
    purpose: 'Best effort on the best route. Costs nothing beyond the packets themselves.',
  },
  {
    ...PLAIN,
    name: 'voice',
    number: 1,
    recovery: 'realtime',
    deadline: milliseconds(100),
    priority: 12,
    playout: 'deadline',
    purpose:
      'Calls: one request and one retransmission on each link, while the packet is of use to an ear. Late packets are dropped at the destination, whose player has its own buffer.',
  },
  {
    ...PLAIN,
    name: 'video',
    number: 2,
    recovery: 'deadline',
    deadline: milliseconds(200),
    priority: 8,
    playout: 'order',
    purpose:
      'Live pictures: as many requests and retransmissions as fit into 200 ms, spread so that they outlast a burst of losses. Delivered in order; a gap is waited for until its deadline.',
  },
  {
    ...PLAIN,
    name: 'remote',
    number: 3,
    routing: 'targeted',
    recovery: 'realtime',
    deadline: milliseconds(65),
    priority: 14,
    requests: 1,
    retransmissions: 1,
    playout: 'deadline',
    purpose:
      'Hands at a distance: 65 ms one way, so that an action and what it looks like fit into 130 ms. Two disjoint paths, and more around an end that is in trouble.',
  },
  {
    ...PLAIN,
    name: 'bulk',
    number: 4,
    recovery: 'reliable',
    priority: 1,
    purpose:
      'Files and backups: every loss is repaired on the link where it happens, and everything else of the same source goes first.',
  },
  {
    ...PLAIN,
    name: 'monitoring',
    number: 5,
    routing: 'disjoint',
    recovery: 'priority',
    deadline: milliseconds(1_000),
    priority: 6,
    playout: 'deadline',
    purpose:
      'Readings and alarms of which the newest counts: two node-disjoint paths, newest first and fair between sources where there is not room for all.',
  },
  {
    ...PLAIN,
    name: 'control',
    number: 6,
    routing: 'flood',
    recovery: 'fair-reliable',
    priority: 15,
    signed: true,
    purpose:
      'Commands that must arrive though nodes are captured: signed by their source, to every neighbour at every node, without loss, fair between pairs of source and destination. Costs a copy on every link: for little traffic.',
  },
];
