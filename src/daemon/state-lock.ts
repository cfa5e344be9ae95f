/**
 * One daemon per state directory: two would use the same epoch and the same nonces.
 *
 * Each daemon first puts down a claim of its own, a file named by process, start time and boot, and
 * then looks for claims of others. Claim first and look second means that of two daemons that start
 * at once at least one sees the other, whatever the order (Dekker's argument); nobody ever replaces
 * a shared file, so there is no stale lock to take over. The claim of a process that no longer
 * lives, or lived before the last boot, is removed.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OverlayError } from '../kernel/index.ts';
import { type Disk, realDisk } from './disk.ts';

export interface StateLock {
  release(): void;
}

interface Claim {
  readonly pid: number;
  readonly started: string;
  readonly boot: string;
}

/** Fails with STATE_LOCKED when a daemon that lives has the directory. */
export function lockState(directory: string, options: { disk?: Disk } = {}): StateLock {
  const disk = options.disk ?? realDisk;
  const own = claimOf(process.pid);
  const path = join(directory, claimName(own));
  if (disk.entry(path) !== undefined) throw locked(directory, own.pid);
  disk.close(disk.create(path, 0o600));
  for (const name of disk.list(directory)) {
    const claim = parseClaim(name);
    if (claim === undefined || name === claimName(own)) continue;
    if (isAlive(claim)) {
      disk.remove(path);
      throw locked(directory, claim.pid);
    }
    disk.remove(join(directory, name));
  }
  return { release: () => disk.entry(path) !== undefined && disk.remove(path) };
}

/** The process that has the directory, if one lives. */
export function lockHolder(directory: string, disk: Disk = realDisk): number | undefined {
  for (const name of disk.list(directory)) {
    const claim = parseClaim(name);
    if (claim !== undefined && isAlive(claim)) return claim.pid;
  }
  return undefined;
}

const locked = (directory: string, pid: number): OverlayError =>
  new OverlayError(
    'STATE_LOCKED',
    `process ${pid} is already running on ${directory}: stop it with \`overlane down\`, or give this node a state directory of its own`,
    { details: { directory, pid } },
  );

const claimName = (claim: Claim): string => `lock.${claim.pid}.${claim.started}.${claim.boot}`;

function parseClaim(name: string): Claim | undefined {
  const match = /^lock\.(\d+)\.([\dx]+)\.([0-9a-f]+)$/.exec(name);
  if (match === null) return undefined;
  return { pid: Number(match[1]), started: match[2]!, boot: match[3]! };
}

const claimOf = (pid: number): Claim => ({ pid, started: startTime(pid) ?? 'x', boot: bootId() });

function isAlive(claim: Claim): boolean {
  if (claim.boot !== bootId()) return false;
  const started = startTime(claim.pid);
  if (started !== undefined) return started === claim.started;
  try {
    process.kill(claim.pid, 0);
    return process.platform !== 'linux';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' && process.platform !== 'linux';
  }
}

/** Field 22 of proc(5) stat, in clock ticks since boot; tells a process from a later one of its number. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name in brackets and may hold anything.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/** Eight digits are plenty to tell two boots apart; zero where the system has no such number. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8);
  } catch {
    return '0';
  }
}
