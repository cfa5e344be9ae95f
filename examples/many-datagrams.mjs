/**
 * Many datagrams a second: `sendMany` takes as many as there is room for and says how many, `batches()`
 * hands out all that has come since the last look. A numbered datagram each, lane `bulk`, where the
 * sender waits for room and nothing is lost on the way.
 *
 *   npm run build && node examples/many-datagrams.mjs
 */
import { once } from 'node:events';
import { twoNodes } from './support/two-nodes.mjs';

const DATAGRAMS = 20_000;
const BATCH = 64;

const { atl, lax, close } = await twoNodes();
const receiver = await lax.datagram({ port: 7000 });
const sender = await atl.datagram({ lane: 'bulk' });

const receiving = (async () => {
  let [heard, batches] = [0, 0];
  // Payloads are counted and let go.
  for await (const { payloads } of receiver.batches({ lent: true })) {
    batches++;
    heard += payloads.length;
    if (heard === DATAGRAMS) break;
  }
  return { heard, batches };
})();

const payloads = Array.from({ length: BATCH }, () => Buffer.alloc(1_100));
for (let sent = 0; sent < DATAGRAMS; ) {
  const batch = payloads.slice(0, DATAGRAMS - sent);
  for (const [i, payload] of batch.entries()) payload.writeUInt32BE(sent + i);
  const taken = sender.sendMany(batch, { to: 'LAX:7000' });
  sent += taken;
  // The turn's end lets what was taken leave, and what has arrived be read.
  if (taken < batch.length) await once(sender, 'drain');
  else await new Promise(setImmediate);
}

const { heard, batches } = await receiving;
console.log(`${heard} datagrams in ${batches < heard / 2 ? 'batches' : 'singles'}`);
await sender.close();
await receiver.close();
await close();
