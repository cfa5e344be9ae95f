/**
 * All links of a node: opens them, keeps them measured, seals and opens what they carry, says when
 * they die. The rooms above see neighbours, frames and metrics, never keys or datagrams.
 *
 *   datagrams -> Incoming -> session -> Link -> frames -> data / control sinks
 *                   \-> Handshakes -> judge (certificates) -> Link
 *   reserveData / sendControl / hello -> Outgoing -> one sealing call -> transmit
 *
 * `receive`, `timeout` and the senders only gather what is to leave; `flush` seals and transmits it,
 * and does so by itself when the batch is full. Sinks must not call `receive` or `timeout`; they may
 * call the senders, which is how packets are forwarded within one batch.
 *
 * Anything a peer sends that will not do is counted under `link.` and, rate limited, reported to
 * `refused`. See `handshakes.ts`, `failure-detector.ts` and `loss-estimator.ts` for the reasoning.
 */
import type {
  DatagramBatch,
  Duration,
  Instant,
  NodeAddress,
  Random,
  WallTime,
} from '../kernel/index.ts';
import { Counters, soonest } from '../kernel/index.ts';
import type { EnrolAnswerText, Goodbye, PacketService } from '../wire/index.ts';
import {
  FRAME_ENROL_ANSWER,
  GOODBYE_LEAVING,
  GOODBYE_REFUSED,
  GOODBYE_SILENCE,
  GOODBYE_UNWANTED,
} from '../wire/index.ts';
import type { Owner } from './admission.ts';
import { judgePeer, trustFault } from './admission.ts';
import { Trains } from './capacity/index.ts';
import type { LinkLayerOptions, LinkSink } from './contract.ts';
import type { NeighbourSpec, Slot } from './dialer.ts';
import { Dialer } from './dialer.ts';
import { counterName, goodbyeReason } from './down-reasons.ts';
import { EnrolmentDesk } from './enrolment-desk.ts';
import { FrameReader } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import type { Attempt } from './handshakes.ts';
import { HANDSHAKE_TIMED_OUT, Handshakes } from './handshakes.ts';
import { paceLinks } from './hello-pace.ts';
import { Incoming } from './incoming.ts';
import { Link } from './link.ts';
import { LinkFacts } from './link-facts.ts';
import type { LinkStatus } from './link-status.ts';
import { linkRows } from './link-status.ts';
import { Multipath } from './multipath.ts';
import type { LinkLimits, LinkTimers } from './options.ts';
import { LINK_LIMITS, LINK_TIMERS } from './options.ts';
import { Outgoing } from './outgoing.ts';
import { ProviderWatch } from './provider-watch.ts';
import { Recovery } from './recovery/recovery.ts';
import { RefusalReports } from './refusal-reports.ts';
import { ReliableLinks } from './reliable/index.ts';
import type { SendRefusal } from './sending.ts';
import { Sending } from './sending.ts';
import type { Session } from './session.ts';

const TRUST_AGAIN = 60_000_000;
/** A timeout this late means that the process did not run; what was not heard proves nothing. */
const STALL = 50_000;
const SILENCE: Goodbye = { code: GOODBYE_SILENCE, detail: '' };
const UNWANTED: Goodbye = { code: GOODBYE_UNWANTED, detail: '' };

export class LinkLayer {
  readonly counters: Counters = new Counters();
  private readonly options: LinkLayerOptions;
  private readonly timers: LinkTimers;
  private readonly limits: LinkLimits;
  private readonly sink: LinkSink;
  private readonly random: Random;
  private readonly sessions = new Map<number, Session>();
  private readonly links = new Map<NodeAddress, Link>();
  private readonly multipath: Multipath;
  private readonly providers = new ProviderWatch();
  readonly facts: LinkFacts = new LinkFacts(this.links);
  private readonly handshakes: Handshakes<Owner>;
  private readonly dialer: Dialer;
  private readonly desk: EnrolmentDesk;
  private readonly incoming: Incoming;
  private readonly outgoing: Outgoing;
  private readonly reader: FrameReader;
  private readonly writer: FrameWriter;
  private readonly recovery: Recovery;
  private readonly sending: Sending;
  /** Frames that must not be lost, and their acknowledgements. */
  readonly reliable: ReliableLinks;
  /** What links carry, measured. */
  readonly trains: Trains;
  private readonly reports: RefusalReports;
  private chain: Uint8Array;
  private wall: { at: Instant; time: WallTime } | undefined;
  private trustAt: Instant | undefined;
  private isStopped = false;
  /** Cached `nextTimeout`; may be early, never late, unless stale. */
  private wakeAt: Instant | undefined;
  private isWakeStale = true;
  /** The latest `now` of a call that may have moved deadlines. */
  private latest: Instant;

