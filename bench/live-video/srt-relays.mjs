/**
 * The three bad hops between two SRT programs, in a process of their own: relays in a row, each
 * behind the same impairment shim that is under our daemons in a lab.
 *
 *   caller <-> relay <-hop-> relay <-hop-> relay <-hop-> listener
 *
 * Every relay sends through the shim both ways, so there are three hops each way: the last one
 * forth is the last relay's, the last one back is the first relay's.
 *
 *   node srt-relays.mjs LISTENER-PORT HOPS DELAY-MS SEED    started by fork(); tells its port; then a message with
 *                                                  impairments changes every hop, any is answered
 *                                                  with what has been sent so far
 */
import { DatagramBatch, Random, underlayAddress } from '../../dist/kernel/index.js';
import { ImpairedUnderlay, systemClock, UdpUnderlay } from '../../dist/underlay/index.js';

const HOST = '127.0.0.1';
const BATCH = { capacity: 64, slabBytes: 64 * 1500 };

const [listenerPort, hops, delayMs, seed] = process.argv.slice(2).map((word) => JSON.parse(word));
const random = new Random(seed);
const sent = { packets: 0, bytes: 0 };
const impairments = { delay: 1_000 * delayMs };
/** One of each direction of each hop: puts into force what the impairments are now. */
const ways = [];

process.on('disconnect', () => process.exit());
let right = underlayAddress(HOST, listenerPort);
for (let i = hops - 1; i >= 0; i--) right = await relay(random.split(`relay ${i}`), right);
process.on('message', ({ change }) => {
  if (change !== undefined) {
    Object.assign(impairments, change);
    for (const impair of ways) impair();
  }
  process.send({ sent });
});
process.send({ port: right.port });

/** Passes on between `right` and whoever else it hears; resolves with its address. */
async function relay(random, right) {
  const inner = await UdpUnderlay.open({ locals: [{ host: HOST, port: 0 }] });
  const clock = systemClock();
  const underlay = new ImpairedUnderlay({ inner, clock, random, isLab: () => true });
  ways.push(() => underlay.impair(right.key, impairments));
  ways.push(() => left && underlay.impair(left.key, impairments));
  const outgoing = new DatagramBatch(BATCH);
  let left;
  underlay.start((batch) => {
    outgoing.clear();
    for (let i = 0; i < batch.count; i++) {
      const from = batch.remotes[i];
      const isForth = from.key !== right.key;
      if (isForth && left?.key !== from.key) {
        left = from;
        underlay.impair(left.key, impairments);
      }
      if (!isForth && left === undefined) continue;
      sent.packets++;
      sent.bytes += batch.lengths[i];
      outgoing.push(batch.view(i), isForth ? right : left, 0);
    }
    underlay.send(outgoing);
  });
  return underlay.locals[0];
}
