/**
 * The adjacency of two neighbours: sessions (keys), a path (measurements), and when to say hello.
 *
 *   connecting --three round trips measured--> up <--> suspect --> closed
 *
 * Two sessions may be in use at once. Packets leave on `current`; what still arrives on `previous`
 * is accepted until nothing has for a while. When both neighbours opened at the same moment both
 * sessions stand, and both ends prefer the one that the lower address opened; should they ever
 * disagree, each still receives what the other sends, and follows it.
 */
import type { Duration, Instant, NodeAddress, Random } from '../kernel/index.ts';
import type { Member } from '../security/index.ts';
import { HELLO_ANSWER_AT_ONCE, HELLO_HURRY, HELLO_SPARE } from '../wire/index.ts';
import { LinkUse } from './capacity/link-use.ts';
import type { LinkMetrics } from './metrics-damper.ts';
import { MetricsDamper } from './metrics-damper.ts';
import type { LinkLimits, LinkTimers } from './options.ts';
import { isWornOut } from './outgoing.ts';
import { Path } from './path.ts';
import type { LinkRecovery } from './recovery/link-recovery.ts';
import type { Session } from './session.ts';

export type LinkState = 'connecting' | 'up' | 'suspect' | 'closed';

const PREVIOUS_LIFE = 5_000_000;
const SIMULTANEOUS = 3_000_000;
/** Silence on the current session after which an older one that is heard takes over. */
const FOLLOW_AFTER = 200_000;
const SAMPLES_TO_COME_UP = 3;
const BURST_INTERVAL = 20_000;
const HURRY_LIFE = 250_000;
const HURRY_INTERVAL = 15_000;
/** A neighbour that sends this much needs no urging to tell a loss soon. */
const HURRY_BELOW_PER_SECOND = 40;
const ANSWER_SPACING = 5_000;
const REKEY_AGAIN = 5_000_000;
const KEY_AGES_MAX = 3;
const KEY_AGE_GRACE = 60_000_000;
/** Above this interval a hello asks for its echo at once. */
const ECHO_HELD_MAX = 4_000_000;
const PACE_TOLD_WITHIN = 50_000;
/** Hellos of a path that neither end uses are so many times rarer. */
const SPARE_HELLOS = 5;

export interface LinkOptions {
  readonly self: NodeAddress;
  readonly timers: LinkTimers;
  readonly limits: LinkLimits;
  readonly random: Random;
}

export class Link {
  readonly neighbour: NodeAddress;
  readonly peerEpoch: number;
  readonly path: Path;
  readonly openedAt: Instant;
  readonly isOneOfSeveral: boolean;
  member: Member;
  state: LinkState = 'connecting';
  stateSince: Instant;
  current: Session;
  previous: Session | undefined;
  /** Once packets that ask for recovery, or losses, have been seen. */
  recovery: LinkRecovery | undefined;
  /** When the next hello leaves, at the latest. */
  helloAt: Instant;
  rekeyAt: Instant;
  /** Between hellos while nothing is wrong; the layer stretches it where there are many links. */
  helloInterval: Duration;
  /** Another path to the neighbour is in use, here and there; see `multipath.ts`. */
  isSpare = false;
  isSpareThere = false;
  /** A neighbour asked for an answer at once, in the packets being handled now. */
  owesAnswer = false;
  bytesOut = 0;
  bytesIn = 0;
  packetsOut = 0;
  private packetsAtHello = 0;
  packetsIn = 0;
  readonly use: LinkUse;
  /** From when on it may be measured though it is idle. */
  idleTrainAt = 0;
  /** Trains have told nothing lately. */
  unmeasurableUntil = 0;
  private readonly options: LinkOptions;
  private helloSentAt: Instant;
  private helloSpacing: number;
  private hurryUntil = 0;
  private isWornOutKnown = false;
  private isAsking = false;
  private paceAsked: Duration;
  private damper: MetricsDamper | undefined;

  constructor(session: Session, member: Member, options: LinkOptions, now: Instant) {
    this.neighbour = member.address;
    this.member = member;
    this.peerEpoch = session.peerEpoch;
    this.options = options;
    this.path = new Path(session, options, now);
    this.isOneOfSeveral = session.isOneOfSeveral;
    this.current = session;
    this.openedAt = now;
    this.use = new LinkUse(now);
    this.stateSince = now;
    this.helloAt = now;
    this.helloInterval = options.timers.helloInterval;
    this.paceAsked = options.timers.helloInterval;
    this.helloSpacing = options.timers.helloInterval;
    this.helloSentAt = (now - ANSWER_SPACING) as Instant;
    this.rekeyAt = now;
    this.planRekey(now);
  }

  /** Whether packets may be sent: the link has come up and not gone. */
  get isUsable(): boolean {
    return this.state === 'up' || this.state === 'suspect';
  }

  get mtu(): number {
    return this.path.mtu.mtu;
  }

  /** Last told to routing; measured ones before that. */
  get metrics(): LinkMetrics {
    return this.damper?.metrics ?? this.path.metrics;
  }