  constructor(options: LinkLayerOptions, now: Instant) {
    this.options = options;
    this.latest = now;
    this.timers = { ...LINK_TIMERS, ...options.timers };
    this.limits = { ...LINK_LIMITS, ...options.limits };
    this.sink = options.sink;
    this.random = options.random.split('link');
    this.chain = options.identity.chain;
    const { crypto } = options;
    const { counters } = this;
    this.reports = new RefusalReports(this.sink);
    this.multipath = this.createMultipath();
    this.outgoing = new Outgoing({
      crypto,
      packets: this.limits.outgoingBatchPackets,
      datagramBytesMax: this.limits.mtuMax,
      beforeSealing: () => this.recovery.keep(),
      transmit: (batch) => this.sink.transmit(batch),
    });
    this.incoming = new Incoming({
      crypto,
      counters,
      packets: this.limits.incomingBatchPackets,
      sessions: this.sessions,
      sink: {
        handshake: (batch, i, at) => this.receiveHandshake(batch, i, at),
        packet: (session, batch, i, gap, at) => this.reader.packet(session, batch, i, gap, at),
      },
    });
    this.dialer = new Dialer({ timers: this.timers, random: this.random.split('dialer') });
    this.desk = new EnrolmentDesk({
      crypto,
      counters,
      enrolmentsMax: this.limits.enrolmentsMax,
      ask: (event, at) => this.sink.enrolRequest(event, at),
      send: (session, body) => this.writer.alone(session, FRAME_ENROL_ANSWER, body),
      refused: (reason, remote, at) => this.reports.tell('enrolment', reason, remote, at),
      drop: (session) => this.drop(session),
    });
    this.handshakes = this.createHandshakes();
    this.writer = new FrameWriter({ outgoing: this.outgoing, mtuMin: this.limits.mtuMin });
    this.recovery = this.createRecovery();
    this.reliable = new ReliableLinks({
      counters,
      writer: this.writer,
      outgoing: this.outgoing,
      random: this.random.split('reliable'),
      sink: this.sink,
      sessions: this.sessions,
      facts: this.facts,
      hastened: this.hastened,
    });
    const { links, multipath, dialer, outgoing, writer, recovery } = this;
    this.sending = new Sending({ links, multipath, dialer, outgoing, writer, recovery });
    const { timers, limits, hastened } = this;
    const { isCapacityStated: isStated } = options;
    this.trains = new Trains({ counters, writer, limits, timers, links, isStated, hastened });
    this.reader = this.createReader();
    this.dialer.configure(options.neighbours, now);
  }

  /** The slab that `reserveData` gives room in. */
  get outgoingSlab(): Uint8Array {
    return this.outgoing.slab;
  }

  /** Why the last `reserveData` or `sendControl` said no. */
  get lastRefusal(): SendRefusal {
    return this.sending.lastRefusal;
  }

  /** Applies a batch of datagrams from the underlay; the slab is opened in place. */
  receive(batch: DatagramBatch, now: Instant): void {
    if (this.isStopped) return;
    this.latest = now;
    this.incoming.receive(batch, now);
    this.reader.answer(now);
    this.reliable.acknowledge(now);
  }

  /**
   * Claims room for a data frame of `bytes` in a new packet to the neighbour and returns its offset
   * in `outgoingSlab`; -1, with `lastRefusal` set, when the link is not up or the frame too big. The
   * frame must be written before the next call.
   */
  reserveData(
    neighbour: NodeAddress,
    bytes: number,
    service: Readonly<PacketService>,
    now: Instant,
  ): number {
    return this.sending.reserveData(neighbour, bytes, service, now);
  }

