/**
 * Who belongs to the network, as flooded: certificate chains and the manifest.
 *
 * Both prove themselves, so any node may pass them on. A certificate's place in the order of versions
 * is taken from the certificate, never from who sent it. A newer manifest, a clock that stepped, and
 * the end of a certificate's time set all members on trial again; who fails is forgotten with all he
 * said. Nothing is believed before the node knows what time it is.
 */
import type {
  Counters,
  Duration,
  Instant,
  NodeAddress,
  Result,
  WallTime,
} from '../kernel/index.ts';
import { between, bytesEqual, later, readU32, seconds } from '../kernel/index.ts';
import type { ManifestRefusal, Member, TrustStore } from '../security/index.ts';
import type { FloodFrame, RecordKey } from '../wire/index.ts';
import { RECORD_CERTIFICATE, RECORD_MANIFEST, recordKey } from '../wire/index.ts';
import type { Admission } from './flooding.ts';
import { ManifestAssembler, manifestRecords } from './manifest-parts.ts';
import { MemberDirectory } from './members.ts';
import type { RoutingLimits } from './options.ts';
import type { StoredRecord } from './record-store.ts';

export interface MembershipSink {
  announce(record: FloodFrame, now: Instant, except?: NodeAddress): void;
  held(key: RecordKey): StoredRecord | undefined;
  remove(key: RecordKey): void;
  /** Records that were refused before may be acceptable now. */
  resynchronise(now: Instant): void;
  learned(member: Member, now: Instant): void;
  forgotten(member: Member, reason: string, now: Instant): void;
  adopted(manifest: Uint8Array, version: number, now: Instant): void;
  refused(reason: string, from: NodeAddress, now: Instant): void;
}

/** A clock that is further off than this from what was expected has stepped. */
const CLOCK_STEP = seconds(1);

export class Membership {
  readonly directory: MemberDirectory;
  private readonly sink: MembershipSink;
  private readonly trust: TrustStore;
  private readonly limits: RoutingLimits;
  private readonly counters: Counters;
  private readonly assembler: ManifestAssembler;
  private self: Member;
  private wall: WallTime | undefined;
  private wallAt = 0 as Instant;
  private trialAt: Instant | undefined;

  constructor(options: {
    self: Member;
    trust: TrustStore;
    limits: RoutingLimits;
    counters: Counters;
    sink: MembershipSink;
  }) {
    this.self = options.self;
    this.trust = options.trust;
    this.limits = options.limits;
    this.counters = options.counters;
    this.sink = options.sink;
    this.directory = new MemberDirectory(options.limits.membersMax);
    this.assembler = new ManifestAssembler(options.limits.manifestPartsMax);
    this.directory.put(this.self);
  }

  /** Floods what this node itself brings. These records do not age, so the time does not matter. */
  begin(now: Instant): void {
    this.announceCertificate(this.self, now);
    this.announceManifest(now);
  }

  setSelf(member: Member, now: Instant): void {
    this.self = member;
    this.learn(member, now);
    this.announceCertificate(member, now);
  }

  setWallClock(now: Instant, wall: WallTime): void {
    const expected = this.wallNow(now);
    this.wall = wall;
    this.wallAt = now;
    if (expected !== undefined && Math.abs(wall - expected) < CLOCK_STEP) return;
    this.tryAll(now);
    if (expected !== undefined) this.sink.resynchronise(now);
  }

  setManifest(
    bytes: Uint8Array,
    now: Instant,
    from?: NodeAddress,
  ): Result<'newer' | 'same-or-older', ManifestRefusal> {
    const outcome = this.trust.adoptManifest(bytes);
    if (!outcome.ok || outcome.value !== 'newer') return outcome;
    this.announceManifest(now, from);
    this.tryAll(now);
    this.sink.adopted(this.trust.manifestBytes, this.trust.manifest.version, now);
    this.sink.resynchronise(now);
    return outcome;
  }

  admitCertificate(record: FloodFrame, from: NodeAddress, now: Instant): Admission {
    const wall = this.wallNow(now);
    if (wall === undefined) {
      this.counters.add('certificate-before-clock');
      return 'ignore';
    }
    const outcome = this.trust.verifyChain(record.body, wall);
    if (!outcome.ok) return this.refuse(`certificate-${outcome.reason}`, from, now);
    const member = outcome.value;
    const version = certificateVersion(member);
    const isHonest =
      record.origin === member.address &&
      record.part === 0 &&
      record.epoch === version.epoch &&
      record.sequence === version.sequence;
    if (!isHonest) return this.refuse('certificate-mislabelled', from, now);
    // Addresses are 32 bits, so a key for a chosen one can be found: the first key stays (ADR 3).
    const known = this.directory.get(member.address);
    if (known !== undefined && !bytesEqual(known.identityKey, member.identityKey))
      return this.refuse('certificate-address-taken', from, now);
    if (!this.directory.hasRoomFor(member.address)) {
      this.counters.add('members-full');
      return 'refuse';
    }
    this.learn(member, now);
    return 'accept';
  }

