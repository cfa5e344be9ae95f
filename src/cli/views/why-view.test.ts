import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FlowGraphReport, FlowRouteReport, RelayReport } from '../../host/index.ts';
import { plainPaint } from './paint.ts';
import { flowsView, historyView, routesAtView, whyView } from './why-view.ts';

const GRAPH: FlowGraphReport = {
  kind: 'paths',
  links: ['ATL-NEW-YORK', 'NEW-YORK-LAX', 'ATL-DFW', 'DFW-LAX'],
  disjointPaths: 2,
  isShort: false,
  isInTime: true,
  deadlineMs: 65,
  troubles: [
    {
      end: 'LAX',
      sinceMs: undefined,
      links: [{ link: 'DFW-LAX', words: 'loss 31 %', sinceMs: 12_000 }],
    },
  ],
  candidates: [
    { name: '2 paths', links: 4, latencyMs: 24.1, isChosen: true, verdict: 'chosen' },
    { name: 'robust', links: 0, latencyMs: 0, isChosen: false, verdict: 'no way in time' },
  ],
};

const FLOW: FlowRouteReport = {
  id: undefined,
  destination: 'LAX',
  port: 80,
  lane: 'remote',
  metric: 'targeted',
  hops: 'any',
  spread: false,
  path: undefined,
  score: '4 links',
  latencyMs: 24.1,
  loss: 0,
  sinceMs: 12_000,
  changes: 1,
  cause: 'link ATL-WAS down',
  candidates: [],
};

test('a redundant flow shows its ways, the trouble at its ends and the graphs not taken', () => {
  assert.equal(
    whyView('ATL', [{ ...FLOW, graph: GRAPH }], plainPaint),
    `ATL to LAX:80 (lane remote, targeted in 65.0 ms): 2 paths, 4 links
  24.1 ms by the soonest way
  for 12 s; 1 change, last because link ATL-WAS down
  NEW-YORK > LAX
  DFW > LAX
  a bad link at LAX, too few for trouble: DFW-LAX loss 31 % for 12 s
     GRAPH    LINKS  LATENCY  VERDICT
  *  2 paths      4  24.1 ms  chosen
     robust       -        -  no way in time`,
  );
});

test('in a big mesh the relay stands below the route, with who told of it', () => {
  const relays: RelayReport = {
    path: ['DEN', 'LAX'],
    rendezvous: 8,
    advising: 7,
    candidates: [
      { path: ['DEN', 'LAX'], rttMs: 46.6, isChosen: true, verdict: 'chosen, told by CHI 1 s ago' },
      {
        path: ['LAX'],
        rttMs: undefined,
        isChosen: false,
        verdict: 'this node has no figure of LAX',
      },
    ],
  };
  const text = whyView('ATL', [{ ...FLOW, path: ['DFW', 'LAX'], relays }], plainPaint);
  assert.match(text, /packets go over DEN, before the route above; 7 of 8 rendezvous advise/);
  assert.match(text, /\* {2}DEN > LAX +46\.6 ms +chosen, told by CHI 1 s ago/);
  assert.match(text, /LAX +- +this node has no figure of LAX/);
});

test('history and moments tell graphs from routes, and what memory does not reach', () => {
  const at = '2026-11-21T14:05:00.123Z';
  const same = { destination: 'LAX', flow: undefined, lane: 'remote', metric: 'targeted' };
  const graph = { before: 'paths', after: 'robust', links: 9 };
  const change = { ...same, at, before: undefined, after: undefined, cause: 'in trouble', graph };
  assert.match(
    historyView([change], plainPaint),
    /14:05:00\.123Z +LAX +remote, targeted +paths +robust, 9 links +in trouble/,
  );
  const moment = { ...same, path: ['LAX'], since: undefined, cause: '', until: at, endedBy: 'cut' };
  const text = routesAtView(at, [moment], plainPaint);
  assert.match(text, /LAX +- +LAX +before memory +2026-11-21 14:05:00\.123Z +cut/);
  assert.match(routesAtView(at, [], plainPaint), /no route is remembered/);
});

test('a flow with a reserved rate shows it below its route, with the links and what is short', () => {
  const flow: FlowRouteReport = {
    ...FLOW,
    id: 7,
    metric: 'default',
    path: ['DFW', 'LAX'],
    score: '24.1 ms',
    reservation: {
      destination: 'LAX',
      bitsPerSecond: 8e6,
      state: 'lost',
      links: [
        { link: 'ATL-DFW', isHeld: true },
        { link: 'DFW-LAX', isHeld: false },
      ],
      reason: '8 Mbit/s are more than is left on the link DFW-LAX',
    },
  };
  assert.match(
    whyView('ATL', [flow], plainPaint),
    /\n {2}8 Mbit\/s reserved, lost, on ATL-DFW, DFW-LAX \(no\): 8 Mbit\/s are more than is left on the link DFW-LAX/,
  );
  assert.match(flowsView([flow], plainPaint), /RESERVED\n.* 8 Mbit\/s \(lost\)/);
  assert.doesNotMatch(
    flowsView([{ ...flow, reservation: undefined as never }], plainPaint),
    /RESERVED/,
  );
});
