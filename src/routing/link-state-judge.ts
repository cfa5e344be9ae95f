/**
 * Decides whether a link-state record is taken: in form, from a known member, signed by it, and not
 * more often than a sound node has reason to. Records whose origin's certificate has not arrived yet
 * are held, a bounded number of them, and judged when it does.
 *
 * Verifying costs about 120 us, so it comes last, and a neighbour that passes on forgeries is listened
 * to at a bounded rate. A sound neighbour verifies before it passes on, so this costs only the unsound.
 */
import type { Counters, Crypto, Instant, NodeAddress } from '../kernel/index.ts';
import { between, isNodeAddress, TokenBuckets } from '../kernel/index.ts';
import type { Member } from '../security/index.ts';
import type { FloodFrame, RecordKey } from '../wire/index.ts';
import { decodeLinkState, linkStateSigningInput, recordKey } from '../wire/index.ts';
import type { Admission } from './flooding.ts';
import type { RoutingLimits } from './options.ts';

export interface HeldRecord {
  readonly record: FloodFrame;
  readonly from: NodeAddress;
  readonly at: Instant;
}

export interface JudgeOptions {
  readonly crypto: Crypto;
  readonly networkId: Uint8Array;
  readonly limits: RoutingLimits;
  readonly counters: Counters;
  readonly memberAt: (address: NodeAddress) => Member | undefined;
  readonly refused: (reason: string, from: NodeAddress, now: Instant) => void;
}

export class LinkStateJudge {
  private readonly options: JudgeOptions;
  private readonly held = new Map<RecordKey, HeldRecord>();
  /** One for each known member: bounded with them. */
  private readonly rateOf: TokenBuckets<NodeAddress>;
  /** One for each neighbour. */
  private readonly forgeriesOf: TokenBuckets<NodeAddress>;

  constructor(options: JudgeOptions) {
    this.options = options;
    const { limits } = options;
    this.rateOf = new TokenBuckets({
      perSecond: limits.originRecordsPerSecond,
      burst: limits.originRecordsBurst,
    });
    this.forgeriesOf = new TokenBuckets({
      perSecond: limits.forgeriesPerSecond,
      burst: limits.forgeriesBurst,
    });
  }

  judge(record: FloodFrame, from: NodeAddress, now: Instant): Admission {
    const { counters } = this.options;
    if (!this.isSoundInForm(record)) return this.refuse('malformed-link-state', from, now);
    if (this.options.memberAt(record.origin) === undefined)
      return this.hold({ record, from, at: now });
    const rate = this.rateOf.of(record.origin);
    if (rate.availableAt() > now) {
      counters.add('origin-rate-limited');
      return 'ignore';
    }
    const forgeries = this.forgeriesOf.of(from);
    if (forgeries.availableAt() > now) {
      counters.add('forgeries-rate-limited');
      return 'ignore';
    }
    if (!this.isGenuine(record)) {
      forgeries.take(now);
      return this.refuse('bad-link-state-signature', from, now);
    }
    rate.take(now);
    if (this.held.size > 0) this.held.delete(recordKey(record));
    return 'accept';
  }

  /** Whether the member at its origin signed it. */
  isGenuine(record: FloodFrame): boolean {
    const { crypto, networkId, memberAt } = this.options;
    const member = memberAt(record.origin);
    const state = decodeLinkState(record.body);
    if (member === undefined || state === undefined) return false;
    const message = linkStateSigningInput(networkId, record, state.content);
    return crypto.verify(member.identityKey, message, state.signature);
  }

  /** As `isGenuine`, for records that nothing else limits: false as well when forgeries abound. */
  isGenuineWithin(record: FloodFrame, from: NodeAddress, now: Instant): boolean {
    const forgeries = this.forgeriesOf.of(from);
    if (forgeries.availableAt() > now) return false;
    if (this.isGenuine(record)) return true;
    forgeries.take(now);
    return false;
  }

  /** Takes out what was held for this origin, aged by the time it waited. */
  release(origin: NodeAddress, now: Instant): HeldRecord[] {
    const released: HeldRecord[] = [];
    for (const [key, { record, from, at }] of this.held) {
      if (record.origin !== origin) continue;
      this.held.delete(key);
      released.push({ record: { ...record, age: record.age + between(at, now) }, from, at: now });
    }
    return released;
  }

  forgetOrigin(origin: NodeAddress): void {
    this.rateOf.forget(origin);
  }

  forgetNeighbour(neighbour: NodeAddress): void {
    this.forgeriesOf.forget(neighbour);
  }

  private isSoundInForm(record: FloodFrame): boolean {
    const { origin, part } = record;
    if (!isNodeAddress(origin) || part >= this.options.limits.linkStatePartsMax) return false;
    const state = decodeLinkState(record.body);
    return state?.links.every((link) => link.neighbour !== origin) === true;
  }

  private hold(held: HeldRecord): Admission {
    const { counters, limits } = this.options;
    counters.add('record-held');
    const key = recordKey(held.record);
    this.held.delete(key);
    this.held.set(key, held);
    if (this.held.size > limits.heldRecordsMax) {
      counters.add('held-records-full');
      this.held.delete(this.held.keys().next().value!);
    }
    return 'hold';
  }

  private refuse(reason: string, from: NodeAddress, now: Instant): Admission {
    this.options.refused(reason, from, now);
    return 'refuse';
  }
}