  /** Parts wait until the whole can be judged; then its records are made here, not passed on. */
  admitManifest(record: FloodFrame, from: NodeAddress, now: Instant): Admission {
    const whole = this.assembler.add(record, from, (part) => this.heldManifestPart(record, part));
    if (whole === 'incomplete') return 'hold';
    if (whole === 'malformed') return this.refuse('malformed-manifest', from, now);
    const outcome = this.setManifest(whole, now, from);
    return outcome.ok ? 'hold' : this.refuse(`manifest-${outcome.reason}`, from, now);
  }

  neighbourDown(neighbour: NodeAddress): void {
    this.assembler.forget(neighbour);
  }

  timeout(now: Instant): void {
    if (this.trialAt !== undefined && this.trialAt <= now) this.tryAll(now);
  }

  nextTimeout(): Instant | undefined {
    return this.trialAt;
  }

  private heldManifestPart(
    version: { epoch: number; sequence: number },
    part: number,
  ): Uint8Array | undefined {
    const held = this.sink.held(recordKey({ type: RECORD_MANIFEST, origin: 0, part }));
    const isSame = held?.sequence === version.sequence && held.epoch === version.epoch;
    return isSame ? held.body : undefined;
  }

  private learn(member: Member, now: Instant): void {
    this.directory.put(member);
    if (this.directory.isNameTaken(member)) this.counters.add('name-taken');
    this.scheduleTrial(now);
    this.sink.learned(member, now);
  }

  /** Drops members whose certificates do not hold now. This node itself stays, whatever it has. */
  private tryAll(now: Instant): void {
    const wall = this.wallNow(now);
    if (wall === undefined) return;
    for (const member of this.directory.all()) {
      if (member.address === this.self.address) continue;
      const outcome = this.trust.verifyChain(member.chain, wall);
      if (outcome.ok) continue;
      this.counters.add(`member-${outcome.reason}`);
      this.directory.delete(member.address);
      this.sink.remove(certificateKey(member.address));
      this.sink.forgotten(member, outcome.reason, now);
    }
    this.scheduleTrial(now);
  }

  /** When the next certificate ends. At least a second away, so that it always moves on. */
  private scheduleTrial(now: Instant): void {
    const wall = this.wallNow(now);
    if (wall === undefined) return;
    let wait = Number.POSITIVE_INFINITY;
    for (const member of this.directory.all())
      if (member.address !== this.self.address) wait = Math.min(wait, member.notAfter - wall);
    const isEndless = wait === Number.POSITIVE_INFINITY;
    this.trialAt = isEndless ? undefined : later(now, Math.max(1_000_000, wait) as Duration);
  }

  private announceManifest(now: Instant, except?: NodeAddress): void {
    const records = manifestRecords(this.trust.manifest.version, this.trust.manifestBytes);
    for (const record of records) this.sink.announce(record, now, except);
    for (let part = records.length; part < this.limits.manifestPartsMax; part++)
      this.sink.remove(recordKey({ type: RECORD_MANIFEST, origin: 0, part }));
  }

  private announceCertificate(member: Member, now: Instant): void {
    const { address: origin, chain: body } = member;
    const version = certificateVersion(member);
    this.sink.announce(
      { type: RECORD_CERTIFICATE, part: 0, origin, ...version, age: 0, body },
      now,
    );
  }

  private wallNow(now: Instant): WallTime | undefined {
    if (this.wall === undefined) return undefined;
    return (this.wall + between(this.wallAt, now)) as WallTime;
  }

  private refuse(reason: string, from: NodeAddress, now: Instant): Admission {
    this.sink.refused(reason, from, now);
    return 'refuse';
  }
}

const certificateKey = (origin: NodeAddress): RecordKey =>
  recordKey({ type: RECORD_CERTIFICATE, origin, part: 0 });

/** Taken from the certificate itself, so nobody can make an old one look new. */
const certificateVersion = (member: Member): { epoch: number; sequence: number } => ({
  epoch: Math.floor(member.notBefore / 1_000_000),
  sequence: readU32(member.serial, 0),
});