  /** A further handshake with the same incarnation of the neighbour is done. Returns what to drop. */
  adopt(session: Session, now: Instant): Session | undefined {
    const { current } = this;
    const dropped = this.previous;
    const isSimultaneous =
      session.isInitiator !== current.isInitiator &&
      now - current.establishedAt < SIMULTANEOUS &&
      now - current.lastHeardAt < FOLLOW_AFTER;
    const isOurs = this.options.self < this.neighbour;
    if (isSimultaneous && current.isInitiator === isOurs) {
      this.previous = session;
    } else {
      this.previous = current;
      this.current = session;
    }
    if (session.member !== undefined) this.member = session.member;
    this.isWornOutKnown = false;
    this.planRekey(now);
    return dropped;
  }

  /** An authentic packet came under `session`. */
  heard(session: Session, bytes: number, now: Instant): void {
    this.path.detector.heard(now);
    this.packetsIn++;
    this.bytesIn += bytes;
    if (session === this.current || session !== this.previous) return;
    if (now - this.current.lastHeardAt < FOLLOW_AFTER) return;
    this.previous = this.current;
    this.current = session;
  }

  /** The session that is not used any more, once that is certain. */
  expirePrevious(now: Instant): Session | undefined {
    const { previous } = this;
    if (previous === undefined || now < this.previousEnds()) return undefined;
    this.previous = undefined;
    return previous;
  }

  /** Whether a hello should ride along in a packet that leaves now. */
  isHelloNear(now: Instant): boolean {
    return now + this.helloSpacing / 4 >= this.helloAt;
  }

  /**
   * Whether its hello should leave with those of other links that are due now. Waking up costs more
   * than sealing a hello: links of one node fall into step, and a node wakes once for all of them.
   */
  isHelloInStep(now: Instant): boolean {
    return now + this.helloSpacing / 8 >= this.helloAt;
  }

  /** Whether an answer that is owed may go now; otherwise the next hello is brought forward. */
  mayAnswer(now: Instant): boolean {
    this.owesAnswer = false;
    if (now - this.helloSentAt >= ANSWER_SPACING) return true;
    this.helloAt = Math.min(this.helloAt, this.helloSentAt + ANSWER_SPACING) as Instant;
    return false;
  }

  get packetsSinceHello(): number {
    return this.packetsOut - this.packetsAtHello;
  }

  /** Flags of a hello that leaves now. State: plans the next one. */
  helloLeaves(now: Instant): number {
    const { probeInterval } = this.options.timers;
    const { helloInterval } = this;
    const isAnswer = this.state === 'up' && now < this.helloAt - helloInterval / 4;
    const { loss, order } = this.path;
    order.roll(this.packetsIn, now);
    this.packetsAtHello = this.packetsOut;
    const isUrging = loss.isCurious && loss.arrivalsPerSecond < HURRY_BELOW_PER_SECOND;
    let flags = isUrging ? HELLO_HURRY : 0;
    let interval: number = helloInterval;
    // An echo that comes a slow hello later says little: it is asked for, and answered beside the pace.
    if (helloInterval > ECHO_HELD_MAX && !isAnswer) flags |= HELLO_ANSWER_AT_ONCE;
    if (isUrging) interval = helloInterval / 2;
    if (now < this.hurryUntil) interval = HURRY_INTERVAL;
    if (this.state === 'connecting') {
      interval = this.isYoung(now) ? BURST_INTERVAL : this.options.timers.helloInterval / 2;
      flags |= HELLO_ANSWER_AT_ONCE;
    } else if (this.state === 'suspect') {
      interval = probeInterval;
      flags |= HELLO_ANSWER_AT_ONCE;
    }
    if (this.isSpare) flags |= HELLO_SPARE;
    if (this.isAsking) flags |= HELLO_ANSWER_AT_ONCE;
    this.isAsking = false;
    this.helloSentAt = now;
    if (isAnswer && helloInterval > ECHO_HELD_MAX) return flags;
    const jitter = this.options.random.fraction() * 0.1 - 0.05;
    this.helloSpacing = interval;
    this.helloAt = Math.max(now + 1, Math.round(now + interval * (1 + jitter))) as Instant;
    return flags;
  }

  /** State: hellos leave at this pace from the next one on; the neighbour is told. */
  pace(helloInterval: Duration, now: Instant): void {
    this.paceAsked = helloInterval;
    this.follow(now);
  }

  private follow(now: Instant): void {
    const isQuiet = this.isSpare && this.isSpareThere;
    const rare = isQuiet ? SPARE_HELLOS * this.options.timers.helloInterval : 0;
    const helloInterval = Math.max(this.paceAsked, rare) as Duration;
    if (helloInterval === this.helloInterval) return;
    const isSlower = helloInterval > this.helloInterval;
    this.helloInterval = helloInterval;
    this.path.pace = helloInterval === this.options.timers.helloInterval ? 0 : helloInterval;
    // The neighbour has to know before it waits in vain.
    if (isSlower) this.helloAt = Math.min(this.helloAt, now + PACE_TOLD_WITHIN) as Instant;
    else this.helloAt = Math.min(this.helloAt, now + helloInterval) as Instant;
  }

