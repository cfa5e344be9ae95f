import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { OverlayError, wallTime } from '../kernel/index.ts';
import { type InviteRecord, StateDirectory } from './index.ts';
import { InviteBook } from './invites.ts';
import { MemoryDisk, PowerCut } from './memory-disk.ts';
import { lockHolder, lockState } from './state-lock.ts';

const WALL = wallTime(1_750_000_000e6);
const HOUR = 3_600e6;
const bytes = (fill: number, length = 32): Uint8Array => new Uint8Array(length).fill(fill);
const codeOf = (code: string) => (error: unknown) =>
  error instanceof OverlayError && error.code === code;

const scratch = mkdtempSync(join(tmpdir(), 'overlane-state-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

const IDENTITY = { signingSeed: bytes(1), agreementKey: bytes(2) };
const MEMBERSHIP = {
  rootKeys: [bytes(3)],
  manifest: bytes(4, 200),
  chain: bytes(5, 300),
  joinedThrough: [{ name: 'ATL', addresses: ['192.0.2.1:7420'] }],
};
const TERMS: Omit<InviteRecord, 'id' | 'usedBy'> = {
  name: undefined,
  roles: [],
  labels: {},
  expires: WALL + HOUR,
  validity: HOUR,
};
const redemption = (key: number, name = 'LAX') => ({
  secret: bytes(9, 16),
  name,
  identityKey: bytes(key),
});

test('what was saved is there after opening again', () => {
  const path = join(scratch, 'saved');
  const state = StateDirectory.open(path, { isCreated: true });
  assert.equal(state.identity(), undefined);
  state.saveIdentity(IDENTITY);
  state.saveMembership(MEMBERSHIP);
  const again = StateDirectory.open(path);
  assert.deepEqual(again.identity(), IDENTITY);
  assert.deepEqual(again.membership(), MEMBERSHIP);
});

test('a directory or key file that others can reach is refused with the command that mends it', () => {
  const path = join(scratch, 'open');
  mkdirSync(path, { mode: 0o755 });
  assert.throws(
    () => StateDirectory.open(path),
    (error) => {
      assert.ok(error instanceof OverlayError);
      assert.equal(error.code, 'STATE_TOO_OPEN');
      assert.match(error.message, /chmod 700 .*open/);
      return true;
    },
  );
  chmodSync(path, 0o700);
  StateDirectory.open(path).saveIdentity(IDENTITY);
  chmodSync(join(path, 'identity.json'), 0o640);
  assert.throws(() => StateDirectory.open(path), /chmod 600 .*identity\.json/);
});

test('a missing directory is told apart from a damaged one', () => {
  assert.throws(() => StateDirectory.open(join(scratch, 'none')), codeOf('STATE_MISSING'));
  const path = join(scratch, 'damaged');
  const state = StateDirectory.open(path, { isCreated: true });
  writeFileSync(join(path, 'identity.json'), '{"version":1,"signingSeed":"AA"}', { mode: 0o600 });
  assert.throws(() => state.identity(), codeOf('STATE_DAMAGED'));
});

test('an epoch is above every one before it, even when its file was lost', () => {
  const state = StateDirectory.open(join(scratch, 'epoch'), { isCreated: true });
  const first = state.nextEpoch(WALL);
  assert.equal(state.nextEpoch(wallTime(0)), first + 1, 'a clock set back changes nothing');
  const lost = StateDirectory.open(join(scratch, 'epoch-lost'), { isCreated: true });
  assert.ok(lost.nextEpoch(wallTime(WALL + HOUR)) > first + 1);
});

test('a token is used once, and the same keys may ask again', () => {
  const state = StateDirectory.open(join(scratch, 'invites'), { isCreated: true });
  new InviteBook(state).add(bytes(9, 16), TERMS, WALL);
  const book = new InviteBook(state);
  assert.deepEqual(book.redeem({ ...redemption(1), secret: bytes(8, 16) }, WALL), {
    ok: false,
    reason: 'token-unknown',
  });
  assert.ok(book.redeem(redemption(1), WALL).ok);
  assert.ok(new InviteBook(state).redeem(redemption(1), WALL).ok, 'the answer may have been lost');
  for (const other of [redemption(2), redemption(1, 'SEA')])
    assert.deepEqual(book.redeem(other, WALL), { ok: false, reason: 'token-used' });
});

test('a token is refused after its end and under another name than it is for', () => {
  const state = StateDirectory.open(join(scratch, 'terms'), { isCreated: true });
  const book = new InviteBook(state, { openMax: 1 });
  book.add(bytes(9, 16), { ...TERMS, name: 'LAX' }, WALL);
  assert.deepEqual(book.redeem(redemption(1, 'SEA'), WALL), {
    ok: false,
    reason: 'name-mismatch',
  });
  assert.deepEqual(book.redeem(redemption(1), wallTime(WALL + HOUR)), {
    ok: false,
    reason: 'token-expired',
  });
  assert.throws(() => book.add(bytes(7, 16), TERMS, WALL), codeOf('TOO_MANY_INVITES'));
  book.add(bytes(7, 16), { ...TERMS, expires: WALL + 99 * HOUR }, wallTime(WALL + 30 * HOUR));
  assert.equal(book.list().length, 1, 'the expired one gave way');
});

interface Seen {
  epochs: number[];
  identity: boolean;
  member: boolean;
  granted: boolean;
}

/** The whole life of a node as far as its disk is concerned. */
function live(disk: MemoryDisk, seen: Seen): void {
  const state = StateDirectory.open('/state', { isCreated: true, disk });
  if (state.identity() === undefined) state.saveIdentity(IDENTITY);
  seen.identity = true;
  if (state.membership() === undefined) state.saveMembership(MEMBERSHIP);
  seen.member = true;
  seen.epochs.push(state.nextEpoch(WALL));
  const book = new InviteBook(state);
  if (book.list().length === 0) book.add(bytes(9, 16), TERMS, WALL);
  seen.granted ||= book.redeem(redemption(1), WALL).ok;
  state.saveMembership({ ...MEMBERSHIP, manifest: bytes(6, 250) });
}

function assertStarts(disk: MemoryDisk, seen: Seen, cut: number): void {
  const state = StateDirectory.open('/state', { isCreated: true, disk });
  if (seen.identity) assert.deepEqual(state.identity(), IDENTITY, `cut ${cut}`);
  if (seen.member) assert.deepEqual(state.membership()?.chain, MEMBERSHIP.chain, `cut ${cut}`);
  const epoch = state.nextEpoch(WALL);
  for (const before of seen.epochs) assert.ok(epoch > before, `cut ${cut}: epoch went back`);
  if (seen.granted) {
    const second = new InviteBook(state).redeem(redemption(2), WALL);
    assert.deepEqual(second, { ok: false, reason: 'token-used' }, `cut ${cut}`);
  }
  live(disk, { epochs: [], identity: false, member: false, granted: false });
}

test('a crash or loss of power after any step leaves a directory that starts', () => {
  let cuts = 0;
  for (let cut = 0; ; cut++) {
    const outcomes: ((disk: MemoryDisk) => MemoryDisk)[] = [
      (disk) => disk.afterKill(),
      (disk) => disk.afterPowerLoss(() => false),
      (disk) => disk.afterPowerLoss(() => true),
      (disk) => disk.afterPowerLoss((name) => name.endsWith('.new')),
    ];
    let isCut = false;
    for (const outcome of outcomes) {
      const disk = new MemoryDisk();
      const seen: Seen = { epochs: [], identity: false, member: false, granted: false };
      disk.cutAt = cut;
      try {
        live(disk, seen);
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
        isCut = true;
      }
      assertStarts(outcome(disk), seen, cut);
    }
    if (!isCut) break;
    cuts++;
  }
  assert.ok(cuts > 30, `only ${cuts} steps were cut`);
});

test('a crash in the second life, with files to replace, leaves a directory that starts', () => {
  for (let cut = 0; cut < 40; cut++) {
    const disk = new MemoryDisk();
    const seen: Seen = { epochs: [], identity: false, member: false, granted: false };
    live(disk, seen);
    disk.cutAt = disk.steps + cut;
    try {
      live(disk, seen);
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
    }
    assertStarts(
      disk.afterPowerLoss(() => cut % 2 === 0),
      seen,
      cut,
    );
    assertStarts(disk.afterKill(), seen, cut);
  }
});

test('two daemons cannot have one state directory, and a dead one does not keep it', () => {
  const path = join(scratch, 'lock');
  mkdirSync(path, { mode: 0o700 });
  writeFileSync(join(path, 'lock.999999999.1.00000000'), '');
  const lock = lockState(path);
  assert.equal(lockHolder(path), process.pid);
  assert.throws(() => lockState(path), codeOf('STATE_LOCKED'));
  lock.release();
  assert.equal(lockHolder(path), undefined);
  lockState(path).release();
});

test('the claim of another living process is respected', {
  skip: !existsSync('/proc/self/stat'),
}, () => {
  const disk = new MemoryDisk();
  disk.makeDirectory('/lock', 0o700);
  const own = lockState('/lock', { disk });
  const boot = disk.list('/lock')[0]!.split('.')[3]!;
  own.release();
  const stat = readFileSync(`/proc/${process.ppid}/stat`, 'latin1');
  const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]!;
  const other = `lock.${process.ppid}.${started}.${boot}`;
  disk.close(disk.create(`/lock/${other}`, 0o600));
  assert.throws(() => lockState('/lock', { disk }), codeOf('STATE_LOCKED'));
  assert.deepEqual(disk.list('/lock'), [other], 'the refused one took its claim away');
});
