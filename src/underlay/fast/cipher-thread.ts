/**
 * A thread that seals and opens what its process' first thread gives out (cipher-job.ts). It holds nothing:
 * contexts and packets are the first thread's, named by address.
 *
 * A batch comes every few tens of microseconds while a node is busy, and waking a thread takes as long: it looks
 * for the next one for a moment before it sleeps.
 */
import { workerData } from 'node:worker_threads';
import { assert } from '../../kernel/index.ts';
import { ASLEEP, CipherJob, CLAIM, STARTED } from './cipher-job.ts';
import { Evp } from './evp.ts';
import { native } from './native.ts';

export interface CipherThreadData {
  readonly memory: SharedArrayBuffer;
  readonly threads: number;
  /** 0 is the thread that gives out the jobs. */
  readonly thread: number;
}

const LOOK_MS = 0.1;
const LOOKS = 64;

const { memory, threads, thread } = workerData as CipherThreadData;
const binding = native();
assert(binding.ok, 'a cipher thread without the binding');
const job = new CipherJob(binding.value, memory, threads);
const evp = Evp.find(binding.value);
assert(evp.ok, 'a cipher thread without OpenSSL');
Atomics.add(job.control, STARTED, 1);
Atomics.notify(job.control, STARTED);

for (;;) {
  const claim = Atomics.load(job.control, CLAIM);
  if (job.work(evp.value, thread) || looked()) continue;
  Atomics.add(job.control, ASLEEP, 1);
  Atomics.wait(job.control, CLAIM, claim);
  Atomics.sub(job.control, ASLEEP, 1);
}

/** Looks for work for a moment; whether there is some. */
function looked(): boolean {
  const until = performance.now() + LOOK_MS;
  do for (let i = 0; i < LOOKS; i++) if (job.isOpen) return true;
  while (performance.now() < until);
  return false;
}
