import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { LogLevels } from '../../daemon/index.ts';
import { FAKE_EXPLANATION, FAKE_FLOWS, FAKE_NOW, FAKE_STATUS } from '../fake-context.ts';
import { eventLine } from './event-view.ts';
import { flowLine, flowsView } from './flows-view.ts';
import {
  exposesView,
  forwardsView,
  impairmentsView,
  logLevelsView,
  reloadView,
} from './operation-views.ts';
import { ansiPaint, choosePaint, plainPaint } from './paint.ts';
import { pingLine, pingSummaryView, summarizePings } from './ping-view.ts';
import { showBytes, showDay, showMs, showPath, showShare, showSpan } from './quantities.ts';
import { explanationView, traceView } from './route-view.ts';
import { arrivalsView, statusView } from './status-view.ts';
import { table } from './table.ts';

/** Compared line by line as it stands on the screen. */
const screen = (text: string): string => text.replace(/^\n/, '').replace(/\n {4}$/, '');

describe('quantities', () => {
  test('a time keeps the digits that mean something', () => {
    const shown = [0.154, 18.234, 99.96, 1250.4, Number.POSITIVE_INFINITY].map(showMs);
    assert.deepEqual(shown, ['0.15 ms', '18.2 ms', '100.0 ms', '1250 ms', '-']);
  });

  test('a share never shows a loss as none', () => {
    const shown = [0, 0.00001, 0.0004, 0.025, 0.31, 1].map(showShare);
    assert.deepEqual(shown, ['0 %', '<0.01 %', '0.04 %', '2.5 %', '31 %', '100 %']);
  });

  test('a span shows its two largest units', () => {
    const shown = [400, 12_300, 60_000, 7_380_000, 90_061_000].map(showSpan);
    assert.deepEqual(shown, ['0.4 s', '12 s', '1 min', '2 h 3 min', '1 d 1 h']);
  });

  test('bytes, days and paths read naturally', () => {
    assert.deepEqual([987, 1_234_567, 250_000_000].map(showBytes), ['987 B', '1.2 MB', '250 MB']);
    assert.equal(showDay('2026-11-19T12:00:00.000Z', FAKE_NOW), '2026-11-19 (2 days ago)');
    assert.equal(showDay('2026-11-22T13:00:00.000Z', FAKE_NOW), '2026-11-22 (in 1 day)');
    assert.equal(showPath([]), '-');
  });
});

