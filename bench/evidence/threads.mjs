/** What a forwarding node gains by a second thread that seals and opens. */
import { availableParallelism } from 'node:os';
import { ThreadedForwarding } from '../packet-path/threads.mjs';
import { digits, median } from './measure.mjs';

const GAIN_MIN = 1.2;
const CASES = [
  { bytes: 1_200, batch: 256 },
  { bytes: 100, batch: 256 },
];

export const name = 'threads';
export const figure = 'packets a second of one forwarding node with `threads: 2` instead of 1';
export const bar = `>= ${GAIN_MIN} x at 1200 B, where there are two processors`;
export const reference = 'one thread, same run';

export async function run({ quick, log }) {
  if (availableParallelism() < 2) throw new Error('one processor: nothing to gain');
  const packets = quick ? 50_000 : 500_000;
  const rounds = quick ? 3 : 9;
  const rows = CASES.map(({ bytes, batch }) => {
    const nodes = [1, 2].map((threads) => new ThreadedForwarding({ threads, bytes, batch }));
    const times = nodes.map(() => []);
    // In turn, so that a slow moment of the machine falls on both. The first round teaches the compiler.
    for (let round = 0; round <= rounds; round++)
      for (const [i, node] of nodes.entries()) {
        const us = node.run(packets / rounds) / 1_000;
        if (round > 0) times[i].push(us);
      }
    const [one, two] = times.map(median);
    log(`${bytes} B: ${digits(one)} us, with two ${digits(two)} us`);
    return { bytes, one, two, gain: one / two };
  });
  return {
    measured: rows.map(({ bytes, gain }) => `${bytes} B: ${digits(gain)} x`).join(', '),
    holds: rows[0].gain >= GAIN_MIN,
    how:
      `The node’s own calls for batches of 256 packets, opened, forwarded and sealed with real ciphers, medians of ${rounds} rounds in turn: ` +
      `${rows.map(({ bytes, one, two }) => `${bytes} B ${digits(one)} and ${digits(two)} us a packet`).join('; ')}. Without the kernel’s part, and without a source, ` +
      'which on two processors would take the second.',
    values: { rows },
  };
}