  /** Of a hello that leaves now. */
  get helloBytes(): number {
    return this.path.helloBytes;
  }

  /** What the neighbour's hello says of this path. */
  spareThere(isSpare: boolean, now: Instant): void {
    if (isSpare === this.isSpareThere) return;
    this.isSpareThere = isSpare;
    this.follow(now);
  }

  /** Wants to hear from the neighbour on this path at once. */
  ask(now: Instant): void {
    this.isAsking = true;
    this.helloAt = now;
  }

  /** From now on another path is in use. */
  becomesSpare(now: Instant): void {
    this.isSpare = true;
    this.follow(now);
  }

  /** From now on this path is in use: it is judged as such, with the whole budget before it. */
  takenIntoUse(now: Instant): void {
    this.isSpare = false;
    this.follow(now);
    this.path.detector.pace(this.helloInterval);
    this.path.adapt();
    this.path.detector.restart(now);
    this.ask(now);
  }

  /** The neighbour looks into a loss and wants more to count for a moment. */
  hurry(now: Instant): void {
    this.hurryUntil = now + HURRY_LIFE;
    this.helloAt = Math.min(this.helloAt, now + HURRY_INTERVAL) as Instant;
  }

  /** A gap was seen: ask the neighbour for more to count, at once. */
  urge(now: Instant): void {
    if (this.path.loss.arrivalsPerSecond >= HURRY_BELOW_PER_SECOND) return;
    const soon = this.helloSentAt + this.options.timers.probeInterval;
    this.helloAt = Math.min(this.helloAt, Math.max(now, soon)) as Instant;
  }

  /** True once, when enough is measured for the link to come up. */
  comesUp(now: Instant): boolean {
    if (this.state !== 'connecting' || this.path.rtt.samples < SAMPLES_TO_COME_UP) return false;
    this.enter('up', now);
    this.damper = new MetricsDamper(this.path.metrics, now);
    return true;
  }

  /** The metrics, when they have become worth telling. */
  news(now: Instant): LinkMetrics | undefined {
    const { damper, path } = this;
    if (!this.isUsable || damper === undefined) return undefined;
    const hasStepped = damper.hasStepped(path.rtt.rtt, now);
    if (hasStepped) path.rtt.snap();
    return damper.update(path.metrics, hasStepped, now);
  }

  /** Follows the failure detector; the reason, when the neighbour is dead. */
  judge(now: Instant): string | undefined {
    const verdict = this.path.detector.verdict(now);
    if (verdict === 'silent') return 'silence';
    if (verdict === 'unheard') return 'not heard by the neighbour';
    if (verdict === 'suspect' && this.state === 'up') {
      this.enter('suspect', now);
      this.helloAt = now;
    } else if (verdict === 'alive' && this.state === 'suspect') this.enter('up', now);
    return undefined;
  }

  /** Whether the keys' age or use asks for new ones now. State: the next time is planned. */
  takeRekey(now: Instant): boolean {
    if (this.state === 'connecting') return false;
    if (now < this.rekeyAt && (this.isWornOutKnown || !isWornOut(this.current))) return false;
    this.isWornOutKnown = isWornOut(this.current);
    this.rekeyAt = (now + REKEY_AGAIN) as Instant;
    return true;
  }

  /** Whether its keys should long have been renewed: the neighbour does not answer to it. */
  hasOldKeys(now: Instant): boolean {
    const age = now - this.current.establishedAt;
    return age > KEY_AGES_MAX * this.options.timers.rekeyAfter + KEY_AGE_GRACE;
  }

  close(now: Instant): void {
    this.enter('closed', now);
  }

  nextTimeout(now: Instant): Instant {
    const { mtu, capacity, detector } = this.path;
    let next = Math.min(this.helloAt, mtu.nextAt, capacity.nextAt, detector.nextChange(now));
    if (this.state !== 'connecting') next = Math.min(next, this.rekeyAt);
    if (this.recovery !== undefined) next = Math.min(next, this.recovery.nextTimeout());
    if (this.path.check !== undefined) next = Math.min(next, this.path.check.nextAt);
    if (this.previous !== undefined) next = Math.min(next, this.previousEnds());
    return next as Instant;
  }

  private previousEnds(): number {
    const { previous } = this;
    if (previous === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(previous.lastHeardAt, this.current.establishedAt) + PREVIOUS_LIFE;
  }

  private isYoung(now: Instant): boolean {
    return now - this.openedAt < 500_000;
  }

  private planRekey(now: Instant): void {
    const { rekeyAfter } = this.options.timers;
    const share = this.current.isInitiator ? 1 : 1.25;
    const jitter = 1 - 0.05 * this.options.random.fraction();
    this.rekeyAt = Math.round(now + rekeyAfter * share * jitter) as Instant;
  }

  private enter(state: LinkState, now: Instant): void {
    this.state = state;
    this.stateSince = now;
  }
}
