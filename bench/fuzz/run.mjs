/**
 * Runs fuzz targets. Each target draws from a stream of its own, so a finding is named by target, seed
 * and number alone. A fault is a throw, an input that takes longer than `STALL_MS`, or a result that
 * depends on bytes outside the input: for one input in sixteen the reader is asked again with other
 * bytes around the same input.
 */
import { Mutator } from './mutator.mjs';

const STALL_MS = 2_000;
const SURROUNDINGS_EVERY = 16;
const FAULTS_KEPT = 20;

/** `targets`: `{ name, seeds, read, weight? }` or `{ name, feed(mutator), weight? }`. */
export async function runFuzz({ targets, inputs, seed, onTarget }) {
  const weight = targets.reduce((sum, t) => sum + (t.weight ?? 1), 0);
  const faults = [];
  const rows = [];
  const began = performance.now();
  for (const target of targets) {
    const count = Math.ceil((inputs * (target.weight ?? 1)) / weight);
    const row = await runTarget(target, { count, seed, faults });
    rows.push(row);
    onTarget?.(row);
  }
  const total = rows.reduce((sum, row) => sum + row.inputs, 0);
  return { inputs: total, seconds: (performance.now() - began) / 1_000, rows, faults };
}

async function runTarget(target, { count, seed, faults }) {
  const mutator = new Mutator(seed ^ hashOf(target.name));
  const apply = target.feed === undefined ? reader(target, mutator) : () => target.feed(mutator);
  const began = performance.now();
  let last = began;
  let found = 0;
  for (let i = 0; i < count; i++) {
    let fault;
    try {
      const outcome = apply(i);
      if (outcome instanceof Promise) await outcome;
    } catch (error) {
      fault = error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
    const now = performance.now();
    if (fault === undefined && now - last > STALL_MS) fault = `took ${Math.round(now - last)} ms`;
    last = now;
    if (fault === undefined) continue;
    found++;
    const input = Buffer.from(mutator.view()).toString('hex');
    if (faults.length < FAULTS_KEPT)
      faults.push({ target: target.name, seed, number: i, fault, input });
  }
  return { name: target.name, inputs: count, seconds: (last - began) / 1_000, faults: found };
}

function reader({ seeds, read }, mutator) {
  const elsewhere = new Uint8Array(mutator.slab.length);
  return (i) => {
    mutator.next(seeds);
    const { slab, at, end } = mutator;
    const outcome = read(slab, at, end);
    if (outcome instanceof Promise || i % SURROUNDINGS_EVERY !== 0) return outcome;
    elsewhere.fill(i / SURROUNDINGS_EVERY, 0, end + 64);
    elsewhere.set(mutator.view(), 3);
    const again = read(elsewhere, 3, 3 + end - at);
    if (plain(outcome, at) !== plain(again, 3)) throw new Error('reads bytes outside its input');
    return outcome;
  };
}

/** Comparable text; positions in the slab count from where the input begins. */
const plain = (outcome, at) =>
  JSON.stringify(outcome, (key, value) =>
    /(Offset|Start|End)$/.test(key) && typeof value === 'number' ? value - at : value,
  );

function hashOf(name) {
  let h = 0x811c_9dc5;
  for (const c of name) h = Math.imul(h ^ c.charCodeAt(0), 0x0100_0193);
  return h >>> 0;
}
