/**
 * Measures what this project claims and writes docs/evidence.md beside the references.
 *
 *   npm run evidence                    everything; about 40 minutes
 *   npm run evidence -- reroute memory  these; the other rows stay as they were measured
 *   npm run evidence -- --list          names
 *   npm run evidence -- --quick NAME    a short look that writes nothing
 *
 * Results are kept in docs/evidence.json; the page is made from it. Exits 1 when a bar is missed.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { page } from './evidence/page.mjs';
import { PROJECT } from './evidence/program.mjs';

const FILE = join(PROJECT, 'docs/evidence.json');
const PAGE = join(PROJECT, 'docs/evidence.md');

/** In the order of the page. */
const LOADERS = {
  'start-time': () => import('./evidence/start-time.mjs'),
  reroute: () => import('./evidence/reroute.mjs'),
  degrade: () => import('./evidence/degrade.mjs'),
  'hop-latency': () => import('./evidence/hop-latency.mjs'),
  'forwarding-cost': async () => (await import('./evidence/forwarding.mjs')).forwardingCost,
  'forwarding-pauses': async () => (await import('./evidence/forwarding.mjs')).forwardingPauses,
  'forwarding-latency': async () => (await import('./evidence/forwarding.mjs')).forwardingLatency,
  'saturated-node': async () => (await import('./evidence/saturation.mjs')).saturatedNode,
  'voice-beside-bulk': () => import('./evidence/voice-beside-bulk.mjs'),
  'memory-at-rate': async () => (await import('./evidence/forwarding.mjs')).memoryAtRate,
  threads: () => import('./evidence/threads.mjs'),
  throughput: () => import('./evidence/throughput.mjs'),
  'control-traffic': async () => (await import('./evidence/idle.mjs')).controlTraffic,
  memory: async () => (await import('./evidence/idle.mjs')).memory,
  'control-cost': () => import('./evidence/control-cost.mjs'),
  'ron-replay': () => import('./evidence/ron-replay.mjs'),
  outages: () => import('./evidence/outages.mjs'),
  multihoming: () => import('./evidence/multihoming.mjs'),
  stability: () => import('./evidence/stability.mjs'),
  coexistence: () => import('./evidence/coexistence.mjs'),
  recompute: () => import('./evidence/recompute.mjs'),
  simulator: () => import('./evidence/simulator.mjs'),
  'tcp-forward': () => import('./evidence/tcp-forward.mjs'),
  admission: () => import('./evidence/admission.mjs'),
  spam: () => import('./evidence/spam.mjs'),
  goodput: () => import('./evidence/goodput.mjs'),
  turncoats: () => import('./evidence/turncoats.mjs'),
  'hop-by-hop': () => import('./evidence/hop-by-hop.mjs'),
  'realtime-link': () => import('./evidence/realtime-link.mjs'),
  'deadline-link': () => import('./evidence/deadline-link.mjs'),
  voice: () => import('./evidence/voice.mjs'),
  'live-video': () => import('./evidence/live-video.mjs'),
  'protocol-cost': () => import('./evidence/protocol-cost.mjs'),
  'graph-sizes': () => import('./evidence/graph-sizes.mjs'),
  'targeted-redundancy': () => import('./evidence/targeted-redundancy.mjs'),
  fuzz: () => import('./evidence/fuzz.mjs'),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});
const unknown = positionals.filter((name) => !Object.hasOwn(LOADERS, name));
if (unknown.length > 0)
  fail(`no experiment is called ${unknown.join(', ')}: ${names().join(', ')}`, 2);
else if (values.list) console.log(names().join('\n'));
else await main(positionals.length > 0 ? positionals : names());

function names() {
  return Object.keys(LOADERS);
}

async function main(wanted) {
  const results = existsSync(FILE) ? JSON.parse(readFileSync(FILE, 'utf8')) : {};
  for (const name of wanted) {
    const began = performance.now();
    console.log(`== ${name}`);
    const row = await measure(name);
    const verdict = row.holds ? 'holds' : 'MISSED';
    console.log(
      `   ${row.measured}\n   bar: ${row.bar}: ${verdict} (${Math.round((performance.now() - began) / 1_000)} s)`,
    );
    if (!row.holds) process.exitCode = 1;
    if (values.quick) continue;
    results[name] = row;
    writeFileSync(FILE, `${JSON.stringify(inOrder(results), null, 2)}\n`);
    writeFileSync(PAGE, page(Object.values(inOrder(results))));
  }
}

async function measure(name) {
  const { figure, bar, reference, run } = await LOADERS[name]();
  const about = { figure, bar, reference, ...circumstances() };
  try {
    const log = (text) => console.log(`   ${text}`);
    return { ...about, ...(await run({ quick: values.quick, log })), name };
  } catch (error) {
    console.error(error);
    return { ...about, name, measured: `not measured: ${error.message}`, holds: false, how: '' };
  }
}

function inOrder(results) {
  const present = names().filter((name) => results[name] !== undefined);
  return Object.fromEntries(present.map((name) => [name, results[name]]));
}

function circumstances() {
  const [first, ...others] = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: commit(),
    machine: `${first.model.trim()}, ${others.length + 1} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${process.platform} ${release().split('.').slice(0, 2).join('.')}`,
    node: process.versions.node,
    load: loadavg()[0].toFixed(1),
  };
}

function commit() {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      cwd: PROJECT,
      encoding: 'utf8',
    }).trim();
  } catch {
    return 'unknown';
  }
}

function fail(message, code) {
  console.error(`overlane: ${message}`);
  process.exitCode = code;
}