  /** Sends a routing frame; false, with `lastRefusal` set, when the link cannot take it. */
  sendControl(neighbour: NodeAddress, frameType: number, body: Uint8Array, now: Instant): boolean {
    return this.sending.sendControl(neighbour, frameType, body, now);
  }

  /** Seals and transmits everything gathered. */
  flush(_now: Instant): void {
    this.outgoing.flush();
  }

  timeout(now: Instant): void {
    const due = this.nextTimeout();
    if (this.isStopped || due === undefined || due > now) return;
    this.latest = now;
    if (now - due > STALL) this.forgive((now - due) as Duration, now);
    this.isWakeStale = true;
    this.reliable.timeout(now);
    this.handshakes.timeout(now);
    this.desk.timeout(now);
    for (const slot of this.dialer.slots) if (this.dialer.due(slot, now)) this.dial(slot, now);
    const links = this.multipath.all;
    const isHelloTime = links.some((link) => link.helloAt <= now);
    for (const link of links) if (link.state !== 'closed') this.serve(link, now, isHelloTime);
    this.multipath.review(now);
    // Paths that were lost, doubted or taken into use meanwhile want to say so now.
    if (this.multipath.hasSpares)
      for (const link of this.multipath.all)
        if (link.helloAt <= now && link.state !== 'closed') this.writer.hello(link, now);
    for (const news of this.providers.look(links)) this.sink.provider?.(news);
    if (this.trustAt !== undefined && this.trustAt <= now) this.recheckTrust(now);
  }

  nextTimeout(): Instant | undefined {
    if (this.isStopped) return undefined;
    if (this.isWakeStale) this.planWake();
    return this.wakeAt;
  }

  /** Replaces the configured neighbours; links to those no longer configured are closed. */
  setNeighbours(neighbours: readonly NeighbourSpec[], now: Instant): void {
    this.isWakeStale = true;
    const { removed } = this.dialer.configure(neighbours, now);
    for (const slot of removed) {
      if (slot.attempt !== undefined) this.handshakes.cancel(slot.attempt);
      if (slot.address === undefined) continue;
      for (const link of this.multipath.pathsTo(slot.address))
        if (this.slotOf(link) === undefined) this.lose(link, 'no longer configured', now, UNWANTED);
    }
    for (const link of this.multipath.all) {
      const slot = this.slotOf(link);
      if (slot !== undefined) this.dialer.rest(slot, link.neighbour);
    }
  }

  /** What people's clocks say now. Until the first call every certificate is refused. */
  setWallClock(now: Instant, wall: WallTime): void {
    this.wall = { at: now, time: wall };
    this.trustAt = now;
    this.isWakeStale = true;
  }

  /** The node's own new certificate: shown from now on, and to present neighbours by a rekey. */
  certificate(chain: Uint8Array, now: Instant): void {
    this.chain = chain;
    for (const link of this.multipath.all) link.rekeyAt = now;
    this.isWakeStale = true;
  }

  /** Checks all neighbours against the manifest and the clock; those that fail are dropped. */
  recheckTrust(now: Instant): void {
    this.trustAt = (now + TRUST_AGAIN) as Instant;
    this.isWakeStale = true;
    const wall = this.wallAt(now);
    if (wall === undefined) return;
    for (const link of [...this.links.values()]) {
      const reason = trustFault(link.member, { ...this.options, wall });
      if (reason === undefined) continue;
      this.reports.tell('handshake', reason, link.path.remote.key, now);
      this.takeDown(link, reason, now, { code: GOODBYE_REFUSED, detail: reason });
    }
  }

  /** Says goodbye to all and ends. What is to leave still needs `flush`. */
  stop(now: Instant): void {
    for (const link of [...this.links.values()])
      this.takeDown(link, 'stopped', now, { code: GOODBYE_LEAVING, detail: '' });
    this.handshakes.clear();
    this.isStopped = true;
  }

  /** The decision on an `enrolRequest`. False when the joiner is gone. */
  enrolAnswer(request: number, answer: EnrolAnswerText, now: Instant): boolean {
    return this.desk.answer(request, answer, now);
  }

