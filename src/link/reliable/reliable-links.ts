/**
 * The reliable protocol of all links: a sending and a receiving half for each link that has had a frame
 * that must not be lost, made when it has. The link layer asks it for deadlines and hands it what comes.
 */
import type { Counters, Instant, NodeAddress, Random } from '../../kernel/index.ts';
import type { PausedFlow } from '../../wire/index.ts';
import { decodeReliableAck, encodeReliableAck, FRAME_RELIABLE_ACK } from '../../wire/index.ts';
import type { FrameWriter } from '../frame-writer.ts';
import type { Link } from '../link.ts';
import type { LinkFacts } from '../link-facts.ts';
import type { Outgoing } from '../outgoing.ts';
import type { Session } from '../session.ts';
import { dropPrecedenceOfFrame } from '../shedding.ts';
import { ReliableReceiver } from './reliable-receiver.ts';
import type { ReliableFrame } from './reliable-sender.ts';
import { ReliableSender } from './reliable-sender.ts';

/** What became of frames, for the forwarder. */
export interface ReliableSink {
  /** The neighbour has it; the buffer is free. */
  reliableAcknowledged(neighbour: NodeAddress, frame: ReliableFrame): void;
  /** The link died; these may not have arrived. Oldest first. */
  reliableReturned(neighbour: NodeAddress, frames: readonly ReliableFrame[], now: Instant): void;
  /** The neighbour has no room for these flows, and for no others but these. */
  flowsHeld(neighbour: NodeAddress, flows: readonly PausedFlow[], now: Instant): void;
}

export interface ReliableLinksOptions {
  readonly counters: Counters;
  readonly writer: FrameWriter;
  readonly outgoing: Outgoing;
  readonly random: Random;
  readonly sink: Partial<ReliableSink>;
  /** By the index under which packets to this node name them. */
  readonly sessions: ReadonlyMap<number, Session>;
  readonly facts: LinkFacts;
  /** A deadline may have moved to an earlier time. */
  readonly hastened: () => void;
}

interface Halves {
  readonly sender: ReliableSender;
  readonly receiver: ReliableReceiver;
}

const RTT_UNKNOWN = 50_000;

export class ReliableLinks {
  private readonly options: ReliableLinksOptions;
  private readonly halves = new Map<Link, Halves>();
  /** Links with something to acknowledge. */
  private readonly owing = new Set<Link>();

  constructor(options: ReliableLinksOptions) {
    this.options = options;
  }

  /** Whether a link takes a frame that it must not lose, now. */
  hasReliableRoom(neighbour: NodeAddress, now: Instant): boolean {
    const link = this.options.facts.linkTo(neighbour);
    return link !== undefined && this.of(link).sender.hasRoom(now);
  }

  /** When its pace allows one; infinite while acknowledgements are to come first. */
  reliableRoomAt(neighbour: NodeAddress): number {
    const link = this.options.facts.linkTo(neighbour);
    return link === undefined ? Number.POSITIVE_INFINITY : this.of(link).sender.roomAt;
  }

  /** Sends a frame that comes back by `reliableAcknowledged` or `reliableReturned`; false: not taken. */
  sendReliable(neighbour: NodeAddress, frame: ReliableFrame, now: Instant): boolean {
    const link = this.options.facts.linkTo(neighbour);
    if (link === undefined) return false;
    this.options.hastened();
    this.of(link).sender.send(frame, now);
    return true;
  }

  /** There is room for frames that must not be lost, and none waits. */
  reliableIdle(neighbour: NodeAddress): void {
    const link = this.options.facts.linkTo(neighbour);
    if (link !== undefined) this.halves.get(link)?.sender.idle();
  }

  /** Tells a neighbour which flows to hold back from now on. */
  holdFlows(neighbour: NodeAddress, paused: readonly PausedFlow[], now: Instant): void {
    const link = this.options.facts.linkTo(neighbour);
    if (link === undefined) return;
    this.options.hastened();
    this.of(link).receiver.hold(paused, now);
    this.owing.add(link);
    this.acknowledge(now);
  }

