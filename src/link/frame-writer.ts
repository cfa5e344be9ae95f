/** Writes the link room's own frames, and the packets around all frames, into the outgoing slab. */
import type { Instant } from '../kernel/index.ts';
import { writeU16 } from '../kernel/index.ts';
import type { Goodbye, TrainFrame } from '../wire/index.ts';
import {
  CONTROL_FRAME_HEADER_BYTES,
  encodeGoodbye,
  encodeHello,
  encodeMtuMessage,
  encodeTrainFrame,
  FRAME_GOODBYE,
  FRAME_MTU_PROBE,
  FRAME_PADDING,
  FRAME_TRAIN,
  HELLO_ANSWER_AT_ONCE,
  SEALED_OVERHEAD_BYTES,
} from '../wire/index.ts';
import type { Link } from './link.ts';
import type { Outgoing } from './outgoing.ts';
import type { Session } from './session.ts';

const GOODBYE_COPIES = 2;

export class FrameWriter {
  private readonly outgoing: Outgoing;
  /** Datagrams above this are worth an MTU probe. */
  private readonly mtuMin: number;

  constructor(options: { outgoing: Outgoing; mtuMin: number }) {
    this.outgoing = options.outgoing;
    this.mtuMin = options.mtuMin;
  }

  /** A packet of its own; returns where its frames go. Without a precedence it holds control. */
  packet(link: Link, frameBytes: number, now: Instant, dropPrecedence?: number): number {
    if (frameBytes + SEALED_OVERHEAD_BYTES > this.mtuMin) link.path.mtu.noteLarge(now);
    return this.claim(link, frameBytes, dropPrecedence);
  }

  private claim(link: Link, frameBytes: number, dropPrecedence?: number): number {
    link.packetsOut++;
    link.bytesOut += frameBytes + SEALED_OVERHEAD_BYTES;
    return this.outgoing.packet(link.current, frameBytes, link.path, dropPrecedence);
  }

  /** Writes a hello at `at`, where `link.helloBytes` have been claimed. */
  helloAt(link: Link, at: number, now: Instant): void {
    const flags = link.helloLeaves(now);
    encodeHello(this.outgoing.slab, at, link.path.hello(flags, now));
  }

  hello(link: Link, now: Instant, session: Session = link.current): void {
    const at = this.joinOrOpen(link, session, link.helloBytes);
    this.helloAt(link, at, now);
  }

  control(link: Link, type: number, body: Uint8Array): void {
    const at = this.joinOrOpen(link, link.current, CONTROL_FRAME_HEADER_BYTES + body.length);
    this.frame(at, type, body);
  }

  goodbye(session: Session, code: number, detail: string): void {
    this.alone(session, FRAME_GOODBYE, encodeGoodbye({ code, detail }));
  }

  /** Twice, as nothing repairs its loss. */
  farewell(session: Session, { code, detail }: Goodbye): void {
    for (let i = 0; i < GOODBYE_COPIES; i++) this.goodbye(session, code, detail);
  }

  /** One frame in a packet of its own, whatever the session is for. */
  alone(session: Session, type: number, body: Uint8Array): void {
    if (session.isClosed) return;
    const to = session.link?.path ?? session;
    const at = this.outgoing.packet(session, CONTROL_FRAME_HEADER_BYTES + body.length, to);
    this.frame(at, type, body);
  }

  /** Asks an address that the neighbour was heard from, within what came from there. */
  addressCheck(link: Link, now: Instant): void {
    const { check, rtt } = link.path;
    const { helloBytes } = link;
    const bytes = SEALED_OVERHEAD_BYTES + helloBytes;
    if (check === undefined || !check.take(bytes, rtt.rtt, now)) return;
    const hello = link.path.hello(HELLO_ANSWER_AT_ONCE, now);
    check.asks(hello.timestamp);
    link.packetsOut++;
    link.bytesOut += bytes;
    const at = this.outgoing.packet(link.current, helloBytes, check);
    encodeHello(this.outgoing.slab, at, hello);
  }

  /** A packet that says nothing but its counter; returns its size. */
  filler(link: Link, session: Session, now: Instant): number {
    const size = SEALED_OVERHEAD_BYTES + 1;
    const at =
      session === link.current
        ? this.packet(link, 1, now)
        : this.outgoing.packet(session, 1, link.path);
    this.outgoing.slab[at] = FRAME_PADDING;
    return size;
  }

  /** A probe padded to the size it asks about, when one is due. */
  mtuProbe(link: Link, now: Instant): void {
    const { mtu, rtt } = link.path;
    const probe = mtu.probe(rtt.rtt, now);
    if (probe === undefined) return;
    if (probe.datagramBytes > this.mtuMin) mtu.noteLarge(now);
    this.padded(link, probe.datagramBytes, FRAME_MTU_PROBE, encodeMtuMessage(probe));
  }

  /** One packet of a train, as large as passes: no use of that size that would have to be confirmed soon. */
  train(link: Link, frame: TrainFrame): void {
    this.padded(link, link.mtu, FRAME_TRAIN, encodeTrainFrame(frame));
  }

  private padded(link: Link, datagramBytes: number, type: number, body: Uint8Array): void {
    const frameBytes = datagramBytes - SEALED_OVERHEAD_BYTES;
    const at = this.claim(link, frameBytes);
    this.outgoing.slab.fill(0, at, at + frameBytes);
    this.frame(at, type, body);
  }

  private frame(at: number, type: number, body: Uint8Array): void {
    const { slab } = this.outgoing;
    slab[at] = type;
    writeU16(slab, at + 1, body.length);
    slab.set(body, at + CONTROL_FRAME_HEADER_BYTES);
  }

  private joinOrOpen(link: Link, session: Session, frameBytes: number): number {
    const before = session.nextCounter;
    const at = this.outgoing.controlFrames(session, frameBytes, link.path, link.mtu);
    const isNew = session.nextCounter !== before;
    if (isNew) link.packetsOut++;
    link.bytesOut += isNew ? frameBytes + SEALED_OVERHEAD_BYTES : frameBytes;
    return at;
  }
}
