/**
 * Datagrams: two nodes say a few lines to each other. `send` tells at once whether there is room,
 * reading is a `for await`, and closing a socket ends the loop that reads it.
 *
 *   npm run build && node examples/chat-datagrams.mjs
 */
import { twoNodes } from './support/two-nodes.mjs';

const { atl, lax, close } = await twoNodes();

const server = await lax.datagram({ port: 7000 });
const answering = (async () => {
  for await (const { payload, from } of server) {
    const line = Buffer.from(payload).toString();
    console.log(`LAX hears ${from.node}:${from.port} say "${line}"`);
    server.send(`${line}, indeed`, { to: from });
  }
})();

const client = await atl.datagram();
const lines = ['good morning', 'the weather is fine', 'goodbye'];
for (const line of lines) {
  // False means: wait for 'drain' before the next one.
  if (!client.send(line, { to: 'LAX:7000' })) await new Promise((go) => client.once('drain', go));
}

let heard = 0;
for await (const { payload } of client) {
  console.log(`ATL hears "${Buffer.from(payload)}"`);
  heard++;
  if (heard === lines.length) break;
}
console.log(`${client.dropped} dropped, ${client.unsent} unsent`);

await client.close();
await server.close();
await answering;
await close();
