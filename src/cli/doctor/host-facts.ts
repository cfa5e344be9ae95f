/** Gathers what `findings.ts` judges. Looks, never changes; what cannot be read is `undefined`. */
import { createSocket } from 'node:dgram';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import type { CliContext } from '../context.ts';
import type { BufferFacts, ClockFacts, ModeFacts, PortFacts } from './findings.ts';

/** Long enough to see a clock that is being stepped, short enough to wait for. */
const CLOCK_SAMPLE_MS = 200;

export async function clockFacts(context: CliContext): Promise<ClockFacts> {
  const wall = context.now().getTime();
  const elapsed = context.elapsedMs();
  await context.pause(CLOCK_SAMPLE_MS, context.signal);
  const now = context.now();
  return {
    now,
    driftMs: now.getTime() - wall - (context.elapsedMs() - elapsed),
    isSynchronized: await isSynchronized(),
  };
}

/** systemd-timesyncd leaves a file once it has set the clock; other daemons leave nothing to read. */
async function isSynchronized(): Promise<boolean | undefined> {
  const running = await lstat('/run/systemd/timesync').catch(() => undefined);
  if (running === undefined) return undefined;
  const done = await lstat('/run/systemd/timesync/synchronized').catch(() => undefined);
  return done !== undefined;
}

export async function bufferFacts(): Promise<BufferFacts> {
  const [receiveMax, sendMax] = await Promise.all(
    ['rmem_max', 'wmem_max'].map(async (name) => {
      const text = await readFile(`/proc/sys/net/core/${name}`, 'utf8').catch(() => undefined);
      return text === undefined ? undefined : Number(text.trim());
    }),
  );
  return { receiveMax, sendMax };
}

/** Opens the UDP address for a moment, unless our daemon has it. */
export async function portFacts(address: string, ours: readonly string[]): Promise<PortFacts> {
  if (ours.includes(address)) return { address, fault: undefined, isOurs: true };
  const at = address.lastIndexOf(':');
  const host = address.slice(0, at).replace(/^\[(.*)\]$/, '$1');
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  const fault = await new Promise<string | undefined>((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.bind({ port: Number(address.slice(at + 1)), address: host, exclusive: true }, () =>
      resolve(undefined),
    );
  });
  await new Promise<void>((resolve) => {
    try {
      socket.close(() => resolve());
    } catch {
      // A socket whose bind failed may be closed already.
      resolve();
    }
  });
  return { address, fault, isOurs: false };
}

/** The state directory and its files; empty where there is none yet. */
export async function stateModes(directory: string): Promise<readonly ModeFacts[]> {
  const own = process.getuid?.();
  const look = async (path: string): Promise<ModeFacts | undefined> => {
    const entry = await lstat(path).catch(() => undefined);
    if (entry === undefined || entry.isSocket() || entry.isSymbolicLink()) return undefined;
    const isOwn = own === undefined || entry.uid === own;
    return { path, mode: entry.mode & 0o777, isDirectory: entry.isDirectory(), isOwn };
  };
  const names = await readdir(directory).catch(() => []);
  const all = await Promise.all([directory, ...names.map((n) => join(directory, n))].map(look));
  return all.filter((m): m is ModeFacts => m !== undefined);
}