  /** Neighbours whose links are up, in order of address. */
  neighbours(): NodeAddress[] {
    const up = [...this.links.values()].filter((link) => link.isUsable);
    return up.map((link) => link.neighbour).sort((a, b) => a - b);
  }

  status(now: Instant): LinkStatus[] {
    return linkRows({
      links: this.links,
      slots: [...this.dialer.slots],
      slotOf: (link) => this.slotOf(link),
      pathsTo: (neighbour) => this.multipath.pathsTo(neighbour),
      isTroubled: (local) => this.providers.isTroubled(local),
      now,
    });
  }

  // ---------------------------------------------------------------- receiving

  private receiveHandshake(batch: DatagramBatch, i: number, now: Instant): void {
    const from = { remote: batch.remotes[i]!, local: batch.locals[i]! };
    this.isWakeStale = true;
    this.handshakes.receive(batch.view(i), from, now);
  }

  private receiveGoodbye(link: Link, goodbye: Goodbye, now: Instant): void {
    const { code } = goodbye;
    const reason = goodbyeReason(goodbye);
    const slot = this.slotOf(link);
    if (code === GOODBYE_SILENCE) return this.lose(link, reason, now);
    this.takeDown(link, reason, now);
    const isFinal = code === GOODBYE_REFUSED || code === GOODBYE_UNWANTED;
    if (isFinal && slot !== undefined) this.dialer.refused(slot, reason, now);
  }

  private createMultipath(): Multipath {
    const { links, counters } = this;
    return new Multipath({
      links,
      counters,
      sink: {
        switched: (from, to, reason, now) => {
          this.isWakeStale = true;
          this.sending.forgetRecent(to.neighbour);
          this.sink.pathSwitched?.(from, to, reason);
          this.sink.linkMetrics(to.neighbour, to.path.metrics, now);
        },
      },
    });
  }

  private createRecovery(): Recovery {
    const { limits, counters, writer, outgoing, options } = this;
    return new Recovery({
      limits,
      counters,
      self: options.self.address,
      writer,
      slab: outgoing.slab,
      latencyTo: (destination) => options.latencyTo?.(destination),
      data: (link, slab, at, end, now) => this.sink.data(link, slab, at, end, now, true),
      hastened: this.hastened,
    });
  }

  private createReader(): FrameReader {
    return new FrameReader({
      counters: this.counters,
      sink: this.sink,
      writer: this.writer,
      recovery: this.recovery,
      reliable: this.reliable,
      trains: this.trains,
      confirmed: (session, now) => this.handshakes.confirm(session, now),
      refusedByPeer: (session, detail, now) => this.handshakes.refusedByPeer(session, detail, now),
      enrolRequest: (session, { slab, at, end }, now) => {
        this.isWakeStale = true;
        this.desk.request(session, slab, at, end, now);
      },
      goodbye: (link, goodbye, now) => this.receiveGoodbye(link, goodbye, now),
      measured: (link, now) => this.measured(link, now),
      hastened: this.hastened,
      refused: (reason, remote, now) => this.reports.tell('packet', reason, remote, now),
    });
  }

  private measured(link: Link, now: Instant): void {
    if (link.isUsable && !link.isSpare) this.sink.roundTrip?.(link.path, link.neighbour);
    if (link.comesUp(now)) {
      if (!this.multipath.cameUp(link, now)) return;
      this.sending.forgetRecent(link.neighbour);
      this.counters.add('link.up');
      this.sink.linkUp(link.neighbour, link.member, link.metrics, now);
    } else this.tellNews(link, now);
  }

  // ---------------------------------------------------------------- handshakes

