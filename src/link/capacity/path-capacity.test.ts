import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Duration, Instant } from '../../kernel/index.ts';
import { PathCapacity } from './path-capacity.ts';

const RTT = 10_000 as Duration;
const TRUE = 10_000_000;

/** Trains one after the other; `errors`: by how much each is measured too high. */
function measured(errors: readonly number[]): number {
  const path = new PathCapacity();
  path.want(errors.length, 0 as Instant);
  errors.forEach((error, i) => {
    const now = (i * 1_000_000) as Instant;
    const { train, packets } = path.leaves(1_400, RTT, now);
    const wireBytes = (packets - 1) * 1_428;
    const time = Math.max(2_000, Math.round((wireBytes * 8_000_000) / (TRUE * (1 + error))));
    path.reported({ train, arrived: packets, time, wireBytes }, now);
  });
  return path.bitsPerSecond;
}

describe('what a path carries', () => {
  it('is not the first train, which is short and rough, once others have told', () => {
    assert.ok(Math.abs(measured([0.09, 0.01, 0.01]) / TRUE - 1) < 0.02);
    assert.ok(Math.abs(measured([-0.09, 0.01, 0.01]) / TRUE - 1) < 0.02);
  });

  it('follows small changes slowly once five trains have told, and great ones at once', () => {
    const five = [0, 0, 0, 0, 0];
    assert.ok(measured([...five, 0.05, 0.05, 0.05]) < 1.02 * TRUE);
    assert.ok(measured([...five, 0.5, 0.5, 0.5]) > 1.4 * TRUE);
  });
});
