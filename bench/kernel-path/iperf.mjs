/** iperf3 in the namespaces of a kernel path, and the time a TCP connection takes to open there. */
import { once } from 'node:events';

const SERVER_READY = /Server listening/;

/** Bits a second that arrived, over `seconds`; with what the sender's kernel says of the path. */
export async function iperf(path, { seconds, congestionControl, port = 5_201 }) {
  const server = path.spawn(path.b, 'iperf3', ['-s', '-1', '--forceflush', '-p', String(port)]);
  await seen(server, SERVER_READY);
  const served = once(server, 'exit');
  const args = ['-c', path.b.address, '-p', String(port), '-t', String(seconds), '-J'];
  const client = path.spawn(path.a, 'iperf3', [...args, '-C', congestionControl]);
  const text = await output(client);
  await served;
  const report = JSON.parse(text);
  if (report.error !== undefined) throw new Error(`iperf3: ${report.error}`);
  const [{ sender }] = report.end.streams;
  return {
    bitsPerSecond: report.end.sum_received.bits_per_second,
    retransmits: sender.retransmits,
    rttMeanMs: sender.mean_rtt / 1_000,
  };
}

/** Median milliseconds of a TCP handshake from a to b. */
export async function connectTime(path, { port = 5_300, rounds = 15 } = {}) {
  const listening = `
    require('node:net').createServer((s) => s.end()).listen(${port}, () => console.log('listening'));`;
  const dialling = `
    const net = require('node:net');
    const times = [];
    const next = () => {
      if (times.length === ${rounds}) return console.log(JSON.stringify(times));
      const began = performance.now();
      const socket = net.connect(${port}, '${path.b.address}', () => {
        times.push(performance.now() - began);
        socket.destroy();
        setTimeout(next, 20);
      });
    };
    next();`;
  const server = path.spawn(path.b, process.execPath, ['-e', listening]);
  await seen(server, /listening/);
  const times = JSON.parse(await output(path.spawn(path.a, process.execPath, ['-e', dialling])));
  const gone = once(server, 'exit');
  server.kill();
  await gone;
  return times.sort((x, y) => x - y)[times.length >> 1];
}

async function output(child) {
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  child.stderr.resume();
  await once(child, 'close');
  return text;
}

function seen(child, pattern) {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
      if (pattern.test(text)) resolve();
    });
    child.once('exit', () => reject(new Error(`it ended before it said ${pattern}: ${text}`)));
  });
}