  private createHandshakes(): Handshakes<Owner> {
    const { crypto, entropy, identity, trust } = this.options;
    return new Handshakes<Owner>({
      crypto,
      entropy,
      counters: this.counters,
      networkId: trust.manifest.networkId,
      localStatic: crypto.keyAgreement(identity.agreementKey),
      pendingHandshakesMax: this.limits.pendingHandshakesMax,
      handshakesPerSecond: this.limits.handshakesPerSecond,
      credentials: (owner) => ({
        intent: 'member',
        chain: this.chain,
        epoch: this.options.epoch,
        isOneOfSeveral: owner?.isOneOfSeveral === true,
      }),
      isIndexTaken: (index) => this.sessions.has(index),
      send: (bytes, to) => this.outgoing.plain(bytes, to),
      judge: (claim, at) =>
        judgePeer(claim, {
          wall: this.wallAt(at),
          trust,
          self: this.options.self,
          links: this.links,
          dialer: this.dialer,
          hasRoomFor: (neighbour, remote) => this.multipath.hasRoomFor(neighbour, remote),
          neighboursMax: this.limits.neighboursMax,
          acceptLinks: this.options.acceptLinks ?? 'members',
          canEnrol: this.desk.hasRoom,
        }),
      unconfirmed: (session) => this.sessions.set(session.localIndex, session),
      established: (session, owner, at) => this.established(session, owner, at),
      failed: (reason, at, owner, now) => this.handshakeFailed(reason, at, owner, now),
      sayRefused: (session, reason) => this.writer.goodbye(session, GOODBYE_REFUSED, reason),
      abandoned: (session) => this.drop(session),
    });
  }

  private established(session: Session, owner: Owner | undefined, now: Instant): void {
    this.isWakeStale = true;
    this.sessions.set(session.localIndex, session);
    const { member } = session;
    if (member === undefined) {
      this.desk.admit(session, now);
      return;
    }
    const former = this.links.get(member.address);
    if (former !== undefined && former.peerEpoch !== session.peerEpoch)
      this.takeDown(former, 'neighbour restarted', now);
    const isRenewed = owner instanceof Link && owner.state !== 'closed';
    let link = isRenewed ? owner : this.multipath.pathOf(session, member.address);
    if (link === undefined) {
      const { timers, limits, random } = this;
      const options = { self: this.options.self.address, timers, limits, random };
      link = new Link(session, member, options, now);
      this.multipath.add(link, now);
      this.repace(now);
    } else {
      const dropped = link.adopt(session, now);
      if (dropped !== undefined) this.drop(dropped);
    }
    session.link = link;
    const { remote, local } = session;
    const { name, address } = member;
    const matching = this.dialer.slotFor({ name, address, remote, local });
    const slot = owner === undefined || owner instanceof Link ? matching : owner;
    if (slot !== undefined) {
      if (slot.attempt !== undefined) this.handshakes.cancel(slot.attempt);
      this.dialer.rest(slot, member.address);
    }
    // Under the new keys even where the link goes on sending under others: it confirms them.
    this.writer.hello(link, now, session);
  }

  private handshakeFailed(
    reason: string,
    at: Attempt,
    owner: Owner | undefined,
    now: Instant,
  ): void {
    this.isWakeStale = true;
    this.counters.add(`link.handshake.refused.${counterName(reason)}`);
    if (reason !== HANDSHAKE_TIMED_OUT) this.reports.tell('handshake', reason, at.remote.key, now);
    if (owner instanceof Link) {
      if (reason !== HANDSHAKE_TIMED_OUT && owner.state !== 'closed') this.lose(owner, reason, now);
      return;
    }
    const isUp = owner?.address !== undefined && this.links.has(owner.address);
    if (owner !== undefined && !isUp && reason !== HANDSHAKE_TIMED_OUT)
      this.dialer.refused(owner, reason, now);
  }

  private dial(slot: Slot, now: Instant): void {
    const { attempt } = slot;
    const isLone = slot.spec.remotes.length === 1;
    if (attempt !== undefined && !(isLone && this.handshakes.repeat(attempt, now))) {
      slot.reason ??= 'no answer';
      this.dialer.nextPlace(slot);
    }
    const to = this.dialer.take(slot, now);
    if (slot.attempt === undefined) slot.attempt = this.handshakes.initiate(to, slot, now);
  }

  // ---------------------------------------------------------------- a link's timers and end

