/**
 * Which underlay and which crypto this process gets: the fast ones where they load, the portable
 * ones otherwise, and in either case why, for `status`, `doctor` and the API. The two are chosen
 * apart: a Node without OpenSSL's symbols still has a fast way to the kernel.
 */
import { type Crypto, OverlayError } from '../kernel/index.ts';
import { nodeCrypto } from './crypto.ts';
import { FastUnderlay, fastCrypto, fastSystem } from './fast/index.ts';
import { UdpUnderlay, type UdpUnderlayOptions } from './udp.ts';
import type { Underlay } from './underlay.ts';

/** `auto` falls back by itself; the others fail where they cannot be had. */
export type UnderlayChoice = 'auto' | 'portable' | 'fast';

export interface SystemUnderlayOptions extends UdpUnderlayOptions {
  /** Default `auto`. */
  readonly choice?: UnderlayChoice;
  /** Whether the kernel may join and cut runs of datagrams, where it can. Default true. */
  readonly segmentation?: boolean;
  /** Threads that seal and open packets, where the fast crypto is used. Default 1: no others. */
  readonly threads?: number;
}

export interface Chosen<T> {
  readonly value: T;
  readonly kind: 'fast' | 'portable';
  /** In words: what of the fast one is in use, or why it is not. */
  readonly reason: string;
  /** Whether the fast one was wanted and could not be had. */
  readonly isFallback: boolean;
}

/** Fails with UNDERLAY_BIND_FAILED, BAD_ARGUMENT, FAST_UNDERLAY_UNAVAILABLE. */
export async function openUnderlay(options: SystemUnderlayOptions): Promise<Chosen<Underlay>> {
  const choice = options.choice ?? 'auto';
  if (choice === 'portable') return portable(await UdpUnderlay.open(options), AS_CONFIGURED, false);
  const system = fastSystem();
  if (!system.ok) {
    if (choice === 'fast') throw unavailable(system.reason);
    return portable(await UdpUnderlay.open(options), system.reason, true);
  }
  const underlay = await FastUnderlay.open(options, system.value);
  return { value: underlay, kind: 'fast', reason: runsOf(underlay, options), isFallback: false };
}

/** `threads`: that seal and open, this one counted; the portable one has but this. Fails with FAST_UNDERLAY_UNAVAILABLE. */
export function chooseCrypto(choice: UnderlayChoice = 'auto', threads = 1): Chosen<Crypto> {
  const base = nodeCrypto();
  const alone = threads > 1 ? '; one thread: more need the fast one' : '';
  if (choice === 'portable') return portable(base, `${AS_CONFIGURED}${alone}`, false);
  const fast = fastCrypto(base, threads);
  if (fast.ok) {
    const shared = threads > 1 ? `, ${threads} threads` : '';
    const reason = `contexts are kept, ${fast.value.calling}${shared}`;
    return { value: fast.value, kind: 'fast', reason, isFallback: false };
  }
  if (choice === 'fast') throw unavailable(fast.reason);
  return portable(base, `${fast.reason}${alone}`, true);
}

const AS_CONFIGURED = 'as configured';

const portable = <T>(value: T, reason: string, isFallback: boolean): Chosen<T> => ({
  value,
  kind: 'portable',
  reason,
  isFallback,
});

const unavailable = (reason: string): OverlayError =>
  new OverlayError('FAST_UNDERLAY_UNAVAILABLE', `the fast underlay is not to be had: ${reason}`, {
    details: { reason },
  });

function runsOf({ offloads }: FastUnderlay, { segmentation }: SystemUnderlayOptions): string {
  if (segmentation === false) return 'no runs, as configured';
  if (offloads.receive && offloads.send) return 'runs joined and cut by the kernel';
  if (offloads.send) return 'runs cut by the kernel, which joins none';
  if (offloads.receive) return 'runs joined by the kernel, which cuts none';
  return 'no runs: the kernel has neither GRO nor GSO for UDP';
}
