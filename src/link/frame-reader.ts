/**
 * Takes opened packets apart. Who may say what: under a joiner's session only a request to enrol;
 * under a link's everything else; under keys that wait to be confirmed, anything confirms them except
 * the goodbye by which the peer refuses.
 */
import type {
  Counters,
  DatagramBatch,
  Duration,
  Instant,
  UnderlayAddress,
} from '../kernel/index.ts';
import { AEAD_TAG_BYTES, readU16 } from '../kernel/index.ts';
import type { Goodbye } from '../wire/index.ts';
import {
  blankHello,
  CONTROL_FRAME_HEADER_BYTES,
  decodeGoodbye,
  decodeHello,
  decodeMtuMessage,
  encodeMtuMessage,
  FRAME_DATA,
  FRAME_DELIVERED,
  FRAME_ENROL_ANSWER,
  FRAME_ENROL_REQUEST,
  FRAME_FLOOD,
  FRAME_FLOOD_ACK,
  FRAME_GOODBYE,
  FRAME_HAVE,
  FRAME_HELLO,
  FRAME_MTU_ACK,
  FRAME_MTU_PROBE,
  FRAME_PADDING,
  FRAME_PARITY,
  FRAME_PERFORMANCE,
  FRAME_RELAY_ADVICE,
  FRAME_RELAY_FIGURES,
  FRAME_RELIABLE_ACK,
  FRAME_REPAIR_REQUEST,
  FRAME_SYNC,
  frameRecovery,
  HELLO_ANSWER_AT_ONCE,
  HELLO_HURRY,
  HELLO_SPARE,
  isReliable,
  SEALED_HEADER_BYTES,
  sealedCounter,
} from '../wire/index.ts';
import { TRAIN_FRAMES, type Trains } from './capacity/index.ts';
import type { LinkSink } from './contract.ts';
import type { FrameWriter } from './frame-writer.ts';
import type { Link } from './link.ts';
import { Recovery } from './recovery/recovery.ts';
import type { ReliableLinks } from './reliable/index.ts';
import type { Session } from './session.ts';

export interface FrameReaderOptions {
  readonly counters: Counters;
  readonly sink: LinkSink;
  readonly writer: FrameWriter;
  readonly recovery: Recovery;
  readonly reliable: ReliableLinks;
  readonly trains: Trains;
  /** The first packet under keys that this end opened and the peer now uses. */
  readonly confirmed: (session: Session, now: Instant) => void;
  readonly refusedByPeer: (session: Session, detail: string, now: Instant) => void;
  readonly enrolRequest: (session: Session, frame: Frame, now: Instant) => void;
  readonly goodbye: (link: Link, goodbye: Goodbye, now: Instant) => void;
  /** Measurements have changed: the link may come up or have news. */
  readonly measured: (link: Link, now: Instant) => void;
  /** A deadline may have moved to an earlier time. */
  readonly hastened: () => void;
  readonly refused: (reason: string, remote: string, now: Instant) => void;
}

/** A frame's body at [at, end) of a slab. */
export interface Frame {
  readonly slab: Uint8Array;
  readonly at: number;
  readonly end: number;
  /** Of the datagram it came in. */
  readonly datagramBytes: number;
}

/** For the rooms above. */
const CONTROL_FRAMES: ReadonlySet<number> = new Set([
  FRAME_FLOOD,
  FRAME_FLOOD_ACK,
  FRAME_SYNC,
  FRAME_RELAY_FIGURES,
  FRAME_RELAY_ADVICE,
  FRAME_PERFORMANCE,
  FRAME_HAVE,
  FRAME_DELIVERED,
]);

export class FrameReader {
  private readonly options: FrameReaderOptions;
  private readonly hello = blankHello();
  /** Links whose neighbour wants an answer at once. */
  private readonly owing: Link[] = [];
  private gap = 0;
  /** Of the packet being read: where it came from, its keys, and where its datagram begins. */
  private remote: UnderlayAddress | undefined;
  private session: Session | undefined;
  private start = 0;

  constructor(options: FrameReaderOptions) {
    this.options = options;
  }