  /** Bits per second that reliable traffic has been seen to get through; 0 while unknown. */
  measuredCapacity(neighbour: NodeAddress): number {
    const link = this.options.facts.linkTo(neighbour);
    return link === undefined ? 0 : 8 * (this.halves.get(link)?.sender.bandwidth ?? 0);
  }

  /** A data frame that must not be lost came. */
  received(link: Link, session: Session, gap: number, now: Instant): void {
    this.options.hastened();
    this.of(link).receiver.received(session, gap, now);
    this.owing.add(link);
  }

  receiveAck(link: Link, slab: Uint8Array, at: number, end: number, now: Instant): boolean {
    const ack = decodeReliableAck(slab, at, end);
    if (ack === undefined) return false;
    const session = this.options.sessions.get(ack.session);
    const halves = this.halves.get(link);
    if (session?.link !== link || halves === undefined) return true;
    const roundTrip = halves.sender.receiveAck(ack, session, now);
    if (roundTrip > 0) link.path.passingRoundTrip(roundTrip, now);
    this.options.sink.flowsHeld?.(link.neighbour, ack.paused, now);
    return true;
  }

  /** Sends the acknowledgements that are due. */
  acknowledge(now: Instant): void {
    for (const link of this.owing) {
      if (link.state === 'closed') {
        this.owing.delete(link);
        continue;
      }
      const due = this.halves.get(link)?.receiver.take(now);
      if (due === undefined) continue;
      this.options.counters.add('link.reliable.acks');
      this.options.writer.control(link, FRAME_RELIABLE_ACK, encodeReliableAck(due.ack));
    }
  }

  nextTimeout(): Instant | undefined {
    let next = Number.POSITIVE_INFINITY;
    for (const { sender, receiver } of this.halves.values())
      next = Math.min(next, sender.nextTimeout(), receiver.nextTimeout());
    return next < Number.POSITIVE_INFINITY ? (Math.ceil(next) as Instant) : undefined;
  }

  timeout(now: Instant): void {
    for (const { sender } of this.halves.values())
      if (sender.nextTimeout() <= now) sender.timeout(now);
    this.acknowledge(now);
  }

  /** State: nothing is kept of the link; what it held goes back. */
  closed(link: Link, now: Instant): void {
    const halves = this.halves.get(link);
    if (halves === undefined) return;
    this.halves.delete(link);
    this.owing.delete(link);
    const { counters, sink } = this.options;
    const { sender } = halves;
    counters.add('link.reliable.repeated', sender.repeated);
    counters.add('link.reliable.spurious', sender.spurious);
    counters.add('link.reliable.probes', sender.probes);
    const frames = sender.returned();
    counters.add('link.reliable.returned', frames.length);
    if (frames.length > 0) sink.reliableReturned?.(link.neighbour, frames, now);
  }

  /** Sums over live links, for status. */
  status(): Record<string, number> {
    const all = { repeated: 0, spurious: 0, probes: 0, inFlightBytes: 0 };
    for (const { sender } of this.halves.values()) {
      all.repeated += sender.repeated;
      all.spurious += sender.spurious;
      all.probes += sender.probes;
      all.inFlightBytes += sender.inFlight;
    }
    return all;
  }

  private of(link: Link): Halves {
    const known = this.halves.get(link);
    if (known !== undefined) return known;
    const { outgoing, writer, sink, random } = this.options;
    const sender = new ReliableSender({
      rtt: link.path.rtt.rtt || RTT_UNKNOWN,
      random,
      emit: ({ frame, length }, now) => {
        const at = writer.packet(link, length, now, dropPrecedenceOfFrame(frame, 0));
        outgoing.slab.set(length === frame.length ? frame : frame.subarray(0, length), at);
        return { session: link.current, counter: link.current.nextCounter - 1 };
      },
      acknowledged: (frame) => sink.reliableAcknowledged?.(link.neighbour, frame),
    });
    const made = { sender, receiver: new ReliableReceiver() };
    this.halves.set(link, made);
    return made;
  }
}
