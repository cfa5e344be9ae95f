/**
 * Batches sealed and opened by several threads at once: this one and others that it starts. The call returns
 * when the whole batch is done, so the cores above know nothing of it, and order, counters and keys are
 * theirs alone. See ADR 23 for why the work is shared out here and not by link.
 *
 * Other threads are asked only for batches that are worth it. A thread that fails ends the process' node: the
 * assertion comes out of the core that sealed or opened.
 */
import { Worker } from 'node:worker_threads';
import { assert } from '../../kernel/index.ts';
import { CipherJob, DONE, FAILED, JOB_PACKETS_MAX, STARTED } from './cipher-job.ts';
import type { CipherThreadData } from './cipher-thread.ts';
import type { Evp } from './evp.ts';

/** Fewer packets are done here before another thread has noticed them. */
const SHARED_FROM = 24;
/** Looks at a chunk that another thread has not finished before this one sleeps for it. */
const LOOKS = 2_000;
const NAP_MS = 1;
/** A thread that takes this long for a few packets has died. */
const NAPS_MAX = 5_000;
const START_MS_MAX = 20_000;
const WORKER = new URL('./cipher-thread.js', import.meta.url);

export class CipherThreads {
  /** This thread and the others. */
  readonly count: number;
  private readonly evp: Evp;
  readonly job: CipherJob;

  constructor(evp: Evp, count: number) {
    this.evp = evp;
    this.count = count;
    const memory = new SharedArrayBuffer(CipherJob.bytesFor(count));
    this.job = new CipherJob(evp.native, memory, count);
    for (let thread = 1; thread < count; thread++) {
      const workerData: CipherThreadData = { memory, threads: count, thread };
      const worker = new Worker(WORKER, { workerData, name: `cipher ${thread}` });
      // What a thread throws is a bug of ours, and nobody else would hear of it.
      worker.on('error', (error) => {
        throw error;
      });
      worker.unref();
    }
    this.awaitStart();
  }

  isWorthIt(packets: number): boolean {
    return packets >= SHARED_FROM && packets <= JOB_PACKETS_MAX;
  }

  /** Does packets 0 .. packets of the job with the other threads. */
  run(packets: number): void {
    const { job } = this;
    job.publish(packets);
    while (job.work(this.evp, 0));
    this.finish(packets);
    assert(Atomics.load(job.control, FAILED) === 0, 'a cipher thread has failed');
  }

  /**
   * Some 50 ms. A process that ended while a thread looks up its functions would be aborted: the binding
   * cannot be interrupted there.
   */
  private awaitStart(): void {
    const { control } = this.job;
    const end = performance.now() + START_MS_MAX;
    for (;;) {
      const started = Atomics.load(control, STARTED);
      if (started === this.count - 1) return;
      assert(performance.now() < end, 'a cipher thread did not start');
      Atomics.wait(control, STARTED, started, NAP_MS);
    }
  }

  /** Waits for what other threads have claimed: a few packets each. */
  private finish(count: number): void {
    const { control } = this.job;
    for (let i = 0; i < LOOKS; i++) if (Atomics.load(control, DONE) === count) return;
    for (let naps = 0; ; naps++) {
      const done = Atomics.load(control, DONE);
      if (done === count) return;
      assert(naps < NAPS_MAX, 'a cipher thread has died');
      Atomics.wait(control, DONE, done, NAP_MS);
    }
  }
}
