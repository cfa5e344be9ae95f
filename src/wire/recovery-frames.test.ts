import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Duration } from '../kernel/index.ts';
import { fromHex, toHex } from '../kernel/index.ts';
import { CONTROL_FRAME_HEADER_BYTES } from './packet-types.ts';
import type { LossReport } from './recovery-frames.ts';
import {
  addLoss,
  blankLossReport,
  blankRepair,
  decodeLossReport,
  decodeRepair,
  encodeLossReport,
  encodeRepair,
  LOSS_PACKETS_MAX,
  LOSS_RUNS_MAX,
  lossReportBytes,
  REPAIR_OVERHEAD_BYTES,
} from './recovery-frames.ts';

interface ReportValue {
  readonly session: number;
  readonly burst: Duration;
  readonly counters: readonly number[];
}

interface RepairValue {
  readonly session: number;
  readonly counter: number;
  readonly frame: string;
}

interface Vector {
  readonly name: string;
  readonly hex: string;
  readonly report?: ReportValue;
  readonly repair?: RepairValue;
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../src/wire/vectors/recovery-frames.json', import.meta.url), 'utf8'),
);

function reportOf({ session, burst, counters }: ReportValue): LossReport {
  const report = blankLossReport();
  report.session = session;
  report.burst = burst;
  for (const counter of counters) assert.ok(addLoss(report, counter));
  return report;
}

function bodyOf(report: LossReport): Uint8Array {
  const body = new Uint8Array(lossReportBytes(report));
  encodeLossReport(body, 0, report);
  return body;
}

function countersOf(report: LossReport): number[] {
  const counters: number[] = [];
  for (let run = 0; run < report.runs; run++)
    for (let i = 0; i < report.lengths[run]!; i++) counters.push(report.starts[run]! + i);
  return counters;
}

function reportValue(report: LossReport): ReportValue {
  return { session: report.session, burst: report.burst, counters: countersOf(report) };
}

for (const { name, hex, report, repair } of vectors) {
  test(`golden vector: ${name}`, () => {
    const bytes = fromHex(hex)!;
    if (report !== undefined) {
      assert.equal(toHex(bodyOf(reportOf(report))), hex);
      const decoded = blankLossReport();
      assert.equal(decodeLossReport(decoded, bytes, 0, bytes.length), true);
      assert.deepEqual(reportValue(decoded), report);
    }
    if (repair === undefined) return;
    const frame = fromHex(repair.frame)!;
    const whole = new Uint8Array(REPAIR_OVERHEAD_BYTES + frame.length);
    encodeRepair(whole, 0, repair, frame);
    assert.equal(toHex(whole), hex);
    const decoded = blankRepair();
    assert.equal(decodeRepair(decoded, bytes, CONTROL_FRAME_HEADER_BYTES, bytes.length), true);
    assert.deepEqual(decoded, { ...repair, frame: REPAIR_OVERHEAD_BYTES });
  });
}

const ascending = fc
  .tuple(fc.nat(2 ** 40), fc.array(fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 300 }))))
  .map(([first, steps]) => {
    const counters = [first];
    for (const step of steps.slice(0, 60)) counters.push(counters.at(-1)! + step);
    return counters;
  });

test('a report survives the wire, counter by counter', () => {
  const reports = fc.record({
    session: fc.nat(0xffff_ffff),
    burst: fc.nat(0xffff).map((n) => (n * 100) as Duration),
    counters: ascending,
  });
  fc.assert(
    fc.property(reports, (value) => {
      const body = bodyOf(reportOf(value));
      const decoded = blankLossReport();
      assert.equal(decodeLossReport(decoded, body, 0, body.length), true);
      assert.deepEqual(reportValue(decoded), { ...value });
    }),
  );
});

test('a report takes as many as it has room for and says when it is full', () => {
  const report = blankLossReport();
  let taken = 0;
  while (addLoss(report, 3 * taken)) taken++;
  assert.equal(taken, LOSS_RUNS_MAX);
  const far = blankLossReport();
  assert.equal(addLoss(far, 1), true);
  assert.equal(addLoss(far, 100_000), false);
});

test('any bytes are refused or decode to something within the bounds', () => {
  const report = blankLossReport();
  const repair = blankRepair();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(40), (bytes, at) => {
      const start = Math.min(at, bytes.length);
      if (decodeLossReport(report, bytes, start, bytes.length)) {
        const counters = countersOf(report);
        assert.ok(counters.length >= 1 && counters.length <= LOSS_PACKETS_MAX);
        assert.ok(counters.every((c, i) => i === 0 || c > counters[i - 1]!));
        assert.ok(report.runs <= LOSS_RUNS_MAX);
      }
      if (decodeRepair(repair, bytes, start, bytes.length)) assert.ok(repair.frame < bytes.length);
    }),
    { numRuns: 2_000 },
  );
});
