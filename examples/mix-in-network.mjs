/**
 * A conference bridge inside the network: two singers send sound to a mixer at ATL, which sends the
 * sum to the listener. Each singer sends once, however many listen and sing.
 *
 *   npm run build && node examples/mix-in-network.mjs
 */
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { twoNodes } from './support/two-nodes.mjs';

const module = fileURLToPath(new URL('./processors/mixer.mjs', import.meta.url));
const { atl, lax, close } = await twoNodes({
  atl: {
    processors: [
      { module, match: { port: 910 }, to: 'LAX:911', lane: 'voice', options: { sources: 2 } },
    ],
  },
});

const FRAMES = 100;
const SAMPLES = 160;

/** A frame of 20 ms at 8,000 samples a second, numbered, of one tone. */
function frame(number, hertz) {
  const view = new DataView(new ArrayBuffer(4 + 2 * SAMPLES));
  view.setUint32(0, number);
  for (let i = 0; i < SAMPLES; i++) {
    const t = (number * SAMPLES + i) / 8_000;
    view.setInt16(4 + 2 * i, Math.round(8_000 * Math.sin(2 * Math.PI * hertz * t)));
  }
  return new Uint8Array(view.buffer);
}

const listener = await lax.datagram({ port: 911 });
const singers = [
  { socket: await lax.datagram({ lane: 'voice', to: 'ATL' }), hertz: 440 },
  { socket: await atl.datagram({ lane: 'voice' }), hertz: 660 },
];

let heard = 0;
let right = 0;
const listening = (async () => {
  for await (const { payload } of listener) {
    const mixed = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    const number = mixed.getUint32(0);
    const parts = singers.map(({ hertz }) => new DataView(frame(number, hertz).buffer));
    const isSum = parts[0].getInt16(24) + parts[1].getInt16(24) === mixed.getInt16(24);
    heard++;
    if (isSum) right++;
    if (heard === FRAMES) return;
  }
})();

for (let number = 0; number < FRAMES; number++) {
  for (const { socket, hertz } of singers) socket.send(frame(number, hertz), { to: 'ATL:910' });
  await pause(20);
}
await Promise.race([listening, pause(1_000)]);
console.log(
  `${FRAMES} frames of two singers each, ${heard} heard, ${right} of them the sum of both`,
);
if (right < 0.9 * FRAMES) process.exitCode = 1;

for (const { socket } of singers) await socket.close();
await listener.close();
await close();
