/**
 * Recovery of lost packets on the links of one node (DESIGN.md section 5): realtime and deadline.
 *
 *   out: reserveData -> note -> (frame written) -> keep: copied before it is sealed -> history
 *   in:  gap in the packet counters -> missing -> REQUEST -> the neighbour's history -> REPAIR -> data
 *
 * A repaired frame goes the way of any other, its age advanced by the time it was held; the forwarder's
 * duplicate window makes a second copy harmless. Packets that ask for no recovery are never copied,
 * never asked for twice and carry nothing for it. See docs/recovery.md and ADR 9.
 */
import type { Counters, Duration, Instant, NodeAddress } from '../../kernel/index.ts';
import type { LossReport, ParityHead } from '../../wire/index.ts';
import {
  addFrameAge,
  blankLossReport,
  blankParityHead,
  blankRepair,
  DATA_HEADER_BYTES,
  DROP_LATE,
  decodeLossReport,
  decodeParityHead,
  decodeRepair,
  encodeLossReport,
  encodeParity,
  encodeRepair,
  FRAME_DATA,
  FRAME_PARITY,
  FRAME_REPAIR,
  FRAME_REPAIR_DECLINE,
  FRAME_REPAIR_REQUEST,
  frameAge,
  frameDeadline,
  frameDestination,
  frameRecovery,
  frameRequests,
  frameRetransmissions,
  lossReportBytes,
  parityOverhead,
  RECOVERY_DEADLINE,
  RECOVERY_REALTIME,
  REPAIR_OVERHEAD_BYTES,
  SEALED_OVERHEAD_BYTES,
  sealedCounter,
} from '../../wire/index.ts';
import type { FrameWriter } from '../frame-writer.ts';
import type { Link } from '../link.ts';
import type { Session } from '../session.ts';
import { dropPrecedenceOfFrame } from '../shedding.ts';
import { LinkRecovery } from './link-recovery.ts';
import type { RecoveryLimits } from './options.ts';
import { DEADLINE_DEFAULT } from './options.ts';
import type { Repairing } from './repair-sender.ts';

/** Parities are not worth their bytes on a link that loses less. */
const PARITY_LOSS_MIN_PPM = 2_000;
/** Less time than this no parity can use. */
const PARITY_WANTED_MIN = 3_000;
/** How long a realtime packet without a deadline may be wanted. */
const REALTIME_WANTED: Duration = 500_000 as Duration;

export interface RecoveryOptions {
  readonly limits: RecoveryLimits;
  readonly counters: Counters;
  readonly self: NodeAddress;
  readonly writer: FrameWriter;
  /** The slab that `writer` gives places in. */
  readonly slab: Uint8Array;
  /** Expected one-way latency of the route to a destination; undefined when not known. */
  readonly latencyTo: (destination: NodeAddress) => Duration | undefined;
  /** A data frame that came by a repair. */
  readonly data: (link: Link, slab: Uint8Array, at: number, end: number, now: Instant) => void;
  /** A deadline may have moved to an earlier time. */
  readonly hastened: () => void;
}

export interface ArrivedFrame {
  readonly session: Session;
  readonly slab: Uint8Array;
  /** Where its datagram begins. */
  readonly start: number;
  readonly at: number;
  readonly end: number;
}

interface Note {
  link: Link;
  session: Session;
  counter: number;
  at: number;
  bytes: number;
  now: Instant;
}

export class Recovery {
  private readonly options: RecoveryOptions;
  /** Packets whose frames are being written; the first `noted` are in use. */
  private readonly notes: Note[] = [];
  private noted = 0;
  private readonly report = blankLossReport();
  private readonly repair = blankRepair();
  private readonly parity = blankParityHead();
  /** Links on which something may have to be asked for, after the packets being read. */
  private readonly losing: Link[] = [];

  constructor(options: RecoveryOptions) {
    this.options = options;
  }

  /** Whether a link keeps packets that ask for this recovery. */
  static keeps(recovery: number): boolean {
    return recovery === RECOVERY_REALTIME || recovery === RECOVERY_DEADLINE;
  }

  /** The last packet claimed on the link holds such a data frame at `at`; it is not written yet. */
  note(link: Link, at: number, bytes: number, now: Instant): void {
    if (bytes + REPAIR_OVERHEAD_BYTES + SEALED_OVERHEAD_BYTES > link.mtu)
      return this.options.counters.add('link.recovery.too-big');
    const session = link.current;
    const counter = session.nextCounter - 1;
    const note = this.notes[this.noted++];
    if (note === undefined) this.notes.push({ link, session, counter, at, bytes, now });
    else {
      note.link = link;
      note.session = session;
      note.counter = counter;
      note.at = at;
      note.bytes = bytes;
      note.now = now;
    }
  }

