/**
 * TCP connections of programs that know nothing of the overlay, through a forward from ATL to LAX:
 * a download by curl and a run of iperf3 go on while the route under them is cut, degraded and loses
 * a daemon to `kill -9`. They end well, with every byte right; how long they stood still is printed.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import test from 'node:test';
import { cpuPressure, freeTcpPort, needs, pause, start, until } from './support/bounded.mjs';
import { FaultDirector } from './support/faults.mjs';
import { startContinent } from './support/overlane.mjs';

const DOWNLOAD_BYTES = 24 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;
const HOLD_MS = 5_000;
const IPERF_SECONDS = 20;
/** Nothing for longer than this is not a reroute any more. */
const STALL_BAR_MS = 8_000;

test('a download and iperf3 through a TCP forward live through a cut, 30 % loss and a kill -9', {
  ...needs({ programs: ['curl', 'iperf3'] }),
  timeout: 300_000,
}, async (t) => {
  const cluster = await startContinent(t);
  const pressure = cpuPressure();
  await t.test('curl: every byte arrives, the hash is the sender’s', (t) => download(t, cluster));
  await t.test('iperf3 completes', (t) => measure(t, cluster));
  t.diagnostic(`some process waited for a processor ${pressure()} of the time`);
});

async function download(t, cluster) {
  const { server, port } = await contentServer();
  t.after(() => server.close());
  const listen = await forward(cluster, { port: 80, to: `127.0.0.1:${port}` });
  const director = new FaultDirector(cluster, { from: 'ATL', to: 'LAX' });
  const began = performance.now();
  const client = spawn('curl', ['-sSf', '--no-buffer', `http://${listen}/film`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => client.kill('SIGKILL'));
  const hash = createHash('sha256');
  const arrivals = new Arrivals();
  client.stdout.on('data', (bytes) => {
    hash.update(bytes);
    arrivals.note(bytes.length);
  });
  let complaint = '';
  client.stderr.setEncoding('utf8').on('data', (text) => {
    complaint += text;
  });
  const closed = once(client, 'close');
  await until('the download has begun', () => arrivals.bytes > 1_000_000);
  await director.play({ holdMs: HOLD_MS });
  const [code] = await within('the download ends', closed, 120_000);
  const seconds = (performance.now() - began) / 1_000;
  const mbits = ((8 * arrivals.bytes) / seconds / 1e6).toFixed(1);
  t.diagnostic(
    `${(arrivals.bytes / 1e6).toFixed(1)} MB in ${seconds.toFixed(1)} s (${mbits} Mbit/s over 10 Mbit/s links), longest stall ${arrivals.longestMs} ms`,
  );
  for (const act of director.acts)
    t.diagnostic(
      `${act.title} (${act.where}): longest stall ${arrivals.longestBetween(act.fromMs, act.toMs)} ms`,
    );
  assert.equal(code, 0, complaint);
  assert.equal(arrivals.bytes, DOWNLOAD_BYTES);
  assert.equal(hash.digest('hex'), contentHash());
  assert.ok(arrivals.longestMs < STALL_BAR_MS, `it stood still for ${arrivals.longestMs} ms`);
  await director.heal();
}

async function measure(t, cluster) {
  const port = await freeTcpPort();
  const server = start('iperf3', [
    '-s',
    '-1',
    '--forceflush',
    '-B',
    '127.0.0.1',
    '-p',
    String(port),
  ]);
  t.after(() => server.child.kill('SIGKILL'));
  await until('iperf3 listens', () => server.output.stdout.includes('listening'));
  const listen = await forward(cluster, { port: 81, to: `127.0.0.1:${port}` });
  const director = new FaultDirector(cluster, { from: 'ATL', to: 'LAX' });
  const [host, listenPort] = listen.split(':');
  const args = ['-c', host, '-p', listenPort, '-t', String(IPERF_SECONDS), '-i', '0.1', '-J'];
  const client = start('iperf3', args);
  t.after(() => client.child.kill('SIGKILL'));
  await pause(2_000);
  await director.play({ holdMs: HOLD_MS });
  const { code, stdout } = await within('iperf3 ends', client.ended, 90_000);
  assert.equal(code, 0, stdout);
  const result = JSON.parse(stdout);
  const { sum_received: received } = result.end;
  const silent = longestRun(result.intervals.map((i) => i.sum.bytes === 0));
  t.diagnostic(
    `${(received.bytes / 1e6).toFixed(1)} MB received in ${received.seconds.toFixed(1)} s, ${(received.bits_per_second / 1e6).toFixed(1)} Mbit/s; longest time in which nothing could be sent ${silent * 100} ms`,
  );
  assert.ok(received.bytes > 1_000_000, `${received.bytes} bytes received`);
}

async function forward(cluster, { port, to }) {
  await cluster.node('LAX').handle.addExpose({ protocol: 'tcp', port, to, from: 'any' });
  const added = await cluster.node('ATL').handle.addForward({
    protocol: 'tcp',
    listen: '127.0.0.1:0',
    to: 'LAX',
    port,
  });
  return added.listen;
}

/** Bytes that nothing can guess or compress, the same in every run. */
function* content() {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16));
  const zeros = Buffer.alloc(CHUNK_BYTES);
  for (let left = DOWNLOAD_BYTES; left > 0; left -= CHUNK_BYTES) yield cipher.update(zeros);
}

function contentHash() {
  const hash = createHash('sha256');
  for (const chunk of content()) hash.update(chunk);
  return hash.digest('hex');
}

async function contentServer() {
  const server = createServer(async (_request, response) => {
    response.writeHead(200, { 'content-length': DOWNLOAD_BYTES });
    for (const chunk of content()) {
      if (response.destroyed) return;
      if (!response.write(chunk)) await once(response, 'drain').catch(() => undefined);
    }
    response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: server.address().port };
}

/** When bytes came, and the longest time in which none did. */
class Arrivals {
  bytes = 0;
  #times = [];

  note(bytes) {
    this.bytes += bytes;
    this.#times.push(performance.now());
  }

  get longestMs() {
    return this.longestBetween(0, Number.POSITIVE_INFINITY);
  }

  longestBetween(fromMs, toMs) {
    let longest = 0;
    for (let i = 1; i < this.#times.length; i++) {
      const [before, now] = [this.#times[i - 1], this.#times[i]];
      if (now >= fromMs && before <= toMs) longest = Math.max(longest, now - before);
    }
    return Math.round(longest);
  }
}

function longestRun(flags) {
  let longest = 0;
  let run = 0;
  for (const flag of flags) {
    run = flag ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  return longest;
}

async function within(what, promise, timeoutMs) {
  let timer;
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${timeoutMs} ms`)), timeoutMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
