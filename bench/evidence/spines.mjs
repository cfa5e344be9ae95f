/**
 * Spines on this machine, where it is built: `OVERLANE_SPINES` names the folder of its sources after `./configure`,
 * `make -C daemon parser` and `make` (5.7; what it needs beside a compiler is flex, bison and OpenSSL's headers).
 * Three daemons in a line, and its own flooding program at both ends, which sends as fast as it can.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pause } from './measure.mjs';

/** Its best-effort and its reliable links. */
const LINKS = { default: 0, bulk: 1 };
const PACKETS = { default: 200_000, bulk: 100_000 };
/** Until its daemons know each other. */
const SETTLE_MS = 7_000;
const RUN_MS_MAX = 60_000;
const CONFIGURATION = `Remote_Connections = False
Hosts {
 1 127.0.0.1
 2 127.0.0.2
 3 127.0.0.3
}
Edges {
 1 2 100
 2 3 100
}
`;

export const spinesFolder = () => process.env.OVERLANE_SPINES;

/** Bits a second that arrive, of payload; undefined where it is not to be had or nothing was counted. */
export async function spinesThroughput({ lane, hops, bytes }) {
  const folder = spinesFolder();
  if (folder === undefined) return undefined;
  const scratch = mkdtempSync(join(tmpdir(), 'overlane-spines-'));
  const started = [];
  const start = (program, args) => {
    const child = spawn(join(folder, program), args, { cwd: scratch });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (d) => (output += d));
    const ended = once(child, 'exit').then(() => output);
    started.push({ child, ended });
    return ended;
  };
  const socket = (i) => join(scratch, `s${i}`);
  // Its daemons have one port; any that others are unlikely to have.
  const port = String(20_000 + 100 * (process.pid % 400));
  try {
    writeFileSync(join(scratch, 'line.conf'), CONFIGURATION);
    for (const i of [1, 2, 3]) {
      const at = `127.0.0.${i}`;
      const where = ['-p', port, '-l', at, '-I', at, '-ud', socket(i)];
      start('daemon/spines', [...where, '-c', 'line.conf', '-rl', '-1']);
    }
    await pause(SETTLE_MS);
    const flow = ['-p', port, '-P', LINKS[lane], '-b', bytes, '-n', PACKETS[lane]].map(String);
    const flooder = 'testprogs/sp_uflooder';
    const arriving = start(flooder, [...flow, '-ud', socket(hops + 1), '-q']);
    await pause(1_000);
    const to = ['-a', `127.0.0.${hops + 1}`, '-R', '0'];
    void start(flooder, ['-s', ...flow, '-ud', socket(1), ...to]);
    const output = await Promise.race([arriving, pause(RUN_MS_MAX).then(() => '')]);
    const kbps = /Throughput \(kbps\):\s*([\d.]+)/.exec(output)?.[1];
    return kbps === undefined ? undefined : 1_000 * Number(kbps);
  } finally {
    for (const { child } of started) child.kill('SIGKILL');
    await Promise.all(started.map(({ ended }) => ended));
    rmSync(scratch, { recursive: true, force: true });
  }
}