  /** All frames noted are written and not yet sealed: copies them. */
  keep(): void {
    if (this.noted === 0) return;
    const slab = this.options.slab;
    for (let i = 0; i < this.noted; i++) this.keepOne(this.notes[i]!, slab);
    this.noted = 0;
  }

  /** `gap` and `counter` of a packet that arrived, see `incoming.ts`; not called for gap 0. */
  gap(
    link: Link,
    packet: { session: Session; counter: number; gap: number; silence: Duration },
    now: Instant,
  ): void {
    const { receiver } = this.of(link);
    const { session, counter, gap, silence } = packet;
    const index = session.localIndex;
    if (gap < 0) return receiver.arrivedLate(index, counter, now);
    receiver.lost({ session: index, counter, gap, silence }, now);
    this.losing.push(link);
  }

  /** A data frame that asks for recovery begins at `at`: what it wants is wanted of this link. */
  arrived(link: Link, packet: ArrivedFrame, now: Instant): void {
    const { slab, at, end } = packet;
    if (end - at < DATA_HEADER_BYTES) return;
    const recovery = this.of(link);
    if (recovery.isRegaining(now)) {
      const session = packet.session.localIndex;
      const counter = sealedCounter(slab, packet.start);
      recovery.regaining.keep({ session, counter, bytes: slab, at, length: end - at }, now);
    }
    const { profile } = recovery.receiver;
    if (frameRecovery(slab, at) === RECOVERY_REALTIME) return profile.realtime(now);
    const destination = frameDestination(slab, at);
    const rest = destination === this.options.self ? 0 : (this.options.latencyTo(destination) ?? 0);
    const age = frameAge(slab, at) + (link.path.rtt.rtt >>> 1);
    const deadline = frameDeadline(slab, at) || DEADLINE_DEFAULT;
    const wishes = {
      requests: frameRequests(slab, at),
      retransmissions: frameRetransmissions(slab, at),
    };
    profile.deadline((deadline - age - rest) as Duration, wishes, now);
  }

  /** A frame of this protocol, body at [at, end). False: it is malformed. */
  frame(
    link: Link,
    type: number,
    slab: Uint8Array,
    at: number,
    end: number,
    now: Instant,
  ): boolean {
    if (type === FRAME_REPAIR) return this.receiveRepair(link, slab, at, end, now);
    if (type === FRAME_PARITY) return this.receiveParity(link, slab, at, end, now);
    const { report } = this;
    if (!decodeLossReport(report, slab, at, end)) return false;
    const { sender, receiver } = this.of(link);
    if (type === FRAME_REPAIR_DECLINE) receiver.declined(report);
    else {
      this.keep();
      this.of(link).tellBurst(report.burst);
      const loss = { out: link.path.lossOutNowPpm / 1e6, burst: report.burst };
      sender.requested(report, { rtt: link.path.rtt.rtt, loss }, now);
      this.options.hastened();
    }
    return true;
  }

  /** Asks for what the packets just read showed to be missing. */
  settle(now: Instant): void {
    if (this.losing.length === 0) return;
    for (const link of this.losing)
      if (link.state !== 'closed') link.recovery?.receiver.timeout(link.path.rtt.rtt, now);
    this.losing.length = 0;
    this.options.hastened();
  }

  timeout(link: Link, now: Instant): void {
    const { recovery } = link;
    if (recovery === undefined || recovery.nextTimeout() > now) return;
    this.keep();
    recovery.timeout(link.path.rtt.rtt, now);
  }

  private keepOne(note: Note, slab: Uint8Array): void {
    const { link, session, counter, at, bytes, now } = note;
    const recovery = this.of(link);
    const protocol = frameRecovery(slab, at);
    const tally = recovery.tallyOf(protocol);
    tally.packetsProtected++;
    tally.bytesProtected += bytes;
    const next = recovery.nextTimeout();
    const wanted = this.wantedFor(link, slab, at, protocol);
    const until = (now + wanted) as Instant;
    const index = session.remoteIndex;
    recovery.sender.keep(
      { session: index, counter, bytes: slab, at, length: bytes, until, protocol },
      session,
      now,
    );
    if (this.isParityWanted(link, recovery, wanted) && frameDeadline(slab, at) > 0) {
      const frame = slab.subarray(at, at + bytes);
      recovery.parities.add({ session: index, counter, frame, wanted: wanted as Duration }, now);
    }
    if (recovery.nextTimeout() < next) this.options.hastened();
  }

  /** How long after it was first sent a packet may still be sent again in time. */
  private wantedFor(link: Link, slab: Uint8Array, at: number, protocol: number): number {
    const { limits, latencyTo } = this.options;
    let deadline: number = frameDeadline(slab, at);
    if (deadline === 0 && protocol === RECOVERY_REALTIME)
      return Math.min(limits.historyTime, REALTIME_WANTED);
    deadline ||= DEADLINE_DEFAULT;
    const destination = frameDestination(slab, at);
    const rest = Math.max(latencyTo(destination) ?? 0, link.path.rtt.rtt >>> 1);
    const age = frameAge(slab, at);
    return Math.min(limits.historyTime, deadline - age - rest);
  }

