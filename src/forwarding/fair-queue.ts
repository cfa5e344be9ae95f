/**
 * Who goes next on one link: deficit round robin between sources (Shreedhar and Varghese, "Efficient
 * Fair Queueing Using Deficit Round Robin", SIGCOMM 1995). Each round a source may send its quantum, one
 * largest packet times its weight, and what it left of the rounds before while it had more to send: over
 * any number of rounds two backlogged sources of one weight differ by less than one largest packet, at a
 * cost for each packet that does not depend on how many sources there are.
 *
 * Fairness is between sources first, so that nobody gains by opening flows or inventing destinations;
 * inside a source by priority and deadline (`packet-line.ts`), and between its flows that must not be
 * lost in turn (`flow-line.ts`). Copies of floods for the neighbour itself take turns with all that passes
 * it: they arrive, the others are one more way.
 *
 * What is within a reserved rate (`reservation/`) goes before all that: reservations leave a part of the link
 * to the others, so nobody waits for ever.
 *
 * Bound: bytes of what may be lost (`bytesMax`). Overflow: the source with the most bytes for its weight
 * loses what is worth least, which may be the packet just offered. What must not be lost has no bound
 * here: its senders are held back.
 */
import type { NodeAddress } from '../kernel/index.ts';
import { isReliable, ROUTE_FLOOD } from '../wire/index.ts';
import { FloodIndex, type FloodName } from './flood-index.ts';
import { FlowLine, type FlowName, flowKey } from './flow-line.ts';
import { PacketLine, type QueuedPacket } from './packet-line.ts';

export interface FairQueueOptions {
  readonly bytesMax: number;
  /** Largest packet: one source's share of a round. */
  readonly quantum: number;
  /** A whole number from 1; how many quanta a source gets in a round. Default 1 for all. */
  readonly weightOf?: (source: NodeAddress) => number;
  /** Differs between links and between nodes (`flow-line.ts`). Default 0. */
  readonly salt?: number;
}

class Source {
  /** Among sources: `keyOf`. */
  readonly key: number;
  readonly address: NodeAddress;
  readonly weight: number;
  private readonly salt: number;
  /** What passes the neighbour, or is no copy of a flood. */
  readonly line = new PacketLine();
  /** Copies of floods for the neighbour itself. */
  readonly last = new PacketLine();
  readonly flows = new Map<number, FlowLine>();
  /** Flows with packets, in the order of their turns. */
  readonly turns: FlowLine[] = [];
  deficit = 0;
  hasQuantum = false;
  private isFlowTurn = false;
  private isLastTurn = false;

  constructor(
    key: number,
    { address, weight, salt }: { address: NodeAddress; weight: number; salt: number },
  ) {
    this.key = key;
    this.address = address;
    this.weight = weight;
    this.salt = salt;
  }

  get isEmpty(): boolean {
    return this.line.length === 0 && this.last.length === 0 && this.turns.length === 0;
  }

  /** Of packets that may be lost. */
  get bytes(): number {
    return this.line.bytes + this.last.bytes;
  }

  /** The packet that would leave next, if any may. State: its line is the one `take` takes from. */
  peek(isReliableOpen: boolean): QueuedPacket | undefined {
    const plain = this.peekPlain();
    const flow = isReliableOpen ? this.readyFlow()?.peek() : undefined;
    if (plain === undefined || flow === undefined) return plain ?? flow;
    if (plain.priority !== flow.priority) return plain.priority > flow.priority ? plain : flow;
    return this.isFlowTurn ? flow : plain;
  }

  take(packet: QueuedPacket): void {
    if (!isReliable(packet.recovery)) {
      const line = this.lineOf(packet);
      this.isFlowTurn = true;
      this.isLastTurn = line === this.line;
      line.shift();
      return;
    }
    this.isFlowTurn = false;
    const flow = this.readyFlow()!;
    flow.shift();
    this.turns.splice(this.turns.indexOf(flow), 1);
    if (flow.length > 0) this.turns.push(flow);
    else if (!flow.isPaused) this.flows.delete(flow.key);
  }

  /** Takes out a packet that waits, wherever it stands. */
  remove(packet: QueuedPacket): void {
    if (!isReliable(packet.recovery)) {
      this.lineOf(packet).remove(packet);
      return;
    }
    const flow = this.flows.get(flowKey(packet.destination, packet.flow, packet.recovery))!;
    flow.remove(packet);
    if (flow.length === 0) this.emptied(flow);
  }

