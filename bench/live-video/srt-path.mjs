/**
 * A path that `srt-live-transmit` (Debian: srt-tools) repairs from end to end: UDP in, three bad hops
 * through relays, UDP out. A pair of programs as anybody would start them, with the whole budget as
 * SRT's latency, which SRT counts on top of the way's own.
 */
import { fork, spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const RELAYS = fileURLToPath(new URL('./srt-relays.mjs', import.meta.url));
const PROGRAM = 'srt-live-transmit';

/** The version of the program, undefined where it is not installed. */
export function srtVersion() {
  const { status, stdout, stderr } = spawnSync(PROGRAM, ['-version'], { encoding: 'utf8' });
  if (status !== 0) return undefined;
  return /SRT Library version: ([\d.]+)/.exec(`${stdout}${stderr}`)?.[1] ?? 'unknown';
}

/** `hops`: how many, each of `delayMs`, sound at first. `to`: the UDP port of the viewer. */
export async function openSrtPath({ hops, delayMs, budgetMs, to, seed = 1 }) {
  const [port, listenerPort] = await freePorts(2);
  const relays = fork(
    RELAYS,
    [listenerPort, hops, delayMs, seed].map((word) => JSON.stringify(word)),
  );
  const [{ port: relayPort }] = await once(relays, 'message');
  const srt = `latency=${budgetMs}`;
  const listener = transmit(`srt://127.0.0.1:${listenerPort}?mode=listener&${srt}`, udp(to));
  const caller = transmit(udp(port), `srt://127.0.0.1:${relayPort}?mode=caller&${srt}`);
  const ask = async (message) => {
    const answer = once(relays, 'message');
    relays.send(message);
    return (await answer)[0];
  };
  return {
    port,
    /** Makes every hop lose, both ways: `loss`, `burst`, `burstTimeMs`. */
    impair: ({ burstTimeMs, ...change }) =>
      ask({ change: { ...change, burstTime: 1_000 * burstTimeMs } }),
    /** What went out on all hops so far, both ways: UDP payload. */
    sent: async () => (await ask({})).sent,
    async close() {
      await Promise.all([caller, listener, relays].map(ended));
    },
  };
}

const udp = (port) => `udp://127.0.0.1:${port}`;
const transmit = (from, to) =>
  spawn(PROGRAM, ['-q', '-loglevel:fatal', from, to], { stdio: 'ignore' });

async function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** UDP ports that were free a moment ago, for programs that cannot choose one. */
async function freePorts(count) {
  const sockets = Array.from({ length: count }, () => createSocket('udp4'));
  for (const socket of sockets) {
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
  }
  const ports = sockets.map((socket) => socket.address().port);
  await Promise.all(sockets.map((socket) => once(socket.close(), 'close')));
  return ports;
}
