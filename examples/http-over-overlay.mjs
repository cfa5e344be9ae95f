/**
 * Streams are real Duplexes and listeners are shaped like `net.Server`, so what speaks over sockets
 * speaks over the overlay: here the HTTP server and client of Node itself, one on each node.
 *
 *   npm run build && node examples/http-over-overlay.mjs
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Agent, createServer, get } from 'node:http';
import { twoNodes } from './support/two-nodes.mjs';

const { atl, lax, close } = await twoNodes();

// An HTTP server on LAX that never sees a TCP connection.
const body = Buffer.alloc(1_000_000, 'overlane ');
const server = createServer((request, response) => {
  console.log(`LAX serves ${request.url}`);
  response.setHeader('content-length', body.length);
  response.end(body);
});
const listener = await lax.listen({ port: 80 }, (stream) => server.emit('connection', stream));

// A client on ATL whose connections are overlay streams.
class OverlayAgent extends Agent {
  createConnection(_options, done) {
    atl.connect('LAX:80').then(
      (stream) => done(null, stream),
      (error) => done(error),
    );
  }
}
const agent = new OverlayAgent();
const request = get({ agent, host: 'lax', path: '/film' });
const [response] = await once(request, 'response');
const hash = createHash('sha256');
let length = 0;
for await (const chunk of response) {
  hash.update(chunk);
  length += chunk.length;
}
const isWhole = hash.digest('hex') === createHash('sha256').update(body).digest('hex');
console.log(`ATL got ${response.statusCode}, ${length} bytes, ${isWhole ? 'unharmed' : 'DAMAGED'}`);

agent.destroy();
await listener.close();
await close();
process.exitCode = isWhole ? 0 : 1;