  /** Takes out of a flow what `isWanted` is false of. */
  sift(key: number, isWanted: (packet: QueuedPacket) => boolean): QueuedPacket[] {
    const flow = this.flows.get(key);
    if (flow === undefined || flow.length === 0) return [];
    const out = flow.sift(isWanted);
    if (flow.length === 0) this.emptied(flow);
    return out;
  }

  private emptied(flow: FlowLine): void {
    this.turns.splice(this.turns.indexOf(flow), 1);
    if (!flow.isPaused) this.flows.delete(flow.key);
  }

  flow(key: number, name: FlowName): FlowLine {
    const known = this.flows.get(key);
    if (known !== undefined) return known;
    const made = new FlowLine(name, key, this.salt);
    this.flows.set(key, made);
    return made;
  }

  lineOf({ routeForm, destination, to }: QueuedPacket): PacketLine {
    return routeForm === ROUTE_FLOOD && destination === to ? this.last : this.line;
  }

  /** Takes out what is worth least: of equals, of the longer line. */
  pushOut(): QueuedPacket | undefined {
    const { line, last } = this;
    const isLast =
      line.lowest === last.lowest ? last.bytes > line.bytes : last.lowest < line.lowest;
    return (isLast ? last : line).pushOut();
  }

  private peekPlain(): QueuedPacket | undefined {
    const pass = this.line.peek();
    const end = this.last.peek();
    if (pass === undefined || end === undefined) return pass ?? end;
    if (pass.priority !== end.priority) return pass.priority > end.priority ? pass : end;
    if (pass.dueAt !== end.dueAt) return pass.dueAt < end.dueAt ? pass : end;
    return this.isLastTurn ? end : pass;
  }

  private readyFlow(): FlowLine | undefined {
    for (const flow of this.turns) if (!flow.isPaused) return flow;
    return undefined;
  }
}

export class FairQueue {
  /** Of packets that may be lost. */
  bytes = 0;
  /** Of packets that must not be. */
  reliableBytes = 0;
  length = 0;
  /** May change; what is above a lesser one leaves as packets come. */
  bytesMax: number;
  private readonly options: FairQueueOptions;
  private readonly reserved = new PacketLine();
  private readonly sources = new Map<number, Source>();
  /** Sources with packets, in the order of their turns. */
  private readonly ring: Source[] = [];
  private place = 0;
  private readonly floods = new FloodIndex();

  constructor(options: FairQueueOptions) {
    this.options = options;
    this.bytesMax = options.bytesMax;
  }

  /** Sources with packets waiting. */
  get backlogged(): number {
    return this.ring.length;
  }

  /** Returns what had to give way, which may be the packet itself; undefined: nothing. */
  push(packet: QueuedPacket): QueuedPacket | undefined {
    this.length++;
    if (packet.isReserved) {
      this.bytes += packet.length;
      this.reserved.push(packet);
      return this.bytes > this.bytesMax ? this.pushOut() : undefined;
    }
    const source = this.source(packet.source, packet.isSigned);
    if (source.isEmpty) this.ring.push(source);
    if (packet.routeForm === ROUTE_FLOOD && packet.lap === 0) this.floods.add(packet);
    if (isReliable(packet.recovery)) {
      this.reliableBytes += packet.length;
      const { destination } = packet;
      const key = flowKey(destination, packet.flow, packet.recovery);
      const name = { source: packet.source, destination, flow: key % 0x1_0000 };
      const flow = source.flow(key, name);
      if (flow.length === 0) source.turns.push(flow);
      flow.push(packet);
      return undefined;
    }
    this.bytes += packet.length;
    source.lineOf(packet).push(packet);
    return this.bytes > this.bytesMax ? this.pushOut() : undefined;
  }

  /**
   * Takes the packet whose turn it is; undefined when none may go. `isReliableOpen`: whether the link
   * takes packets that it must not lose.
   */
  next(isReliableOpen: boolean): QueuedPacket | undefined {
    const first = this.reserved.shift();
    if (first !== undefined) {
      this.length--;
      this.bytes -= first.length;
      return first;
    }
    const { ring } = this;
    for (let visits = 2 * ring.length; visits > 0 && ring.length > 0; visits--) {
      if (this.place >= ring.length) this.place = 0;
      const source = ring[this.place]!;
      const packet = source.peek(isReliableOpen);
      if (packet === undefined) source.deficit = 0;
      else {
        if (!source.hasQuantum) source.deficit += this.options.quantum * source.weight;
        source.hasQuantum = true;
        if (packet.length <= source.deficit) return this.taken(source, packet);
      }
      source.hasQuantum = false;
      this.place++;
    }
    return undefined;
  }

