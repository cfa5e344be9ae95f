/**
 * `npm start` and `npm test` from a clean clone: installs and builds what is missing, then does the
 * work. Needs nothing but Node, because at first there is nothing else.
 *
 *   node tools/run.mjs start [lab options]     install, build, run the lab
 *   node tools/run.mjs test [paths below src]  install, build, static checks, tests
 *   node tools/run.mjs build                   install, build
 *   node tools/run.mjs evidence [names]        install, build, measure, write docs/evidence.md
 *   node tools/run.mjs soak [options]          install, build, a long stay in the lab
 *   node tools/run.mjs bench [options]         install, build, what forwarding a packet costs here
 */
import { spawn, spawnSync } from 'node:child_process';
import { lstatSync, readFileSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { PROJECT, report } from './check.mjs';
import { installNeed, nodeVersionFault } from './install-state.mjs';
import { orphanOutputs, testFiles } from './test-files.mjs';

const TASKS = ['start', 'test', 'build', 'evidence', 'soak', 'bench'];
const PROGRAMS = { evidence: 'evidence', soak: 'soak', bench: 'packet-path' };

async function main([task, ...args]) {
  const fault = nodeVersionFault(process.versions.node, readJson('package.json').engines.node);
  if (fault !== undefined) return fail(fault);
  if (!TASKS.includes(task)) return fail(`unknown task '${task ?? ''}': ${TASKS.join(', ')}`);
  if (!install() || !build()) return 1;
  if (task === 'start') return run([join(PROJECT, 'dist/cli/main.js'), 'lab', ...args]);
  const program = PROGRAMS[task];
  if (program !== undefined) return run([join(PROJECT, `bench/${program}.mjs`), ...args]);
  return task === 'test' ? test(args) : 0;
}

function install() {
  const need = installNeed(readJson('package-lock.json'), installedLock());
  if (need === undefined) return true;
  if (isLink('node_modules')) {
    console.log(`note: ${need}, but node_modules is a link and is left alone`);
    return true;
  }
  console.log(`installing packages, because ${need} (npm ci) ...`);
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  return step(npm, args, 'npm ci');
}

function build() {
  for (const path of orphanOutputs(PROJECT)) rmSync(join(PROJECT, path));
  return step(process.execPath, [join(PROJECT, 'node_modules/typescript/bin/tsc'), '-b'], 'tsc -b');
}

async function test(filters) {
  const passed = filters.length > 0 || (await staticChecks());
  const files = testFiles(PROJECT, filters);
  if (files.length === 0) return fail('no test files found');
  console.log(`running ${files.length} test files`);
  const code = await run([
    '--test',
    '--test-timeout=120000',
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    ...files,
  ]);
  if (!passed) console.log('static checks failed: see above');
  return passed ? code : 1;
}

async function staticChecks() {
  const checks = {
    layers: async () => (await import('./check-layers.mjs')).inspectLayers(PROJECT),
    purity: async () => (await import('./check-purity.mjs')).inspectPurity(PROJECT),
    sizes: async () => (await import('./check-sizes.mjs')).inspectSizes(PROJECT),
    names: async () => (await import('./check-names.mjs')).inspectNames(PROJECT),
    docs: async () => (await import('./check-docs.mjs')).inspectDocs(PROJECT),
    style: async () => (await import('./check-style.mjs')).inspectStyle(PROJECT),
  };
  let passed = true;
  for (const [name, inspect] of Object.entries(checks))
    passed = report(name, await inspect()) && passed;
  return passed;
}

/** Runs a step that is silent when it works; says how long it took when that was noticeable. */
function step(command, args, name) {
  const began = Date.now();
  const { status, error } = spawnSync(command, args, { cwd: PROJECT, stdio: 'inherit' });
  if (status !== 0) {
    fail(`${name} failed${error === undefined ? '' : `: ${error.message}`}`);
    return false;
  }
  const seconds = (Date.now() - began) / 1_000;
  if (seconds > 2) console.log(`${name}: ${seconds.toFixed(1)} s`);
  return true;
}

/** Node with these arguments in the foreground; signals reach it, its exit code becomes ours. */
function run(args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: PROJECT, stdio: 'inherit' });
    // The terminal sends its signals to the whole group: the child decides what Ctrl-C means.
    process.on('SIGINT', () => {});
    for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
    child.on('error', (error) => resolve(fail(error.message)));
    child.on('exit', (code, signal) => resolve(code ?? 128 + (constants.signals[signal] ?? 0)));
  });
}

const readJson = (path) => JSON.parse(readFileSync(join(PROJECT, path), 'utf8'));

function installedLock() {
  try {
    return readJson('node_modules/.package-lock.json');
  } catch {
    return undefined;
  }
}

const isLink = (path) =>
  lstatSync(join(PROJECT, path), { throwIfNoEntry: false })?.isSymbolicLink() ?? false;

function fail(message) {
  console.error(`overlane: ${message}`);
  return 1;
}

process.exitCode = await main(process.argv.slice(2));