  /** Whether a loss would be noticed and asked for too late, on a link that does lose. */
  private isParityWanted(link: Link, recovery: LinkRecovery, wanted: number): boolean {
    if (wanted < PARITY_WANTED_MIN || link.path.lossOutNowPpm < PARITY_LOSS_MIN_PPM) return false;
    return wanted < link.path.rtt.rtt + recovery.sender.keptInterval;
  }

  private receiveParity(
    link: Link,
    slab: Uint8Array,
    at: number,
    end: number,
    now: Instant,
  ): boolean {
    const { parity: head } = this;
    const parity = decodeParityHead(head, slab, at, end);
    if (parity < 0) return false;
    const recovery = this.of(link);
    for (const regained of recovery.regaining.parity(head, slab.subarray(parity, end), now)) {
      const { counter, frame, held } = regained;
      if (frame[0] !== FRAME_DATA || frame.length < DATA_HEADER_BYTES) return false;
      if (!recovery.receiver.repaired(head.session, counter)) continue;
      addFrameAge(frame, 0, held);
      recovery.tallyOf(frameRecovery(frame, 0)).recovered++;
      recovery.tally.parity.recovered++;
      this.options.data(link, frame, 0, frame.length, now);
    }
    return true;
  }

  private sendParity(link: Link, head: ParityHead, parity: Uint8Array, now: Instant): void {
    const recovery = this.of(link);
    const size = parityOverhead(head.counters.length) + parity.length;
    if (size + SEALED_OVERHEAD_BYTES > link.mtu)
      return this.options.counters.add('link.recovery.too-big');
    if (!recovery.sender.spend(RECOVERY_DEADLINE, parity.length)) return;
    const at = this.options.writer.packet(link, size, now, DROP_LATE);
    encodeParity(this.options.slab, at, head, parity);
    recovery.tally.parity.sent++;
    recovery.tally.parity.bytes += size + SEALED_OVERHEAD_BYTES;
  }

  private receiveRepair(
    link: Link,
    slab: Uint8Array,
    at: number,
    end: number,
    now: Instant,
  ): boolean {
    const { repair } = this;
    if (!decodeRepair(repair, slab, at, end)) return false;
    const { frame } = repair;
    if (slab[frame] !== FRAME_DATA || end - frame < DATA_HEADER_BYTES) return false;
    const recovery = this.of(link);
    if (!recovery.receiver.repaired(repair.session, repair.counter)) {
      recovery.tally.duplicates++;
      return true;
    }
    recovery.tallyOf(frameRecovery(slab, frame)).recovered++;
    this.options.data(link, slab, frame, end, now);
    return true;
  }

  private of(link: Link): LinkRecovery {
    link.recovery ??= new LinkRecovery(this.options.limits, {
      loss: () => ({ in: link.path.loss.slowPpm / 1e6, out: link.path.lossOutNowPpm / 1e6 }),
      ask: (report) => this.sendReport(link, FRAME_REPAIR_REQUEST, report),
      decline: (report) => this.sendReport(link, FRAME_REPAIR_DECLINE, report),
      repair: (packet, frame, held, now) => this.sendRepair(link, packet, { frame, held }, now),
      parity: (head, parity, now) => this.sendParity(link, head, parity, now),
      filler: (session, now) => {
        this.of(link).tally.requestBytes += this.options.writer.filler(link, session, now);
      },
    });
    return link.recovery;
  }

  private sendReport(link: Link, type: number, report: LossReport): void {
    const body = new Uint8Array(lossReportBytes(report));
    encodeLossReport(body, 0, report);
    this.of(link).tally.requestBytes += body.length;
    this.options.writer.control(link, type, body);
  }

  private sendRepair(
    link: Link,
    packet: Repairing,
    copy: { frame: Uint8Array; held: Duration },
    now: Instant,
  ): void {
    const { frame, held } = copy;
    const size = REPAIR_OVERHEAD_BYTES + frame.length;
    const dropPrecedence = dropPrecedenceOfFrame(frame, 0);
    const at = this.options.writer.packet(link, size, now, dropPrecedence);
    const slab = this.options.slab;
    encodeRepair(slab, at, packet, frame);
    const data = at + REPAIR_OVERHEAD_BYTES;
    addFrameAge(slab, data, held);
    const tally = this.of(link).tallyOf(packet.protocol);
    tally.repairsSent++;
    tally.repairBytes += size + SEALED_OVERHEAD_BYTES;
  }
}