  private serve(link: Link, now: Instant, isHelloTime: boolean): void {
    const dead = link.judge(now);
    if (dead !== undefined) return this.lose(link, dead, now, SILENCE);
    if (link.hasOldKeys(now)) return this.lose(link, 'keys too old', now, UNWANTED);
    const expired = link.expirePrevious(now);
    if (expired !== undefined) this.drop(expired);
    if (link.takeRekey(now)) {
      this.counters.add('link.rekeys');
      this.handshakes.initiate(link.path, link, now);
    }
    // Before the probe, which large packets bring forward.
    this.trains.serve(link, now);
    if (link.path.mtu.nextAt <= now) this.writer.mtuProbe(link, now);
    this.reader.checkAddress(link, now);
    this.recovery.timeout(link, now);
    if (link.helloAt <= now || (isHelloTime && link.isHelloInStep(now)))
      this.writer.hello(link, now);
    this.tellNews(link, now);
  }

  private tellNews(link: Link, now: Instant): void {
    const news = link.news(now);
    if (news === undefined || link.isSpare) return;
    this.counters.add('link.metrics-told');
    this.sink.linkMetrics(link.neighbour, news, now);
  }

  /** One path is gone; the neighbour too, where it was the last. `goodbye`: what the neighbour is told. */
  private lose(link: Link, reason: string, now: Instant, goodbye?: Goodbye): void {
    if (!this.multipath.lost(link, reason, now)) return this.takeDown(link, reason, now, goodbye);
    // Only this path has ended: whatever the reason, it is silence that the neighbour hears of.
    this.closePath(link, reason, now, goodbye === undefined ? undefined : SILENCE);
  }

  private closePath(link: Link, reason: string, now: Instant, goodbye?: Goodbye): void {
    this.isWakeStale = true;
    if (goodbye !== undefined) this.writer.farewell(link.current, goodbye);
    const slot = this.slotOf(link);
    link.close(now);
    this.drop(link.current);
    if (link.previous !== undefined) this.drop(link.previous);
    if (slot !== undefined) this.dialer.wake(slot, reason, now);
    this.reliable.closed(link, now);
    if (goodbye?.code === GOODBYE_SILENCE) this.providers.gaveUp(link);
  }

  /** State: the neighbour's paths and their sessions are gone; its slots dial again. */
  private takeDown(one: Link, reason: string, now: Instant, goodbye?: Goodbye): void {
    const link = this.links.get(one.neighbour) ?? one;
    for (const spare of this.multipath.forget(link.neighbour))
      this.closePath(spare, reason, now, goodbye);
    const silence = link.path.detector.silence(now);
    const wasUsable = link.isUsable;
    this.closePath(link, reason, now, goodbye);
    this.links.delete(link.neighbour);
    this.repace(now);
    if (!wasUsable) return;
    this.counters.add(`link.down.${counterName(reason)}`);
    this.sink.linkDown(link.neighbour, reason, silence, now);
  }

  /** More links share the budget for hellos, or fewer. */
  private repace(now: Instant): void {
    const { links, multipath, timers, limits } = this;
    paceLinks({ links: links.size, paths: multipath.all }, timers, limits, now);
  }

  private readonly hastened = (): void => {
    this.isWakeStale = true;
  };

  private drop(session: Session): void {
    session.isClosed = true;
    this.sessions.delete(session.localIndex);
  }

  private slotOf(link: Link): Slot | undefined {
    const { name } = link.member;
    const { remote, local } = link.path;
    return this.dialer.slotFor({ name, address: link.neighbour, remote, local });
  }

  private forgive(stall: Duration, now: Instant): void {
    this.counters.add('link.stalls');
    for (const link of this.multipath.all) link.path.detector.forgive(stall, now);
  }

  private wallAt(now: Instant): WallTime | undefined {
    const { wall } = this;
    return wall === undefined ? undefined : ((wall.time + (now - wall.at)) as WallTime);
  }

  private planWake(): void {
    let next = soonest(this.handshakes.nextTimeout(), this.desk.nextTimeout());
    next = soonest(next, soonest(this.dialer.nextTimeout(), this.trustAt));
    next = soonest(next, this.reliable.nextTimeout());
    for (const link of this.multipath.all) next = soonest(next, link.nextTimeout(this.latest));
    this.wakeAt = next;
    this.isWakeStale = false;
  }
}
