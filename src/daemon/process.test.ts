/** The daemon as a process: signals, exit codes, kills, memory. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Random } from '../kernel/index.ts';
import type { DaemonInfo } from './index.ts';
import { initNetwork } from './provision.ts';
import { DAEMON_NODE_ARGUMENTS } from './run-daemon.ts';

const scratch = mkdtempSync(join(tmpdir(), 'overlane-process-'));
const children = new Set<ChildProcess>();
after(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(scratch, { recursive: true, force: true });
});

const PROGRAM = `
  import { runDaemon } from ${JSON.stringify(new URL('./index.js', import.meta.url).href)};
  try {
    process.exitCode = await runDaemon({ config: process.argv[1] });
  } catch (error) {
    console.error(error.code);
    process.exitCode = 2;
  }
`;

let directories = 0;

function member(): { state: string; file: string; socket: string } {
  const state = join(scratch, String(directories++));
  initNetwork({ state, network: 'test', name: 'ATL', isLab: false });
  const file = join(state, 'overlane.yaml');
  writeFileSync(file, `state: ${state}\nlisten: ["127.0.0.1:0"]\n`);
  return { state, file, socket: join(state, 'control.sock') };
}

/** As `up --detach`, the lab and the service start it. */
function launch(file: string): ChildProcess & { readonly log: () => string } {
  const words = [...DAEMON_NODE_ARGUMENTS, '--input-type=module', '-e', PROGRAM, file];
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  let text = '';
  const take = (chunk: Buffer): void => {
    text += chunk.toString();
  };
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  return Object.assign(child, { log: () => text });
}

async function ask<T>(socketPath: string, path: string): Promise<T> {
  const outgoing = request({ socketPath, path, agent: false });
  outgoing.end();
  const [response] = await once(outgoing, 'response');
  let text = '';
  for await (const chunk of response) text += chunk;
  return JSON.parse(text) as T;
}

async function until(holds: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> {
  const limit = performance.now() + ms;
  while (!(await holds())) {
    assert.ok(performance.now() < limit, `not within ${ms} ms: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const answers = (socket: string) => (): Promise<boolean> =>
  ask(socket, '/v1/info').then(
    () => true,
    () => false,
  );

const epochIn = (state: string): number =>
  existsSync(join(state, 'epoch'))
    ? (JSON.parse(readFileSync(join(state, 'epoch'), 'utf8')) as { epoch: number }).epoch
    : 0;

test('SIGTERM ends a daemon in good order, with exit code 0 and nothing left behind', async () => {
  const { state, file, socket } = member();
  const child = launch(file);
  await until(answers(socket));
  child.kill('SIGTERM');
  const [code] = await once(child, 'exit');
  assert.equal(code, 0, child.log());
  assert.match(child.log(), /"message":"withdrawing"/);
  assert.equal(existsSync(socket), false);
  assert.deepEqual(
    readdirSync(state).filter((name) => name.startsWith('lock')),
    [],
  );
});

test('SIGHUP reads the config again, and keeps the old one when the new one is bad', async () => {
  const { file, socket } = member();
  const child = launch(file);
  await until(answers(socket));
  const good = readFileSync(file, 'utf8');
  writeFileSync(file, `${good}log: { level: debug }\n`);
  child.kill('SIGHUP');
  await until(() => child.log().includes('config reloaded'));
  const { level } = await ask<{ level: string }>(socket, '/v1/log');
  assert.equal(level, 'debug');
  writeFileSync(file, 'lgo: {}');
  child.kill('SIGHUP');
  await until(() => child.log().includes('did you mean'));
  assert.equal(child.exitCode, null, 'it runs on');
  child.kill('SIGTERM');
  await once(child, 'exit');
});

test('a kill at any moment leaves a directory that starts, with a higher epoch', async () => {
  const { state, file, socket } = member();
  const random = new Random(11);
  let last = 0;
  for (let round = 0; round < 6; round++) {
    const child = launch(file);
    // Somewhere between the first instruction and a running daemon.
    if (round % 3 === 2) await until(answers(socket));
    else await new Promise((resolve) => setTimeout(resolve, random.between(150, 700)));
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    const epoch = epochIn(state);
    assert.ok(epoch >= last, 'an epoch never goes back');
    last = epoch;
  }
  const child = launch(file);
  await until(answers(socket));
  assert.ok(epochIn(state) > last);
  child.kill('SIGTERM');
  const [code] = await once(child, 'exit');
  assert.equal(code, 0, child.log());
});

test('a second daemon on the same state is refused while the first lives', async () => {
  const { file, socket } = member();
  const child = launch(file);
  await until(answers(socket));
  const second = launch(file);
  const [code] = await once(second, 'exit');
  assert.equal(code, 2);
  assert.match(second.log(), /STATE_LOCKED/);
  assert.ok(await answers(socket)(), 'the first runs on');
  child.kill('SIGTERM');
  await once(child, 'exit');
});

test('an idle daemon stays below 90 MB of resident memory', async (t) => {
  // Node 22 and 24 keep 9 MB more of their own program in memory than Node 20, and 7 MB more of heap.
  const most = Number.parseInt(process.versions.node, 10) < 22 ? 90e6 : 106e6;
  const { file, socket } = member();
  const child = launch(file);
  await until(answers(socket));
  for (let i = 0; i < 50; i++) await ask(socket, '/v1/status');
  const { memoryBytes } = await ask<DaemonInfo>(socket, '/v1/info');
  t.diagnostic(`${(memoryBytes / 1e6).toFixed(1)} MB`);
  assert.ok(memoryBytes < most, `${memoryBytes} bytes`);
  child.kill('SIGTERM');
  await once(child, 'exit');
});
