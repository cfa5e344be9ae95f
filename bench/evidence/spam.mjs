/**
 * A correct flow beside captured sources that send as fast as they can: real nodes in virtual time, links of
 * 10 Mbit/s whose capacity the nodes know, all through one link. The captured nodes put frames on their
 * links without asking their own scheduler; what holds is the scheduler of the node behind them.
 */
import { milliseconds, seconds } from '../../dist/kernel/index.js';
import * as sim from '../../dist/sim/index.js';
import { digits, mbit, percent } from './measure.mjs';

const CAPACITY = 10_000_000;
const CORRECT = 1_600_000;
const PAYLOAD_BYTES = 1_000;
const HOSTILE = ['h1', 'h2', 'h3', 'h4'];
/** The lane's number for intrusion-tolerant priority recovery. */
const RECOVERY_PRIORITY = 4;

export const name = 'spam';
export const figure =
  '4 captured sources at full rate against a correct 1.6 Mbit/s flow, 10 Mbit/s links';
export const bar = 'correct flow intact; the rest shared within 5 %';
export const reference =
  'Spines, ICDCS 2016: a correct 1.6 Mbit/s flow unaffected by 4 compromised ones, the rest shared evenly';

export async function run({ quick, log }) {
  const time = quick ? 5 : 60;
  const alone = measure({ time, rate: 0 });
  const attacked = measure({ time, rate: CAPACITY });
  log(`alone ${percent(alone.share)}, attacked ${percent(attacked.share)} of what was sent`);
  log(`captured: ${attacked.hostile.map((bits) => mbit(bits)).join(', ')}`);
  const mean = attacked.hostile.reduce((a, b) => a + b, 0) / HOSTILE.length;
  const spread = Math.max(...attacked.hostile.map((bits) => Math.abs(bits - mean) / mean));
  return {
    measured:
      `${percent(attacked.share)} of the correct flow arrives (${percent(alone.share)} without the attack), at most ` +
      `${digits(attacked.latest / 1_000)} ms one way; captured sources get ${mbit(mean)} each, within ${percent(spread)}`,
    holds: attacked.share >= alone.share && attacked.share > 0.999 && spread < 0.05,
    how:
      `${time} s in the simulator with the shipped nodes: one correct and four captured sources behind one node, one link ` +
      'of 10 Mbit/s and 10 ms to the destination. Captured sources send 10 Mbit/s each at the highest priority, past ' +
      'their own schedulers. Their use is counted by the node behind them (`accounting`).',
    values: { alone, attacked },
  };
}

function measure({ time, rate }) {
  const nodes = ['good', ...HOSTILE, 'mid', 'end'];
  const each = { delay: milliseconds(10), rate: CAPACITY, queueBytes: 125_000 };
  const links = nodes.slice(0, -1).filter((n) => n !== 'mid');
  const testbed = new sim.Testbed({
    seed: 3,
    topology: {
      nodes,
      links: [...links.map((n) => sim.evenLink(n, 'mid', each)), sim.evenLink('mid', 'end', each)],
    },
    linkCapacity: CAPACITY,
    turncoats: (addressOf) =>
      rate === 0
        ? {}
        : Object.fromEntries(
            HOSTILE.map((node) => [
              node,
              {
                after: seconds(8),
                flood: {
                  bitsPerSecond: rate,
                  to: addressOf('end'),
                  priority: 15,
                  recovery: RECOVERY_PRIORITY,
                },
              },
            ]),
          ),
  });
  testbed.start();
  testbed.run(seconds(5));
  const heard = { count: 0, latest: 0 };
  const sentAt = new Map();
  testbed.node('end').bind({
    port: 9,
    onMessage: ({ payload }) => {
      const number = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
      const sent = sentAt.get(number);
      if (sent === undefined) return;
      heard.count++;
      heard.latest = Math.max(heard.latest, testbed.now - sent);
    },
  });
  const socket = testbed.node('good').bind({
    service: {
      recovery: RECOVERY_PRIORITY,
      priority: 1,
      requests: 0,
      retransmissions: 0,
      deadline: 0,
    },
  });
  const send = (number) => {
    const payload = new Uint8Array(PAYLOAD_BYTES);
    new DataView(payload.buffer).setUint32(0, number);
    socket.send(payload, { to: 'end', port: 9 });
  };
  send(0xffff_ffff);
  testbed.run(seconds(5));
  const before = used(testbed);
  const gap = milliseconds((PAYLOAD_BYTES * 8_000) / CORRECT);
  const count = Math.floor(seconds(time) / gap);
  for (let i = 0; i < count; i++) {
    sentAt.set(i, testbed.now);
    send(i);
    testbed.run(gap);
  }
  const after = used(testbed);
  testbed.run(seconds(2));
  if (testbed.violations.length > 0) throw new Error(testbed.violations[0].text);
  return {
    share: heard.count / count,
    latest: heard.latest,
    hostile: HOSTILE.map((node) => ((after(node) - before(node)) * 8) / time),
  };
}

/** Bytes of each member that have reached the end. */
function used(testbed) {
  const rows = testbed.node('end').status().accounting;
  return (node) =>
    rows
      .filter(({ member }) => member === testbed.addressOf(node))
      .reduce((sum, { bytes }) => sum + bytes, 0);
}
