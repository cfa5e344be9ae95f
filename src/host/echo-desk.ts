/**
 * Echo requests under way: matches answers to who asked, keeps their time, and measures a route hop
 * by hop by asking with hop limits 1, 2, 3 ... as Van Jacobson's traceroute does. Probes of one
 * round go out together; rounds follow each other, so a node that limits its answers keeps up.
 */
import type { NodeAddress } from '../kernel/index.ts';
import type { EchoOutcome, FlowOptions } from '../node/index.ts';
import type { PingResult, TraceHop } from './api.ts';
import { abortFailure, failure, refusalFailure } from './failure.ts';
import type { NodeDriver } from './node-driver.ts';
import { type NameOf, presentMs } from './present.ts';

export interface EchoRequest {
  readonly to: NodeAddress;
  readonly timeoutMs: number;
  readonly payloadBytes: number;
  readonly hopLimit?: number;
  readonly flow: FlowOptions;
  readonly signal?: AbortSignal | undefined;
}

/** Echo requests a node may have under way; more fail with LIMIT_REACHED. */
export const ECHOES_MAX = 1024;

export class EchoDesk {
  private readonly driver: NodeDriver;
  private readonly nameOf: NameOf;
  private readonly pending = new Map<number, (outcome: EchoOutcome | 'closed') => void>();
  private nextId = 1;

  constructor(options: { driver: NodeDriver; nameOf: NameOf }) {
    this.driver = options.driver;
    this.nameOf = options.nameOf;
  }

  /** An answer came in. */
  answered(id: number, outcome: EchoOutcome): void {
    this.pending.get(id)?.(outcome);
  }

  /** Fails whoever still waits. */
  close(): void {
    for (const settle of [...this.pending.values()]) settle('closed');
  }

  ask(request: EchoRequest): Promise<PingResult> {
    const { signal } = request;
    if (signal?.aborted === true) return Promise.reject(abortFailure(signal));
    if (this.pending.size >= ECHOES_MAX) return Promise.reject(failure('LIMIT_REACHED'));
    const id = this.nextId;
    this.nextId = this.nextId === 0xffff_ffff ? 1 : this.nextId + 1;
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', aborted);
        this.pending.delete(id);
        finish();
      };
      const aborted = (): void => settle(() => reject(abortFailure(signal!)));
      const timer = setTimeout(
        () => settle(() => resolve({ outcome: 'timed-out' })),
        request.timeoutMs,
      );
      signal?.addEventListener('abort', aborted, { once: true });
      this.pending.set(id, (outcome) =>
        settle(() => {
          if (outcome === 'closed') reject(failure('CLOSED'));
          else resolve(this.present(outcome));
        }),
      );
      const asked = this.send(id, request);
      if (asked === 'unreachable') {
        const from = this.driver.node.name;
        settle(() => resolve({ outcome: 'unreachable', from, rttMs: 0 }));
      } else if (asked !== undefined) settle(() => reject(refusalFailure(asked)));
    });
  }

  /** Hops 1 .. `hopsMax`, ending with the destination when it answers. */
  async trace(
    request: EchoRequest,
    options: { hopsMax: number; probesPerHop: number; hopsExpected: number },
  ): Promise<{ readonly hops: TraceHop[]; readonly isReached: boolean }> {
    const hops: TraceHop[] = [];
    let isReached = false;
    while (!isReached && hops.length < options.hopsMax) {
      // First as many hops as the route is thought to have; beyond it one by one.
      const last = Math.min(Math.max(options.hopsExpected, hops.length + 1), options.hopsMax);
      const limits = range(hops.length + 1, last);
      const rounds: PingResult[][] = [];
      for (let round = 0; round < options.probesPerHop; round++)
        rounds.push(
          await Promise.all(limits.map((hopLimit) => this.ask({ ...request, hopLimit }))),
        );
      for (const [i, hop] of limits.entries()) {
        const results = rounds.map((round) => round[i]!);
        hops.push(hopOf(hop, results));
        isReached = results.some((result) => result.outcome === 'reply');
        if (isReached || results.some((result) => result.outcome === 'unreachable'))
          return { hops, isReached };
      }
    }
    return { hops, isReached };
  }

  private send(id: number, request: EchoRequest): ReturnType<typeof refusalOf> {
    const { hopLimit, payloadBytes, flow } = request;
    const options = {
      ...flow,
      payloadBytes,
      ...(hopLimit === undefined ? {} : { hopLimit }),
    };
    return refusalOf(
      this.driver.call((node, now) => node.echo(id, request.to, options, now), CLOSED),
    );
  }

  private present(outcome: EchoOutcome): PingResult {
    return {
      outcome: outcome.kind,
      from: this.nameOf(outcome.from),
      rttMs: presentMs(outcome.rtt),
    };
  }
}

type EchoResult = ReturnType<NodeDriver['node']['echo']>;
const CLOSED: EchoResult = { ok: false, reason: 'closed' };
const refusalOf = (result: EchoResult): (EchoResult & { ok: false })['reason'] | undefined =>
  result.ok ? undefined : result.reason;

function hopOf(hop: number, results: readonly PingResult[]): TraceHop {
  let node: string | undefined;
  const rttsMs: (number | undefined)[] = [];
  for (const result of results) {
    const isAnswer = result.outcome !== 'timed-out';
    if (isAnswer) node ??= result.from;
    rttsMs.push(isAnswer ? result.rttMs : undefined);
  }
  return { hop, node, rttsMs };
}

function range(first: number, last: number): number[] {
  const out: number[] = [];
  for (let i = first; i <= last; i++) out.push(i);
  return out;
}
