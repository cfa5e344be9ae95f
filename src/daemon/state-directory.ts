/**
 * What a node keeps on disk. Every file is replaced whole and durably (`writeAtomically`), and no
 * fact is spread over two files, so that a `kill -9` or a loss of power at any moment leaves a
 * directory that starts:
 *
 *   identity.json     the node's own keys. Written once, before anybody hears of them.
 *   membership.json   root keys, manifest, own certificate chain, where to find the network. Its
 *                     appearance is the moment the node is a member.
 *   root.json         the network's root key, only where the network was made.
 *   epoch             the node's incarnation. Raised durably before it is used.
 *   invites.json      tokens given out, by the hash of their secret, and who used them.
 *   lock.*            one claim per running daemon (`state-lock.ts`).
 *
 * Permissions are part of the state: a directory or file that others can read or write is refused,
 * with the command that mends it.
 */
import { join } from 'node:path';
import { OverlayError, type WallTime } from '../kernel/index.ts';
import { type Disk, realDisk, TEMPORARY_SUFFIX, writeAtomically } from './disk.ts';

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
const FORMAT_VERSION = 1;
const EPOCH_MAX = 0xffff_ffff;
/** 2020-01-01T00:00:00Z in seconds: the origin of first epochs. */
const EPOCH_ORIGIN = 1_577_836_800;

export interface IdentityKeys {
  /** Ed25519 seed, 32 bytes. */
  readonly signingSeed: Uint8Array;
  /** X25519 private key, 32 bytes. */
  readonly agreementKey: Uint8Array;
}

export interface Membership {
  readonly rootKeys: readonly Uint8Array[];
  readonly manifest: Uint8Array;
  readonly chain: Uint8Array;
  /** Where this node joined: its neighbours until the config names some. */
  readonly joinedThrough: readonly JoinedThrough[];
}

export interface JoinedThrough {
  readonly name: string;
  /** `host:port` each. */
  readonly addresses: readonly string[];
}

export interface InviteRecord {
  /** SHA-256 of the token's secret, hexadecimal: the file gives no token away. */
  readonly id: string;
  /** The name the token is for; any free name when absent. */
  readonly name: string | undefined;
  readonly roles: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** Microseconds since 1970. */
  readonly expires: number;
  /** How long the certificate is to last, microseconds. */
  readonly validity: number;
  /** Who got a certificate for it. The same keys may ask again; nobody else may. */
  readonly usedBy: { readonly name: string; readonly identityKey: string } | undefined;
}

export class StateDirectory {
  readonly path: string;
  private readonly disk: Disk;

  private constructor(path: string, disk: Disk) {
    this.path = path;
    this.disk = disk;
  }

  /**
   * Fails with STATE_MISSING, STATE_TOO_OPEN, STATE_NOT_OURS. With `isCreated` a missing directory
   * is made. State: removes what interrupted writes left behind.
   */
  static open(path: string, options: { isCreated?: boolean; disk?: Disk } = {}): StateDirectory {
    const disk = options.disk ?? realDisk;
    if (disk.entry(path) === undefined) {
      if (options.isCreated !== true) {
        throw new OverlayError('STATE_MISSING', `there is no state directory at ${path}`, {
          details: { path },
        });
      }
      disk.makeDirectory(path, DIRECTORY_MODE);
    }
    refuseWhenOpen(disk, path);
    const names = disk.list(path);
    for (const name of names) {
      if (!FILES.has(name.replace(TEMPORARY_SUFFIX, ''))) continue;
      if (name.endsWith(TEMPORARY_SUFFIX)) disk.remove(join(path, name));
      else refuseWhenOpen(disk, join(path, name));
    }
    return new StateDirectory(path, disk);
  }

  identity(): IdentityKeys | undefined {
    return this.readJson('identity.json', (data) => ({
      signingSeed: bytesField(data, 'signingSeed', 32),
      agreementKey: bytesField(data, 'agreementKey', 32),
    }));
  }

  saveIdentity(keys: IdentityKeys): void {
    this.writeJson('identity.json', {
      signingSeed: toBase64(keys.signingSeed),
      agreementKey: toBase64(keys.agreementKey),
    });
  }

  membership(): Membership | undefined {
    return this.readJson('membership.json', (data) => ({
      rootKeys: listField(data, 'rootKeys').map((key) => fromBase64(key, 32)),
      manifest: bytesField(data, 'manifest'),
      chain: bytesField(data, 'chain'),
      joinedThrough: listField(data, 'joinedThrough') as unknown as JoinedThrough[],
    }));
  }

  saveMembership(membership: Membership): void {
    this.writeJson('membership.json', {
      rootKeys: membership.rootKeys.map(toBase64),
      manifest: toBase64(membership.manifest),
      chain: toBase64(membership.chain),
      joinedThrough: membership.joinedThrough,
    });
  }

  rootSeed(): Uint8Array | undefined {
    return this.readJson('root.json', (data) => bytesField(data, 'seed', 32));
  }