  /** An authentic packet: datagram `i` of the batch, opened in place. `gap` as in `incoming.ts`. */
  packet(session: Session, batch: DatagramBatch, i: number, gap: number, now: Instant): void {
    const silence = (now - session.lastHeardAt) as Duration;
    session.lastHeardAt = now;
    const { slab } = batch;
    const start = batch.offsets[i]!;
    const datagramBytes = batch.lengths[i]!;
    const at = start + SEALED_HEADER_BYTES;
    const end = start + datagramBytes - AEAD_TAG_BYTES;
    if (session.link === undefined) this.firstPacket(session, slab, at, end, now);
    const { link } = session;
    if (link === undefined) {
      if (session.member === undefined)
        this.guestPacket(session, { slab, at, end, datagramBytes }, now);
      return;
    }
    link.heard(session, datagramBytes, now);
    this.count(link, gap, now);
    if (gap !== 0) {
      const counter = sealedCounter(slab, start);
      if (gap > 0) link.path.order.skipped(gap);
      else link.path.order.overtaken(counter, session.replay);
      this.options.recovery.gap(link, { session, counter, gap, silence }, now);
    }
    const remote = batch.remotes[i]!;
    if (gap >= 0 && remote !== link.path.remote && remote.key !== link.path.remote.key)
      this.elsewhere(link, { remote, local: batch.locals[i]!, datagramBytes }, now);
    this.remote = remote;
    this.session = session;
    this.gap = gap;
    this.start = start;
    this.frames(link, slab, at, end, datagramBytes, now);
  }

  /** Sends the answers that the last packets asked for. */
  answer(now: Instant): void {
    this.options.recovery.settle(now);
    if (this.owing.length === 0) return;
    for (const link of this.owing)
      if (link.mayAnswer(now) && link.state !== 'closed') this.options.writer.hello(link, now);
    this.owing.length = 0;
    this.options.hastened();
  }

  /** Asks again at an address that the neighbour was heard from, or forgets it, when that is due. */
  checkAddress(link: Link, now: Instant): void {
    const { check } = link.path;
    if (check === undefined || check.nextAt > now) return;
    if (check.isHopeless) {
      link.path.check = undefined;
      this.options.counters.add('link.address-checks-unanswered');
    } else this.options.writer.addressCheck(link, now);
  }

  private count(link: Link, gap: number, now: Instant): void {
    const { loss } = link.path;
    if (gap < 0) return loss.arrivedLate(now);
    loss.arrived(gap, now);
    if (gap === 0) return;
    link.urge(now);
    this.options.hastened();
  }

  private elsewhere(
    link: Link,
    from: { remote: UnderlayAddress; local: number; datagramBytes: number },
    now: Instant,
  ): void {
    if (!link.path.heardElsewhere(from, now)) return;
    this.options.counters.add('link.address-checks');
    this.options.writer.addressCheck(link, now);
    this.options.hastened();
  }

  private firstPacket(
    session: Session,
    slab: Uint8Array,
    at: number,
    end: number,
    now: Instant,
  ): void {
    if (slab[at] !== FRAME_GOODBYE) return this.options.confirmed(session, now);
    const goodbye = decodeGoodbye(slab, at + CONTROL_FRAME_HEADER_BYTES, bodyEnd(slab, at, end));
    this.options.refusedByPeer(session, goodbye?.detail ?? '', now);
  }

  private guestPacket(session: Session, packet: Frame, now: Instant): void {
    const { slab, at, end } = packet;
    const stop = bodyEnd(slab, at, end);
    if (slab[at] !== FRAME_ENROL_REQUEST || stop < 0)
      return this.refuse('frame-not-allowed', session.remote.key, now);
    const frame = { ...packet, at: at + CONTROL_FRAME_HEADER_BYTES, end: stop };
    this.options.enrolRequest(session, frame, now);
  }