describe('tables and colour', () => {
  test('columns align by the text, not by the colour codes in it', () => {
    const rows = [
      ['a', { text: '1', style: 'red' as const }],
      ['long', '22'],
    ];
    const plain = table({ paint: plainPaint, columns: ['NAME', '>N'], rows });
    assert.equal(plain, '  NAME   N\n  a      1\n  long  22');
    const painted = table({ paint: ansiPaint, columns: ['NAME', '>N'], rows });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the colour codes.
    assert.equal(painted.replace(/\u001b\[\d+m/g, ''), plain);
  });

  test('colour needs a terminal, and NO_COLOR wins over everything', () => {
    const choose = (isTerminal: boolean, env: Record<string, string>): boolean =>
      choosePaint({ isTerminal, env }) === ansiPaint;
    assert.equal(choose(true, {}), true);
    assert.equal(choose(false, {}), false);
    assert.equal(choose(true, { NO_COLOR: '1', FORCE_COLOR: '1' }), false);
    assert.equal(choose(false, { FORCE_COLOR: '1' }), true);
    assert.equal(choose(true, { TERM: 'dumb' }), false);
  });
});

describe('status', () => {
  const view = (options: object = {}): string =>
    statusView(FAKE_STATUS, {
      paint: plainPaint,
      now: FAKE_NOW,
      explanations: new Map([['LAX', FAKE_EXPLANATION]]),
      ...options,
    });

  test('shows links, routes and their runners-up on one screen', () => {
    assert.equal(
      view(),
      screen(`
ATL  3f2a91c0  in acme (lab)
  up           2 h 3 min, epoch 217000000
  certificate  ends 2027-11-21 (in 365 days)
  manifest     version 3
  underlay     fast, 0.0.0.0:7420

LINKS  1 of 2 up
  TO   STATE      RTT   JITTER  LOSS OUT  LOSS IN   MTU    SENT  RECEIVED     FOR  REMOTE              BECAUSE
  DFW  up     18.2 ms  0.31 ms       0 %     30 %  1400  1.2 MB     987 B  12 min  127.0.0.1:40001
  WAS  down         -        -         -        -     -       -         -   3.1 s  [2001:db8::7]:7420  nothing heard for 0.43 s

ROUTES  to 2 of 3 nodes
  TO   ROUTE      LATENCY  LOSS  FOR  CHANGES  NEXT BEST
  DFW  DFW         9.1 ms   0 %  2 h        1
  LAX  DFW > LAX  30.1 ms  15 %  12 s        3  WAS > CHI > LAX: link ATL-WAS down for 3.1 s

UNREACHABLE  WAS`)
        .replace('  FOR  CHANGES', '   FOR  CHANGES')
        .replace('  2 h        1', '   2 h        1'),
    );
  });

  test('what this node dropped before the wire stands beside its link, and by lane below', () => {
    const drop = { neighbour: 'DFW', late: 3, bytes: 1_200_000 };
    const queueDrops = [
      { ...drop, lane: 'bulk', overload: 997 },
      { ...drop, lane: 'video', overload: 0 },
    ];
    const status = { ...FAKE_STATUS, queueDrops };
    const options = { paint: plainPaint, now: FAKE_NOW, explanations: new Map() };
    const text = statusView(status, options);
    assert.match(text, /RECEIVED {2}DROPPED +FOR {2}REMOTE/);
    assert.match(text, /DFW +up .* 987 B +1003 +12 min/);
    assert.match(text, /WAS +down .* - +0 +3\.1 s/);
    assert.ok(
      text.includes(
        screen(`
DROPPED before the wire
  TO   LANE   QUEUE FULL  TOO LATE   BYTES
  DFW  bulk          997         3  1.2 MB
  DFW  video           0         3  1.2 MB`),
      ),
    );
  });

  test('link show adds how packets arrive, by direction, of links that are up', () => {
    assert.equal(
      arrivalsView(FAKE_STATUS.links, plainPaint),
      screen(`
ARRIVALS
  DIRECTION   JITTER  LOST AT A TIME  REORDERED  BEHIND BY
  to DFW     0.27 ms               -        0 %          -
  from DFW   0.31 ms             2.4      1.2 %        3.0`),
    );
  });

  test('adds sockets and the counters that are not zero when asked', () => {
    const text = view({ withSockets: true, withCounters: true });
    assert.match(text, /SOCKETS {2}2\n/);
    assert.match(text, /stream +49152 +LAX:80/);
    assert.match(text, /handshake\.malformed +2/);
    assert.doesNotMatch(text, /packet\.replayed/);
  });
});

describe('routes', () => {
  test('one destination shows the route first and why every other way lost', () => {
    assert.equal(
      explanationView('ATL', FAKE_EXPLANATION, plainPaint),
      screen(`
ATL to LAX: DFW > LAX
  30.1 ms one way, loss 15 %, cost 45.1 ms
  for 12 s; 3 changes, last because link ATL-WAS down

CONSIDERED
     ROUTE            LATENCY  LOSS     COST  VERDICT
  *  DFW > LAX        30.1 ms  15 %  45.1 ms  the route
     WAS > CHI > LAX        -     -        -  link ATL-WAS down for 3.1 s`),
    );
  });

  test('no route and no candidates are said in words', () => {
    const text = explanationView(
      'ATL',
      { destination: 'WAS', route: undefined, candidates: [] },
      plainPaint,
    );
    assert.match(text, /^ATL to WAS: no route\n/);
    assert.match(text, /no neighbour leads there/);
  });

  test('a trace shows every probe, the silent hop and that the end did not answer', () => {
    const hops = [
      { hop: 1, node: 'DFW', rttsMs: [18.2, 18.25, undefined] },
      { hop: 2, node: undefined, rttsMs: [undefined, undefined, undefined] },
    ];
    const result = { destination: 'LAX', hops, isReached: false, explanation: FAKE_EXPLANATION };
    const text = traceView('ATL', result, plainPaint);
    assert.match(text, /HOP {2}NODE +PROBE 1 +PROBE 2 +PROBE 3/);
    assert.match(text, /1 {2}DFW +18\.2 ms +18\.3 ms +lost/);
    assert.match(text, /2 {2}silent +lost +lost +lost/);
    assert.match(text, /LAX did not answer/);
    assert.match(text, /CONSIDERED/);
  });
});

describe('ping', () => {
  test('counts every kind of answer and sums up only replies', () => {
    const results = [
      { outcome: 'reply' as const, from: 'LAX', rttMs: 30 },
      { outcome: 'timed-out' as const },
      { outcome: 'unreachable' as const, from: 'DFW', rttMs: 9 },
      { outcome: 'reply' as const, from: 'LAX', rttMs: 34 },
    ];
    const lines = results.map((r, i) => pingLine(i + 1, r, plainPaint));
    assert.deepEqual(lines, [
      '#1 reply from LAX  30.0 ms',
      '#2 no reply',
      '#3 unreachable, says DFW  9.0 ms',
      '#4 reply from LAX  34.0 ms',
    ]);
    const summary = summarizePings(results);
    assert.deepEqual(summary, {
      sent: 4,
      received: 2,
      loss: 0.5,
      rttMinMs: 30,
      rttMedianMs: 30,
      rttMaxMs: 34,
      jitterMs: 4,
    });
    assert.match(pingSummaryView('LAX', summary, plainPaint), /4 sent, 2 received, 50 % lost/);
  });

  test('without a reply there is no rtt to show', () => {
    const text = pingSummaryView('LAX', summarizePings([{ outcome: 'timed-out' }]), plainPaint);
    assert.equal(text, 'LAX: 1 sent, 0 received, 100 % lost');
  });
});

describe('operations', () => {
  test('a reload says what is in force and what waits', () => {
    const changes = [
      { key: 'log.level', before: 'info', after: 'debug', effect: 'now' as const },
      { key: 'listen', before: ['a'], after: ['b'], effect: 'restart' as const },
    ];
    const text = reloadView({ changes }, plainPaint);
    assert.match(text, /log\.level +info +debug +in force/);
    assert.match(text, /listen +\["a"\] +\["b"\] +needs a restart/);
    assert.match(text, /1 change waits for a restart/);
    assert.equal(reloadView({ changes: [] }, plainPaint), 'nothing changed');
  });

  test('impairments are named with their units, none is said', () => {
    const links = [
      { neighbour: 'DFW', impairments: { delayMs: 20, loss: 0.3, cut: false } },
      { neighbour: 'WAS', impairments: { cut: true } },
      { neighbour: 'CHI', impairments: { queueBytes: 262_144 } },
    ];
    const text = impairmentsView(links, plainPaint);
    assert.match(text, /DFW {2}delay 20\.0 ms, loss 30 %\n/);
    assert.match(text, /WAS {2}cut\n/);
    assert.match(text, /CHI {2}none$/);
  });

  test('log levels name what differs from the rest', () => {
    const names = ['api', 'daemon', 'flow', 'gateway', 'link', 'route', 'session', 'underlay'];
    const all = Object.fromEntries(names.map((n) => [n, 'info'])) as LogLevels['subsystems'];
    assert.equal(logLevelsView({ level: 'info', subsystems: all }, plainPaint), '  all  info');
    const text = logLevelsView(
      { level: 'info', subsystems: { ...all, link: 'debug' } },
      plainPaint,
    );
    assert.equal(text, '  others  info\n  link    debug');
  });

  test('flows show lane, how they are led, what they paid and what was late', () => {
    const text = flowsView(FAKE_FLOWS, plainPaint);
    assert.match(text, /ATL +LAX +remote +graph +1000 +200 kB +2\.00 x +0 +0 +0 +0 +0\.0 s/);
    assert.match(text, /DFW +ATL +video +each node +10 +12\.0 kB +- +3 +2 +1 +4 +/);
    const [out, into] = FAKE_FLOWS;
    assert.equal(
      flowLine(into!, undefined, plainPaint),
      'flow       DFW > ATL  video by each node: 10 packets, 3 recovered, 2 duplicates, 1 late, 4 dropped',
    );
    const later = { ...out!, packets: 1_100, copies: 2_200 };
    assert.match(flowLine(later, out, plainPaint), /remote by graph: 100 packets, 2\.00 x copies/);
    assert.equal(flowLine(out!, out, plainPaint), '');
    const none = { ...out!, source: 'X', packets: 0 };
    assert.equal(flowLine(none, undefined, plainPaint), '');
  });

  test('forwards and exposed ports show who, where and what was refused', () => {
    const traffic = {
      isOpen: true,
      connections: 1,
      connectionsTotal: 7,
      bytesIn: 10,
      bytesOut: 2_000,
    };
    const refusals = { 'not-allowed': 2, unreachable: 0 };
    const common = { id: 'tcp-80', protocol: 'tcp' as const, port: 80, source: 'api' as const };
    const forward = {
      ...common,
      listen: '127.0.0.1:8080',
      to: 'LAX',
      lane: 'video',
      flow: { lane: 'video', deadline: '130ms' },
    };
    const forwards = forwardsView([{ ...forward, ...traffic, refusals }], plainPaint);
    assert.match(
      forwards,
      /127\.0\.0\.1:8080 +LAX:80 +video, deadline 130ms +1 +7 +2\.0 kB +10 B +2 not-allowed$/,
    );
    const expose = { ...common, to: '10.0.0.9:80', from: ['ATL', 'DFW'], flow: { lane: 'remote' } };
    const exposes = exposesView([{ ...expose, ...traffic, refusals: {} }], plainPaint);
    assert.match(exposes, /80 +10\.0\.0\.9:80 +ATL, DFW +remote +1 +7/);
    assert.match(forwardsView([], plainPaint), /no forwards/);
    const shut = forwardsView([{ ...forward, ...traffic, isOpen: false, refusals }], plainPaint);
    assert.match(shut, /127\.0\.0\.1:8080 \(not open\)/);
  });

  test('every event is one line that says why', () => {
    const at = '2026-11-21T12:00:00.123Z';
    const down = { kind: 'link-down' as const, at, neighbour: 'WAS', reason: 'silent' };
    assert.equal(
      eventLine({ ...down, silenceMs: 430 }, plainPaint),
      '12:00:00.123  link down  WAS: silent, silent for 0.4 s',
    );
    const route = {
      kind: 'route-changed' as const,
      at,
      destination: 'LAX',
      before: ['WAS', 'LAX'],
      after: undefined,
      cause: 'link ATL-WAS down',
    };
    assert.equal(
      eventLine(route, plainPaint),
      '12:00:00.123  route      LAX: WAS > LAX -> unreachable, because link ATL-WAS down',
    );
  });
});
