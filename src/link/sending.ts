/**
 * What leaves by links: which path a packet takes, room for it in the outgoing slab, a hello that rides
 * along, a copy on a second path, and what recovery is to keep of it.
 */
import type { Instant, NodeAddress } from '../kernel/index.ts';
import type { PacketService } from '../wire/index.ts';
import {
  CONTROL_FRAME_HEADER_BYTES,
  DROP_NEVER,
  DROP_NORMAL,
  SEALED_OVERHEAD_BYTES,
} from '../wire/index.ts';
import type { Dialer } from './dialer.ts';
import type { FrameWriter } from './frame-writer.ts';
import type { Link } from './link.ts';
import type { Multipath } from './multipath.ts';
import type { Outgoing } from './outgoing.ts';
import { Recovery } from './recovery/recovery.ts';
import { dropPrecedenceOf } from './shedding.ts';

export type SendRefusal = 'link-down' | 'too-big';

/** A power of two. */
const RECENT_LINKS = 512;
/** Packets between two hellos, above which a packet more is little. */
const BUSY_PACKETS = 64;

export interface SendingOptions {
  readonly links: ReadonlyMap<NodeAddress, Link>;
  readonly multipath: Multipath;
  readonly dialer: Dialer;
  readonly outgoing: Outgoing;
  readonly writer: FrameWriter;
  readonly recovery: Recovery;
}

export class Sending {
  /** Why the last call said no. */
  lastRefusal: SendRefusal = 'link-down';
  private readonly options: SendingOptions;
  private readonly recent: (Link | undefined)[] = new Array(RECENT_LINKS).fill(undefined);

  constructor(options: SendingOptions) {
    this.options = options;
  }

  /** See `LinkLayer.reserveData`. */
  reserveData(
    neighbour: NodeAddress,
    bytes: number,
    service: Readonly<PacketService>,
    now: Instant,
  ): number {
    const { multipath, outgoing, writer, recovery } = this.options;
    const inUse = this.recentLink(neighbour);
    if (inUse === undefined || !inUse.isUsable) return this.refuseSend('link-down');
    const link = multipath.hasSpares ? multipath.pick(inUse, service) : inUse;
    const room = link.mtu - SEALED_OVERHEAD_BYTES - bytes;
    if (room < 0) return this.refuseSend('too-big');
    const { helloBytes } = link;
    const precedence = dropPrecedenceOf(service.priority);
    const isHelloDue = room >= helloBytes && this.takesHello(link, precedence, now);
    const size = isHelloDue ? bytes + helloBytes : bytes;
    const second = multipath.hasSpares ? this.secondFor(link, bytes, service) : undefined;
    if (second !== undefined) outgoing.makeRoomForTwo(size);
    const dropPrecedence = isHelloDue ? DROP_NEVER : precedence;
    let at = writer.packet(link, size, now, dropPrecedence);
    if (isHelloDue) {
      writer.helloAt(link, at, now);
      at += helloBytes;
    }
    if (second !== undefined)
      outgoing.copyBeforeSealing(at, writer.packet(second, bytes, now, dropPrecedence), bytes);
    if (Recovery.keeps(service.recovery)) recovery.note(link, at, bytes, now);
    return at;
  }

  /**
   * Whether a hello is to ride with data of this precedence. On a busy link it leaves in a packet of its own, in front
   * of data that may have to wait: which it comes past where its neighbour cannot keep up, and the data should not.
   */
  private takesHello(link: Link, precedence: number, now: Instant): boolean {
    if (!link.isHelloNear(now)) return false;
    if (precedence < DROP_NORMAL || link.packetsSinceHello < BUSY_PACKETS) return true;
    this.options.writer.hello(link, now);
    return false;
  }

  /** See `LinkLayer.sendControl`. */
  sendControl(neighbour: NodeAddress, frameType: number, body: Uint8Array, now: Instant): boolean {
    const { links, writer } = this.options;
    const link = links.get(neighbour);
    const size = SEALED_OVERHEAD_BYTES + CONTROL_FRAME_HEADER_BYTES + body.length;
    if (link === undefined || !link.isUsable) this.lastRefusal = 'link-down';
    else if (size > link.mtu) this.lastRefusal = 'too-big';
    else {
      writer.control(link, frameType, body);
      if (link.isHelloNear(now)) writer.hello(link, now);
      return true;
    }
    return false;
  }

  /** The link to a neighbour. Found without a map for most packets: see `FlowTable.recent`. */
  recentLink(neighbour: NodeAddress): Link | undefined {
    const place = neighbour & (RECENT_LINKS - 1);
    const recent = this.recent[place];
    if (recent !== undefined && recent.neighbour === neighbour && recent.isUsable) return recent;
    const link = this.options.links.get(neighbour);
    this.recent[place] = link;
    return link;
  }

  /** Another path to the neighbour is in use. */
  forgetRecent(neighbour: NodeAddress): void {
    this.recent[neighbour & (RECENT_LINKS - 1)] = undefined;
  }

  /** The path for a second copy of a packet with a deadline, where the neighbour wants two. */
  private secondFor(link: Link, bytes: number, service: Readonly<PacketService>): Link | undefined {
    const { dialer, multipath } = this.options;
    if (service.deadline === 0 || !dialer.isSentTwice(link.neighbour)) return undefined;
    const second = multipath.second(link);
    return second !== undefined && second.mtu >= SEALED_OVERHEAD_BYTES + bytes ? second : undefined;
  }

  private refuseSend(reason: SendRefusal): number {
    this.lastRefusal = reason;
    return -1;
  }
}
