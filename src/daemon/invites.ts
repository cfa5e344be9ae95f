/**
 * The tokens this node has given out. A token is single use: who redeems it is written down durably
 * *before* the certificate is granted, so that no crash in between lets a second node use it. The
 * same keys asking again under the same name get the same answer, because their first answer may
 * have been lost on the way; that is why a used token is kept until it expires.
 *
 * Bounded: `openMax` tokens at a time; a further one is refused. Expired ones are dropped whenever
 * the book is written.
 */
import { createHash } from 'node:crypto';
import { fail, OverlayError, ok, type Result, toHex, type WallTime } from '../kernel/index.ts';
import type { InviteRecord, StateDirectory } from './state-directory.ts';

export type InviteRefusal = 'token-unknown' | 'token-expired' | 'token-used' | 'name-mismatch';

export interface Redemption {
  readonly secret: Uint8Array;
  readonly name: string;
  readonly identityKey: Uint8Array;
}

/** Kept this long after its end, so that a late user is told "expired" and not "unknown". */
const KEPT_AFTER_EXPIRY = 24 * 3_600e6;

export class InviteBook {
  private readonly state: StateDirectory;
  private readonly openMax: number;
  private readonly records: Map<string, InviteRecord>;

  constructor(state: StateDirectory, options: { openMax?: number } = {}) {
    this.state = state;
    this.openMax = options.openMax ?? 1_000;
    this.records = new Map(state.invites().map((record) => [record.id, record]));
  }

  /** Fails with TOO_MANY_INVITES. State: the token is on disk when this returns. */
  add(
    secret: Uint8Array,
    terms: Omit<InviteRecord, 'id' | 'usedBy'>,
    wall: WallTime,
  ): InviteRecord {
    this.dropExpired(wall);
    if (this.records.size >= this.openMax) {
      throw new OverlayError('TOO_MANY_INVITES', `${this.openMax} invites are open already`, {
        details: { openMax: this.openMax },
        isRetryable: true,
      });
    }
    const record: InviteRecord = { id: inviteId(secret), usedBy: undefined, ...terms };
    this.replace(record);
    return record;
  }

  /** State: on success the token is marked as used by these keys, durably. */
  redeem(by: Redemption, wall: WallTime): Result<InviteRecord, InviteRefusal> {
    const checked = this.check(by, wall);
    if (checked.ok && checked.value.usedBy === undefined) {
      const usedBy = { name: by.name, identityKey: toHex(by.identityKey) };
      this.replace({ ...checked.value, usedBy });
    }
    return checked;
  }

  /** Whether `redeem` would succeed. No effect. */
  check(by: Redemption, wall: WallTime): Result<InviteRecord, InviteRefusal> {
    const record = this.records.get(inviteId(by.secret));
    if (record === undefined) return fail('token-unknown');
    const identityKey = toHex(by.identityKey);
    if (record.usedBy !== undefined) {
      const isSame = record.usedBy.identityKey === identityKey && record.usedBy.name === by.name;
      if (!isSame) return fail('token-used');
    }
    if (wall >= record.expires) return fail('token-expired');
    if (record.name !== undefined && record.name !== by.name) return fail('name-mismatch');
    return ok(record);
  }

  /**
   * The name a request under this token is about: the one asked for, or the token's own where none
   * was. Empty when neither says one, undefined when the token is not known.
   */
  nameFor(secret: Uint8Array, asked: string): string | undefined {
    const record = this.records.get(inviteId(secret));
    if (record === undefined) return undefined;
    return asked === '' ? (record.name ?? record.usedBy?.name ?? '') : asked;
  }

  list(): readonly InviteRecord[] {
    return [...this.records.values()];
  }

  private dropExpired(wall: WallTime): void {
    for (const record of this.records.values())
      if (wall >= record.expires + KEPT_AFTER_EXPIRY) this.records.delete(record.id);
  }

  /** Memory follows the disk: what could not be written has not happened. */
  private replace(record: InviteRecord): void {
    const next = new Map(this.records).set(record.id, record);
    this.state.saveInvites([...next.values()]);
    this.records.set(record.id, record);
  }
}

export const inviteId = (secret: Uint8Array): string =>
  createHash('sha256').update(secret).digest('hex');