  saveRootSeed(seed: Uint8Array): void {
    this.writeJson('root.json', { seed: toBase64(seed) });
  }

  invites(): InviteRecord[] {
    return (
      this.readJson(
        'invites.json',
        (data) => listField(data, 'invites') as unknown as InviteRecord[],
      ) ?? []
    );
  }

  saveInvites(invites: readonly InviteRecord[]): void {
    this.writeJson('invites.json', { invites });
  }

  /**
   * An incarnation number above every one before it, durable before it is returned. The first one
   * is seconds since 2020, so that a directory whose counter was lost still goes up: a node is not
   * restarted once a second for years. Fails with EPOCH_EXHAUSTED after 2^32 starts.
   */
  nextEpoch(wall: WallTime): number {
    const stored = this.readJson('epoch', (data) => {
      const value = data['epoch'];
      if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) throw new Error();
      return value;
    });
    const epoch =
      stored === undefined
        ? Math.min(EPOCH_MAX - 1, Math.max(1, Math.floor(wall / 1e6) - EPOCH_ORIGIN))
        : stored + 1;
    if (epoch > EPOCH_MAX) {
      throw new OverlayError('EPOCH_EXHAUSTED', 'this identity was started too often: join again');
    }
    this.writeJson('epoch', { epoch });
    return epoch;
  }

  private readJson<T>(
    name: StateFile,
    decode: (data: Record<string, unknown>) => T,
  ): T | undefined {
    const path = join(this.path, name);
    const bytes = this.disk.read(path);
    if (bytes === undefined) return undefined;
    try {
      const data = JSON.parse(Buffer.from(bytes).toString('utf8')) as Record<string, unknown>;
      if (data['version'] !== FORMAT_VERSION) throw new Error(`version ${data['version']}`);
      return decode(data);
    } catch (cause) {
      throw new OverlayError(
        'STATE_DAMAGED',
        `${path} is not as it was written: restore it from a backup, or join again with a new token`,
        { details: { path }, cause },
      );
    }
  }

  private writeJson(name: StateFile, data: Record<string, unknown>): void {
    const text = `${JSON.stringify({ version: FORMAT_VERSION, ...data })}\n`;
    try {
      writeAtomically(this.disk, join(this.path, name), Buffer.from(text), FILE_MODE);
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause) {
        throw new OverlayError('STATE_NOT_WRITTEN', `cannot write ${join(this.path, name)}`, {
          details: { path: join(this.path, name), reason: cause.code },
          isRetryable: true,
          cause,
        });
      }
      throw cause;
    }
  }
}

type StateFile = 'identity.json' | 'membership.json' | 'root.json' | 'invites.json' | 'epoch';
const FILES: ReadonlySet<string> = new Set<StateFile>([
  'identity.json',
  'membership.json',
  'root.json',
  'invites.json',
  'epoch',
]);

function refuseWhenOpen(disk: Disk, path: string): void {
  const entry = disk.entry(path);
  if (entry === undefined) return;
  const own = process.getuid?.();
  if (own !== undefined && entry.uid !== own) {
    throw new OverlayError(
      'STATE_NOT_OURS',
      `${path} belongs to user ${entry.uid} and this process runs as ${own}: run it as that user, or \`chown -R ${own}\` the directory`,
      { details: { path, owner: entry.uid, user: own } },
    );
  }
  if ((entry.mode & 0o077) !== 0 && process.platform !== 'win32') {
    const mode = entry.isDirectory ? '700' : '600';
    throw new OverlayError(
      'STATE_TOO_OPEN',
      `${path} holds keys and other users can reach it (mode ${entry.mode.toString(8)}): run \`chmod ${mode} ${path}\``,
      { details: { path, mode: entry.mode.toString(8), fix: `chmod ${mode} ${path}` } },
    );
  }
}

const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');

function fromBase64(value: unknown, length?: number): Uint8Array {
  if (typeof value !== 'string') throw new Error('not a text');
  const bytes = new Uint8Array(Buffer.from(value, 'base64url'));
  if (length !== undefined && bytes.length !== length) throw new Error('wrong length');
  return bytes;
}

const bytesField = (data: Record<string, unknown>, name: string, length?: number): Uint8Array =>
  fromBase64(data[name], length);

function listField(data: Record<string, unknown>, name: string): unknown[] {
  const value = data[name];
  if (!Array.isArray(value)) throw new Error(`${name} is not a list`);
  return value;
}

/** Where a user's state is by custom: systemd's answer, the system place for root, XDG otherwise. */
export function defaultStateDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const given = env['OVERLANE_STATE'] ?? env['STATE_DIRECTORY']?.split(':')[0];
  if (given !== undefined && given !== '') return given;
  if (process.getuid?.() === 0) return '/var/lib/overlane';
  const base = env['XDG_STATE_HOME'] ?? join(env['HOME'] ?? '/', '.local', 'state');
  return join(base, 'overlane');
}
