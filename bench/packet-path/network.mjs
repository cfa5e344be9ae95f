/** A network for one measurement: its members, and real daemons of it, each a process of its own. */
import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect } from '../../dist/client/index.js';
import { DAEMON_NODE_ARGUMENTS, StateDirectory } from '../../dist/daemon/index.js';
import { wallTime } from '../../dist/kernel/index.js';
import { createMember, createNetwork } from '../../dist/security/index.js';
import { nodeCrypto, nodeEntropy } from '../../dist/underlay/index.js';
import { until } from '../evidence/measure.mjs';

const PROGRAM = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export class Network {
  constructor() {
    this.crypto = nodeCrypto();
    this.entropy = nodeEntropy();
    const { crypto, entropy } = this;
    this.made = createNetwork({ crypto, entropy, name: 'bench', isLab: true });
    this.directory = mkdtempSync(join(tmpdir(), 'overlane-bench-'));
    this.daemons = [];
  }

  /** What a node of this network needs to start; plain values, so that it can go to another process. */
  member(name) {
    const { crypto, entropy, made } = this;
    const wall = wallTime(Date.now() * 1_000);
    const { identity } = createMember({ crypto, entropy, network: made, name, wall }).value;
    return {
      name,
      identity,
      manifest: made.manifest,
      rootKeys: [made.rootKey],
    };
  }

  /** Starts a daemon, pinned to a processor. `neighbours`: daemons started before. */
  async daemon(name, { neighbours = [], cpu, config = {}, nodeArguments = [], env = {} } = {}) {
    const { identity, manifest, rootKeys } = this.member(name);
    const directory = join(this.directory, name);
    const state = StateDirectory.open(directory, { isCreated: true });
    const { chain, ...keys } = identity;
    state.saveIdentity(keys);
    state.saveMembership({ rootKeys, manifest, chain, joinedThrough: [] });
    const port = await freePort();
    const settings = {
      state: directory,
      listen: [`127.0.0.1:${port}`],
      neighbours: neighbours.map((other) => ({
        name: other.name,
        addresses: [`127.0.0.1:${other.port}`],
      })),
      ...config,
    };
    // JSON is YAML.
    writeFileSync(join(directory, 'overlane.yaml'), JSON.stringify(settings));
    const logFile = join(directory, 'daemon.log');
    const log = openSync(logFile, 'a');
    const child = spawn(
      process.execPath,
      [
        ...DAEMON_NODE_ARGUMENTS,
        ...nodeArguments,
        PROGRAM,
        'up',
        '--config',
        `${directory}/overlane.yaml`,
      ],
      { stdio: ['ignore', log, log], env: { ...process.env, ...env } },
    );
    pin(child.pid, cpu);
    const daemon = { name, port, pid: child.pid, child, directory, logFile };
    this.daemons.push(daemon);
    daemon.handle = await until(`${name} answers`, () => {
      if (child.exitCode !== null)
        throw new Error(`${name} ended: ${readFileSync(logFile, 'utf8')}`);
      return connect(join(directory, 'control.sock')).catch(() => undefined);
    });
    return daemon;
  }

  async stop() {
    await Promise.all(this.daemons.map((daemon) => end(daemon)));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function end({ child, handle }) {
  await handle?.close().catch(() => undefined);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await gone;
  clearTimeout(timer);
}

/** All threads of a process on one processor, where that can be had. Those it makes later follow. */
export function pin(pid, cpu) {
  if (cpu === undefined) return;
  try {
    execFileSync('taskset', ['-acp', String(cpu), String(pid)], { stdio: 'ignore' });
  } catch {
    // Unpinned figures are only noisier.
  }
}

export async function freePort() {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await once(socket.close(), 'close');
  return port;
}
