/**
 * A disk that forgets what was not synced, for tests of crashes. It can stop the world after any
 * number of steps, and says what a real disk may then hold: with a `kill -9` everything written,
 * with a loss of power any prefix of unsynced contents and any of the unsynced names.
 */
import type { Disk, DiskEntry } from './disk.ts';

/** Thrown at the step where the world ends; nothing in the code under test may catch and go on. */
export class PowerCut extends Error {}

interface Inode {
  volatile: Uint8Array;
  durable: Uint8Array;
  mode: number;
}

export class MemoryDisk implements Disk {
  /** Names as the running system sees them, and as they are on the platter. */
  private names = new Map<string, Inode>();
  private durableNames = new Map<string, Inode>();
  private readonly handles = new Map<number, Inode>();
  private nextHandle = 3;
  private directories = new Map<string, number>();
  steps = 0;
  /** The step at which the world ends; never when undefined. */
  cutAt: number | undefined;

  entry(path: string): DiskEntry | undefined {
    const uid = process.getuid?.() ?? 0;
    const directoryMode = this.directories.get(path);
    if (directoryMode !== undefined) return { mode: directoryMode, uid, isDirectory: true };
    const inode = this.names.get(path);
    return inode === undefined ? undefined : { mode: inode.mode, uid, isDirectory: false };
  }

  list(directory: string): string[] {
    const prefix = `${directory}/`;
    return [...this.names.keys()]
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length));
  }

  read(path: string): Uint8Array | undefined {
    return this.names.get(path)?.volatile;
  }

  makeDirectory(path: string, mode: number): void {
    this.step();
    this.directories.set(path, mode);
  }

  create(path: string, mode: number): number {
    this.step();
    if (this.names.has(path)) throw Object.assign(new Error(path), { code: 'EEXIST' });
    const inode = { volatile: new Uint8Array(0), durable: new Uint8Array(0), mode };
    this.names.set(path, inode);
    this.handles.set(this.nextHandle, inode);
    return this.nextHandle++;
  }

  /** Two steps, so that a cut can fall in the middle of the bytes. */
  write(handle: number, bytes: Uint8Array): void {
    const inode = this.handles.get(handle)!;
    this.step();
    inode.volatile = bytes.slice(0, bytes.length >> 1);
    this.step();
    inode.volatile = bytes.slice();
  }

  sync(handle: number): void {
    this.step();
    const inode = this.handles.get(handle)!;
    inode.durable = inode.volatile;
  }

  close(handle: number): void {
    this.handles.delete(handle);
  }

  rename(from: string, to: string): void {
    this.step();
    const inode = this.names.get(from);
    if (inode === undefined) throw Object.assign(new Error(from), { code: 'ENOENT' });
    this.names.delete(from);
    this.names.set(to, inode);
  }

  remove(path: string): void {
    this.step();
    this.names.delete(path);
  }

  syncDirectory(): void {
    this.step();
    this.durableNames = new Map(this.names);
  }

  setMode(path: string, mode: number): void {
    if (this.directories.has(path)) this.directories.set(path, mode);
    const inode = this.names.get(path);
    if (inode !== undefined) inode.mode = mode;
  }

  /** What is found after a `kill -9`: the system lives on, so all that was written is there. */
  afterKill(): MemoryDisk {
    return this.copy(this.names, (inode) => inode.volatile);
  }

  /** What may be found after a loss of power; `isNameKept` decides for each unsynced name. */
  afterPowerLoss(isNameKept: (name: string) => boolean): MemoryDisk {
    const names = new Map(this.durableNames);
    for (const [name, inode] of this.names) if (isNameKept(name)) names.set(name, inode);
    return this.copy(names, (inode) => inode.durable);
  }

  private copy(names: Map<string, Inode>, contents: (inode: Inode) => Uint8Array): MemoryDisk {
    const disk = new MemoryDisk();
    disk.directories = new Map(this.directories);
    for (const [name, inode] of names) {
      const bytes = contents(inode).slice();
      disk.names.set(name, { volatile: bytes, durable: bytes, mode: inode.mode });
    }
    disk.durableNames = new Map(disk.names);
    return disk;
  }

  private step(): void {
    if (this.cutAt !== undefined && this.steps >= this.cutAt) throw new PowerCut();
    this.steps++;
  }
}
