/**
 * A processor inside the network: sensors at LAX send 1,000 readings a second to ATL, where a module
 * of ours turns them into one message a second for the program that watches.
 *
 *   npm run build && node examples/aggregate-in-network.mjs
 */
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { twoNodes } from './support/two-nodes.mjs';

const module = fileURLToPath(new URL('./processors/aggregator.mjs', import.meta.url));
const { atl, lax, close } = await twoNodes({
  atl: {
    processors: [{ module, match: { port: 900, lane: 'monitoring' }, to: 'ATL:901' }],
  },
});

const watcher = await atl.datagram({ port: 901 });
const sensors = await lax.datagram({ lane: 'monitoring', to: 'ATL' });

const SECONDS = 3;
const began = performance.now();
let sent = 0;
const sending = (async () => {
  for (;;) {
    const elapsed = performance.now() - began;
    if (elapsed >= SECONDS * 1_000) return;
    for (; sent < elapsed; sent++) {
      const reading = { sensor: sent % 50, value: 20 + Math.sin(sent / 100) };
      sensors.send(JSON.stringify(reading), { to: 'ATL:900' });
    }
    await pause(5);
  }
})();

let summaries = 0;
let counted = 0;
for await (const { payload } of watcher) {
  const summary = JSON.parse(Buffer.from(payload).toString());
  summaries++;
  counted += summary.count;
  console.log(
    `${summary.count} readings of ${summary.sensors} sensors: mean ${summary.mean.toFixed(2)}`,
  );
  if (summaries === SECONDS) break;
}
await sending;
console.log(`${sent} readings sent, ${counted} of them in ${summaries} messages`);
if (counted < 0.8 * sent || summaries > SECONDS + 1) process.exitCode = 1;

await sensors.close();
await watcher.close();
await close();
