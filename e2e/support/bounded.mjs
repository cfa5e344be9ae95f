/** Waiting for something to become true, with an end; and programs that cannot outlive their test. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const POLL_MS = 25;
/** Programs that still run; killed when this process ends in whatever way. */
const owned = new Set();
process.on('exit', () => {
  for (const child of owned) child.kill('SIGKILL');
});

/** Asks again until the answer is neither undefined nor false; fails with what was waited for. */
export async function until(what, ask, { timeoutMs = 20_000, everyMs = POLL_MS } = {}) {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline)
      throw new Error(`gave up after ${timeoutMs} ms waiting until ${what}`);
    await pause(everyMs);
  }
}

/** Lets whatever is being measured run on for this long. Nothing is decided by it. */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Where a program is, undefined where it is not installed. */
export function programPath(name) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this one.
    }
  }
  return undefined;
}

/** Options for `test`: skips, and says why, where a program or root is missing. */
export function needs({ programs = [], root = false } = {}) {
  const missing = programs.filter((name) => programPath(name) === undefined);
  if (missing.length > 0) return { skip: `not installed: ${missing.join(', ')}` };
  if (root && process.getuid?.() !== 0) return { skip: 'needs root' };
  return {};
}

/** A temporary directory, gone when the test is over. */
export function scratch(t, label) {
  const path = mkdtempSync(join(tmpdir(), `overlane-e2e-${label}-`));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Starts a program. `output` fills with its standard output and error. */
export function start(command, args, { env, cwd, input, stdio } = {}) {
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    cwd,
    stdio: stdio ?? ['pipe', 'pipe', 'pipe'],
  });
  owned.add(child);
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'])
    child[name]?.setEncoding('utf8').on('data', (text) => {
      output[name] += text;
    });
  child.stdin?.on('error', () => undefined);
  if (child.stdin !== null && input !== null) child.stdin.end(input ?? '');
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      owned.delete(child);
      resolve({ code, signal, ...output });
    });
  });
  ended.catch(() => owned.delete(child));
  return { child, output, ended };
}

/** Runs a program to its end; kills it and fails when it takes too long. */
export async function run(command, args, { timeoutMs = 30_000, ...options } = {}) {
  const { child, output, ended } = start(command, args, options);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  const outcome = await ended.finally(() => clearTimeout(timer));
  if (isLate)
    throw new Error(
      `${command} ${args.join(' ')} took more than ${timeoutMs} ms: ${output.stdout}${output.stderr}`,
    );
  return outcome;
}

/** As `run`, and anything but exit code 0 is a failure. */
export async function mustRun(command, args, options) {
  const outcome = await run(command, args, options);
  if (outcome.code !== 0)
    throw new Error(
      `${command} ${args.join(' ')} ended with ${outcome.code ?? outcome.signal}: ${outcome.stdout}${outcome.stderr}`,
    );
  return outcome;
}

/** A TCP port of loopback that was free a moment ago, for programs that cannot choose one. */
export async function freeTcpPort() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/**
 * How busy the machine was with other things: the share of the time from this call to the next in
 * which some process had to wait for a processor. Tests that measure time print it. Linux only.
 */
export function cpuPressure() {
  const waitedMs = () => {
    try {
      return (
        Number(/some .*total=(\d+)/.exec(readFileSync('/proc/pressure/cpu', 'utf8'))[1]) / 1_000
      );
    } catch {
      return Number.NaN;
    }
  };
  const began = { atMs: performance.now(), waitedMs: waitedMs() };
  return () => {
    const share = (waitedMs() - began.waitedMs) / (performance.now() - began.atMs);
    return Number.isNaN(share) ? 'not known' : `${Math.round(100 * share)} %`;
  };
}
