import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeStatus } from './api.ts';
import { metricsOf, metricsText } from './metrics.ts';

const STATUS = {
  name: 'A"T\\L',
  network: { name: 'acme', id: '00', isLab: false },
  uptimeMs: 1_500,
  certificateEnds: '2027-11-21T12:00:00.000Z',
  links: [
    { neighbour: undefined, state: 'connecting' },
    { neighbour: 'DFW', state: 'down', rttMs: 0, lossOut: 0, lossIn: 0, bytesOut: 0, bytesIn: 0 },
    {
      neighbour: 'DFW',
      state: 'up',
      rttMs: 18.2,
      lossOut: 0,
      lossIn: 0.25,
      bytesOut: 9,
      bytesIn: 7,
    },
  ],
  counters: { 'forwarding.dropped.overload': 12 },
  queueDrops: [{ neighbour: 'DFW', lane: 'video', overload: 10, late: 2, bytes: 12_000 }],
} as unknown as NodeStatus;

test('figures have base units and labels; what has none is left out', () => {
  const text = metricsText(metricsOf(STATUS));
  for (const line of [
    '# TYPE overlane_queue_dropped_packets_total counter',
    'overlane_queue_dropped_packets_total{link="DFW",lane="video",reason="overload"} 10',
    'overlane_queue_dropped_packets_total{link="DFW",lane="video",reason="late"} 2',
    'overlane_queue_dropped_bytes_total{link="DFW",lane="video"} 12000',
    'overlane_info{node="A\\"T\\\\L",network="acme"} 1',
    'overlane_uptime_seconds 1.5',
    'overlane_link_up{link="DFW"} 1',
    'overlane_link_rtt_seconds{link="DFW"} 0.0182',
    'overlane_link_loss_ratio{link="DFW",direction="in"} 0.25',
    'overlane_counter{name="forwarding.dropped.overload"} 12',
  ])
    assert.ok(text.includes(`${line}\n`), line);
  assert.doesNotMatch(text, /overlane_queue_packets|reservations_refused/);
});

test('a name stands under one family, a line under one set of labels', () => {
  const lines = metricsText(metricsOf(STATUS)).trimEnd().split('\n');
  const series = lines.filter((line) => !line.startsWith('#')).map((line) => line.split(' ')[0]);
  assert.equal(new Set(series).size, series.length);
  const heads = lines.filter((line) => line.startsWith('# TYPE'));
  assert.equal(new Set(heads).size, heads.length);
});