  /** Takes out the copy of a flooded packet, if it waits here. */
  cancel(name: FloodName): QueuedPacket | undefined {
    const packet = this.floods.find(name);
    if (packet === undefined) return undefined;
    const source = this.sources.get(keyOf(packet.source, packet.isSigned))!;
    source.remove(packet);
    this.left(source, packet);
    return packet;
  }

  /** Takes out of one flow that must not be lost what `isWanted` is false of. */
  sift(
    { source, isSigned }: Pick<QueuedPacket, 'source' | 'isSigned'>,
    key: number,
    isWanted: (packet: QueuedPacket) => boolean,
  ): QueuedPacket[] {
    const known = this.sources.get(keyOf(source, isSigned));
    const out = known?.sift(key, isWanted) ?? [];
    for (const packet of out) this.uncount(packet);
    if (out.length > 0) this.settle(known!);
    return out;
  }

  /** Bytes that wait of one flow that must not be lost. */
  flowBytes(source: NodeAddress, key: number): number {
    let bytes = 0;
    for (const isSigned of EITHER)
      bytes += this.sources.get(keyOf(source, isSigned))?.flows.get(key)?.bytes ?? 0;
    return bytes;
  }

  /** Every flow named is held back from now on, every other may go. */
  setPaused(paused: ReadonlyMap<NodeAddress, ReadonlySet<number>>): void {
    for (const source of this.sources.values()) {
      for (const flow of [...source.flows.values()]) {
        flow.isPaused = paused.get(source.address)?.has(flow.key) ?? false;
        if (!flow.isPaused && flow.length === 0) source.flows.delete(flow.key);
      }
      if (source.isEmpty && source.flows.size === 0) this.sources.delete(source.key);
    }
    for (const [address, keys] of paused)
      for (const key of keys) {
        const destination = Math.floor(key / 0x1_0000) as NodeAddress;
        const name = { source: address, destination, flow: key % 0x1_0000 };
        for (const isSigned of EITHER)
          this.source(address, isSigned).flow(key, name).isPaused = true;
      }
  }

  /** Takes everything out, in the order it would have left but for pauses. */
  clear(): QueuedPacket[] {
    this.setPaused(new Map());
    const all: QueuedPacket[] = [];
    for (let packet = this.next(true); packet !== undefined; packet = this.next(true))
      all.push(packet);
    return all;
  }

  private taken(source: Source, packet: QueuedPacket): QueuedPacket {
    source.deficit -= packet.length;
    source.take(packet);
    this.left(source, packet);
    return packet;
  }

  private left(source: Source, packet: QueuedPacket): void {
    this.uncount(packet);
    this.settle(source);
  }

  private uncount(packet: QueuedPacket): void {
    this.length--;
    if (packet.routeForm === ROUTE_FLOOD) this.floods.delete(packet);
    if (isReliable(packet.recovery)) this.reliableBytes -= packet.length;
    else this.bytes -= packet.length;
  }

  /** Something of the source has left: its turns are over when nothing is left. */
  private settle(source: Source): void {
    if (!source.isEmpty) return;
    const at = this.ring.indexOf(source);
    this.ring.splice(at, 1);
    if (at < this.place) this.place--;
    source.deficit = 0;
    source.hasQuantum = false;
    if (source.flows.size === 0) this.sources.delete(source.key);
  }

  private pushOut(): QueuedPacket | undefined {
    let most: Source | undefined;
    for (const source of this.ring) {
      const share = source.bytes / source.weight;
      if (most === undefined || share > most.bytes / most.weight) most = source;
    }
    const packet = most?.pushOut();
    if (packet !== undefined) this.left(most!, packet);
    return packet;
  }

  private source(address: NodeAddress, isSigned: boolean): Source {
    const key = keyOf(address, isSigned);
    const known = this.sources.get(key);
    if (known !== undefined) return known;
    const { weightOf, salt = 0 } = this.options;
    const made = new Source(key, { address, weight: weightOf?.(address) ?? 1, salt });
    this.sources.set(key, made);
    return made;
  }
}

const EITHER = [false, true];

/** What a member has signed and what only bears its name have shares apart. */
const keyOf = (address: NodeAddress, isSigned: boolean): number =>
  isSigned ? address + 0x1_0000_0000 : address;
