/**
 * Where a daemon spends its processor time: a sampling profile of the JavaScript thread, taken while it
 * runs, written as a file that Chrome's developer tools and others open, and summed up by room.
 *
 * One sample a millisecond costs a few per cent of a processor while it lasts; otherwise nothing. What
 * happens in system calls and ciphers is put down to the function that called them.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join } from 'node:path';
import { OverlayError } from '../kernel/index.ts';

export interface ProfileReport {
  /** `.cpuprofile`, on the daemon's host. */
  readonly file: string;
  readonly durationMs: number;
  /** Shares of the time, greatest first: rooms, `(idle)`, `(garbage collector)`, `node`, `packages`, ... */
  readonly rooms: readonly ProfileShare[];
  /** The same by function; the first thirty. */
  readonly functions: readonly ProfileShare[];
}

export interface ProfileShare {
  readonly name: string;
  /** 0 to 1. */
  readonly share: number;
}

export interface ProfileRequest {
  readonly durationMs: number;
  /** Made where it is not there. */
  readonly directory: string;
  readonly signal?: AbortSignal;
}

/** The part of V8's profile that is read. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
  }[];
  readonly samples?: readonly number[] | undefined;
  readonly timeDeltas?: readonly number[] | undefined;
}

const SAMPLE_US = 1_000;
const FUNCTIONS_MAX = 30;

let isRunning = false;

/** Ends early when the signal is aborted. Fails with PROFILE_RUNNING. */
export async function takeCpuProfile(request: ProfileRequest): Promise<ProfileReport> {
  if (isRunning)
    throw new OverlayError('PROFILE_RUNNING', 'a profile of this daemon is being taken already', {
      isRetryable: true,
    });
  isRunning = true;
  const session = new Session();
  try {
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_US });
    await session.post('Profiler.start');
    const began = performance.now();
    await pause(request.durationMs, request.signal);
    const { profile } = await session.post('Profiler.stop');
    const durationMs = Math.round(performance.now() - began);
    mkdirSync(request.directory, { recursive: true, mode: 0o700 });
    const stamp = new Date().toISOString().replaceAll(':', '').slice(0, 17);
    const file = join(request.directory, `${stamp}.cpuprofile`);
    writeFileSync(file, JSON.stringify(profile), { mode: 0o600 });
    return { file, durationMs, ...summary(profile) };
  } finally {
    session.disconnect();
    isRunning = false;
  }
}

/** Time by room and by function. */
export function summary(profile: CpuProfile): Pick<ProfileReport, 'rooms' | 'functions'> {
  const places = new Map(
    profile.nodes.map(({ id, callFrame: { functionName, url } }) => {
      const room = roomOf(functionName, url);
      const name = functionName === '' ? '(anonymous)' : functionName;
      return [id, { room, name: url === '' ? name : `${room}/ ${name}` }];
    }),
  );
  const rooms = new Map<string, number>();
  const functions = new Map<string, number>();
  let total = 0;
  for (const [i, id] of (profile.samples ?? []).entries()) {
    const place = places.get(id);
    const time = Math.max(0, profile.timeDeltas?.[i] ?? 0);
    if (place === undefined) continue;
    total += time;
    rooms.set(place.room, (rooms.get(place.room) ?? 0) + time);
    functions.set(place.name, (functions.get(place.name) ?? 0) + time);
  }
  const shares = (of: ReadonlyMap<string, number>): ProfileShare[] =>
    [...of]
      .map(([name, time]) => ({ name, share: time / Math.max(1, total) }))
      .sort((a, b) => b.share - a.share);
  return { rooms: shares(rooms), functions: shares(functions).slice(0, FUNCTIONS_MAX) };
}

/** The room of the code that a function belongs to; V8's and Node's own by other names. */
export function roomOf(functionName: string, url: string): string {
  if (url.includes('/node_modules/')) return 'packages';
  if (url.startsWith('node:')) return 'node';
  const room = /\/dist\/([a-z]+)\//.exec(url)?.[1];
  if (room !== undefined) return room;
  // (idle), (program), (garbage collector): names of V8's own.
  return functionName.startsWith('(') ? functionName : 'native';
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    if (signal?.aborted === true) end();
    signal?.addEventListener('abort', end);
  });
}
