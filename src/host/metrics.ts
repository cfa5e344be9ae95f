/**
 * What a node says of itself as Prometheus reads it (text exposition format 0.0.4): base units, totals that only
 * grow while the node lives, one family for each figure. Links that have not said who they are have no name to
 * stand under and are left out.
 */
import type { LinkStatus, NodeStatus } from './api.ts';

export interface Metric {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'untyped';
  readonly help: string;
  readonly samples: readonly MetricSample[];
}

export interface MetricSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What `metricsText` is served as. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Families without a sample are left out. */
export function metricsOf(status: NodeStatus): Metric[] {
  const { name: node, network, uptimeMs, certificateEnds } = status;
  const families: Metric[] = [
    gauge('info', 'The node and its network.', [
      { labels: { node, network: network.name }, value: 1 },
    ]),
    gauge('uptime_seconds', 'Since the node started.', [{ labels: {}, value: uptimeMs / 1_000 }]),
    gauge('certificate_end_seconds', 'When the certificate ends, in seconds since 1970.', [
      { labels: {}, value: Date.parse(certificateEnds) / 1_000 },
    ]),
    ...linkMetrics(status.links),
    ...queueMetrics(status),
    ...bandwidthMetrics(status),
    {
      name: 'overlane_counter',
      type: 'untyped',
      help: 'Counters and table sizes of all rooms, as status --counters has them.',
      samples: Object.entries(status.counters).map(([name, value]) => ({
        labels: { name },
        value,
      })),
    },
  ];
  return families.filter(({ samples }) => samples.length > 0);
}

export function metricsText(metrics: readonly Metric[]): string {
  const lines = metrics.flatMap(({ name, type, help, samples }) => [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...samples.map(({ labels, value }) => `${name}${labelsText(labels)} ${value}`),
  ]);
  return `${lines.join('\n')}\n`;
}

function linkMetrics(links: readonly LinkStatus[]): Metric[] {
  // Of two that say they lead to one neighbour, the one that is up.
  const named = new Map<string, LinkStatus>();
  for (const link of links)
    if (link.neighbour !== undefined && (link.state === 'up' || !named.has(link.neighbour)))
      named.set(link.neighbour, link);
  const each = (value: (link: LinkStatus) => number): MetricSample[] =>
    [...named].map(([name, link]) => ({ labels: { link: name }, value: value(link) }));
  const both = (
    out: (link: LinkStatus) => number,
    incoming: (link: LinkStatus) => number,
  ): MetricSample[] =>
    [...named].flatMap(([name, link]) => [
      { labels: { link: name, direction: 'out' }, value: out(link) },
      { labels: { link: name, direction: 'in' }, value: incoming(link) },
    ]);
  return [
    gauge('link_up', 'Whether the link carries packets.', each(upOf)),
    gauge(
      'link_rtt_seconds',
      'Round trip to the neighbour.',
      each(({ rttMs }) => rttMs / 1_000),
    ),
    gauge('link_loss_ratio', 'Loss on the wire.', both(lossOut, lossIn)),
    counter('link_bytes_total', 'Bytes of the link.', both(bytesOut, bytesIn)),
    counter('link_packets_total', 'Packets of the link.', both(packetsOut, packetsIn)),
  ];
}

const upOf = ({ state }: LinkStatus): number => Number(state === 'up' || state === 'suspect');
const lossOut = (link: LinkStatus): number => link.lossOut;
const lossIn = (link: LinkStatus): number => link.lossIn;
const bytesOut = (link: LinkStatus): number => link.bytesOut;
const bytesIn = (link: LinkStatus): number => link.bytesIn;
const packetsOut = (link: LinkStatus): number => link.packetsOut;
const packetsIn = (link: LinkStatus): number => link.packetsIn;

function queueMetrics({ queues = [], queueDrops = [] }: NodeStatus): Metric[] {
  return [
    gauge(
      'queue_packets',
      'Packets that wait for the link.',
      queues.map(({ neighbour, packets }) => ({ labels: { link: neighbour }, value: packets })),
    ),
    gauge(
      'queue_bytes',
      'Bytes that wait for the link.',
      queues.map(({ neighbour, bytes }) => ({ labels: { link: neighbour }, value: bytes })),
    ),
    counter(
      'queue_dropped_packets_total',
      'Packets dropped before the wire: the queue was full, or they were too late.',
      queueDrops.flatMap(({ neighbour: link, lane, overload, late }) => [
        { labels: { link, lane, reason: 'overload' }, value: overload },
        { labels: { link, lane, reason: 'late' }, value: late },
      ]),
    ),
    counter(
      'queue_dropped_bytes_total',
      'Bytes of them.',
      queueDrops.map(({ neighbour: link, lane, bytes }) => ({
        labels: { link, lane },
        value: bytes,
      })),
    ),
  ];
}

function bandwidthMetrics({ bandwidth = [] }: NodeStatus): Metric[] {
  const rates = bandwidth.flatMap((link) =>
    Object.entries({
      capacity: link.capacityBitsPerSecond,
      used: link.usedBitsPerSecond,
      reserved: link.reservedBitsPerSecond,
      reservable: link.reservableBitsPerSecond,
    }).map(([what, bits]) => ({ labels: { link: link.neighbour, what }, value: bits / 8 })),
  );
  return [
    gauge('link_rate_bytes_per_second', 'What the link carries outwards; 0: not known.', rates),
    counter(
      'link_reservations_refused_total',
      'Rates asked for that the link had no room for, since it is up.',
      bandwidth.map(({ neighbour, refusedReservations }) => ({
        labels: { link: neighbour },
        value: refusedReservations,
      })),
    ),
  ];
}

const gauge = (name: string, help: string, samples: readonly MetricSample[]): Metric => ({
  name: `overlane_${name}`,
  type: 'gauge',
  help,
  samples,
});

const counter = (name: string, help: string, samples: readonly MetricSample[]): Metric => ({
  ...gauge(name, help, samples),
  type: 'counter',
});

function labelsText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

const escaped = (text: string): string =>
  text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