  private frames(
    link: Link,
    slab: Uint8Array,
    from: number,
    end: number,
    datagramBytes: number,
    now: Instant,
  ): void {
    const { sink, recovery } = this.options;
    let at = from;
    while (at < end && link.state !== 'closed') {
      const type = slab[at]!;
      if (type === FRAME_PADDING) return;
      if (type === FRAME_DATA) {
        const asks = frameRecovery(slab, at);
        if (Recovery.keeps(asks)) {
          const { session, start } = this;
          recovery.arrived(link, { session: session!, slab, start, at, end }, now);
        } else if (isReliable(asks))
          this.options.reliable.received(link, this.session!, this.gap, now);
        return sink.data(link, slab, at, end, now);
      }
      const stop = bodyEnd(slab, at, end);
      if (stop < 0) return this.refuse('frame-truncated', link.path.remote.key, now);
      const body = at + CONTROL_FRAME_HEADER_BYTES;
      if (type === FRAME_HELLO) this.receiveHello(link, slab, body, stop, now);
      else if (CONTROL_FRAMES.has(type)) sink.control(link, type, slab, body, stop, now);
      else if (type >= FRAME_REPAIR_REQUEST && type <= FRAME_PARITY) {
        if (!recovery.frame(link, type, slab, body, stop, now))
          this.refuse('repair-malformed', link.path.remote.key, now);
      } else this.control(link, type, { slab, at: body, end: stop, datagramBytes }, now);
      at = stop;
    }
  }

  private receiveHello(link: Link, slab: Uint8Array, at: number, end: number, now: Instant): void {
    const { hello } = this;
    if (!decodeHello(hello, slab, at, end))
      return this.refuse('hello-malformed', link.path.remote.key, now);
    if (link.path.moveIfProven(this.remote!, hello.echo, now))
      this.options.counters.add('link.roamed');
    link.spareThere((hello.flags & HELLO_SPARE) !== 0, now);
    link.path.receiveHello(hello, now);
    if ((hello.flags & HELLO_HURRY) !== 0) link.hurry(now);
    if ((hello.flags & HELLO_ANSWER_AT_ONCE) !== 0 && !link.owesAnswer) {
      link.owesAnswer = true;
      this.owing.push(link);
    }
    this.options.hastened();
    this.options.measured(link, now);
  }

  private control(link: Link, type: number, frame: Frame, now: Instant): void {
    const { slab, at, end, datagramBytes } = frame;
    const { options } = this;
    options.hastened();
    if (type === FRAME_GOODBYE) {
      const goodbye = decodeGoodbye(slab, at, end);
      if (goodbye !== undefined) options.goodbye(link, goodbye, now);
    } else if (type === FRAME_MTU_PROBE) {
      const probe = decodeMtuMessage(slab, at, end);
      if (probe === undefined) return;
      const body = encodeMtuMessage({ id: probe.id, datagramBytes });
      options.writer.control(link, FRAME_MTU_ACK, body);
    } else if (type === FRAME_MTU_ACK) {
      const ack = decodeMtuMessage(slab, at, end);
      if (ack !== undefined) link.path.mtu.acknowledged(ack, now);
      options.measured(link, now);
    } else if (type === FRAME_RELIABLE_ACK) {
      const { samples } = link.path.rtt;
      if (!options.reliable.receiveAck(link, slab, at, end, now))
        this.refuse('ack-malformed', link.path.remote.key, now);
      else if (link.path.rtt.samples !== samples) options.measured(link, now);
    } else if (TRAIN_FRAMES.has(type)) {
      if (!options.trains.frame(link, type, slab, at, end, now))
        this.refuse('train-malformed', link.path.remote.key, now);
    } else if (type === FRAME_ENROL_REQUEST || type === FRAME_ENROL_ANSWER)
      this.refuse('frame-not-allowed', link.path.remote.key, now);
    else options.counters.add('link.packet.unknown-frame');
  }

  private refuse(reason: string, remote: string, now: Instant): void {
    this.options.counters.add(`link.packet.${reason}`);
    this.options.refused(reason, remote, now);
  }
}

/** Where the control frame at `at` ends; -1 when that is past the end of the packet. */
export function bodyEnd(slab: Uint8Array, at: number, end: number): number {
  const body = at + CONTROL_FRAME_HEADER_BYTES;
  if (body > end) return -1;
  const stop = body + readU16(slab, at + 1);
  return stop > end ? -1 : stop;
}
