/**
 * The few things the state directory does to a file system, one step each, so that a test can end
 * the world after any of them. Synchronous: these are small files, written seldom, and what is
 * written must be durable before the next step of the program.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

export interface DiskEntry {
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly isDirectory: boolean;
}

export interface Disk {
  entry(path: string): DiskEntry | undefined;
  /** Names in a directory. */
  list(directory: string): string[];
  /** Undefined when there is no such file. */
  read(path: string): Uint8Array | undefined;
  makeDirectory(path: string, mode: number): void;
  /** Fails when the file exists. */
  create(path: string, mode: number): number;
  write(handle: number, bytes: Uint8Array): void;
  /** What was written survives a loss of power from here on. */
  sync(handle: number): void;
  close(handle: number): void;
  /** Atomic; replaces `to`. */
  rename(from: string, to: string): void;
  remove(path: string): void;
  /** Names created, renamed and removed survive a loss of power from here on. */
  syncDirectory(path: string): void;
}

/**
 * Replaces a file so that a reader, or a start after a crash at any step, sees the old or the new
 * contents whole. When this returns, the new contents are durable.
 */
export function writeAtomically(disk: Disk, path: string, bytes: Uint8Array, mode: number): void {
  const temporary = `${path}${TEMPORARY_SUFFIX}`;
  if (disk.entry(temporary) !== undefined) disk.remove(temporary);
  const handle = disk.create(temporary, mode);
  try {
    disk.write(handle, bytes);
    disk.sync(handle);
  } finally {
    disk.close(handle);
  }
  disk.rename(temporary, path);
  disk.syncDirectory(dirname(path));
}

/** What a crash in `writeAtomically` may leave behind; removed at the next start. */
export const TEMPORARY_SUFFIX = '.new';

export const realDisk: Disk = {
  entry(path) {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    return { mode: stat.mode & 0o7777, uid: stat.uid, isDirectory: stat.isDirectory() };
  },
  list: (directory) => readdirSync(directory),
  read(path) {
    try {
      return new Uint8Array(readFileSync(path));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  },
  makeDirectory: (path, mode) => {
    mkdirSync(path, { recursive: true, mode });
  },
  create: (path, mode) => openSync(path, 'wx', mode),
  write(handle, bytes) {
    for (let at = 0; at < bytes.length; ) at += writeSync(handle, bytes, at);
  },
  sync: (handle) => fsyncSync(handle),
  close: (handle) => closeSync(handle),
  rename: (from, to) => renameSync(from, to),
  remove: (path) => unlinkSync(path),
  syncDirectory(path) {
    const handle = openSync(path, 'r');
    try {
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  },
};
