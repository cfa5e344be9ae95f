/** Voice over a link with a stated capacity, while a program sends files over it as fast as it takes them. */
import { DAEMON_CPU, ENDS_CPU } from '../packet-path/forwarding.mjs';
import { Network, pin } from '../packet-path/network.mjs';
import { startFiles } from './files.mjs';
import { digits, mbit, pause, quantile, until } from './measure.mjs';

const CAPACITY = 100e6;
const VOICE_BYTES = 160;
const VOICE_MS = 20;
const ADDED_MS_MAX = 5;

export const name = 'voice-beside-bulk';
export const figure = 'voice beside files that fill a link of 100 Mbit/s';
export const bar = 'voice loses nothing, p99 < 5 ms above idle';
export const reference = 'a queue of 100 ms in front of the link, first come, first served: 100 ms';

export async function run({ quick, log }) {
  const seconds = quick ? 5 : 60;
  const network = new Network();
  let files;
  try {
    const common = { underlay: 'fast', probing: { relays: 'off' } };
    const settings = { cpu: DAEMON_CPU, config: common };
    const far = await network.daemon('D', settings);
    const addresses = [`127.0.0.1:${far.port}`];
    const neighbours = [{ name: 'D', addresses, capacity: `${CAPACITY / 1e6}Mbit` }];
    const near = await network.daemon('B', { ...settings, config: { ...common, neighbours } });
    await until('B has a way to D', async () =>
      (await near.handle.status()).routes.some((route) => route.destination === 'D'),
    );
    const call = await openCall(near.handle, far.handle);
    const idle = await call.measure(quick ? 3 : 20);
    files = await startFiles({ from: near, to: far, lane: 'bulk' });
    pin(files.pid, ENDS_CPU);
    await pause(1_000);
    const before = await files.received();
    const began = performance.now();
    const busy = await call.measure(seconds);
    const received = (await files.received()) - before;
    const rate = (8 * received) / ((performance.now() - began) / 1_000);
    log(JSON.stringify({ idle, busy, rate }));
    const added = busy.p99 - idle.p99;
    return {
      measured: `lost ${busy.lost} of ${busy.sent}, p99 ${digits(busy.p99)} ms (${digits(idle.p99)} idle); files at ${mbit(rate)}`,
      holds: busy.lost === 0 && added < ADDED_MS_MAX && rate > CAPACITY / 2,
      how:
        `Two daemons on one processor. Two programs through the SDK, processes of their own: a call in the lane \`voice\`, ${VOICE_BYTES} B every ` +
        `${VOICE_MS} ms, and files in the lane \`bulk\` whenever there is room, for ${seconds} s. Worst ${digits(busy.max)} ms.`,
      values: { idle, busy, rate },
    };
  } finally {
    files?.stop();
    await network.stop();
  }
}

async function openCall(from, to) {
  const receiver = await to.datagram({ port: 4_000 });
  const sender = await from.datagram({ lane: 'voice' });
  const sentAt = [];
  let latencies = [];
  receiver.on('message', ({ payload }) => {
    const i = Buffer.from(payload).readUInt32BE(0);
    latencies.push(performance.now() - sentAt[i]);
  });
  const send = () => {
    const payload = Buffer.alloc(VOICE_BYTES);
    payload.writeUInt32BE(sentAt.length);
    sentAt.push(performance.now());
    sender.send(payload, { to: { node: 'D', port: 4_000 } });
  };
  const gather = async (seconds) => {
    const first = sentAt.length;
    latencies = [];
    const timer = setInterval(send, VOICE_MS);
    await pause(1_000 * seconds);
    clearInterval(timer);
    await pause(500);
    const sent = sentAt.length - first;
    const at = (q) => quantile(latencies, q);
    return { sent, lost: sent - latencies.length, p50: at(0.5), p99: at(0.99), max: at(1) };
  };
  // The first packets set up the session.
  await gather(1);
  return { measure: gather };
}
