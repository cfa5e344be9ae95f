/**
 * Twelve cities whose own monitors find the faults. Real: each link's `Link` at both ends (pace of
 * hellos, loss, round-trip and failure estimators, damping), each node's `LinkStateRouting` (damped
 * advertisement, signed flooding over the links' latencies and losses, routes, dissemination graphs,
 * switching). Modelled: the wire between them, which loses in runs and delays, the data packets on a
 * link, of which the monitors see a sample, and the handshake after a link was given up.
 *
 * Only links in trouble, and for half a minute after, are worked in detail.
 */
import { Heap, instant, milliseconds, Random, seconds } from '../../../dist/kernel/index.js';
import { Link } from '../../../dist/link/link.js';
import { LINK_LIMITS, LINK_TIMERS } from '../../../dist/link/options.js';
import { TestNetwork } from '../../../dist/routing/test-network.test.js';
import { CITY_LINKS } from '../../../dist/sim/continent.js';
import { HELLO_HURRY } from '../../../dist/wire/index.js';
import { SITES } from './workload.mjs';

const TICK = milliseconds(25);
const JITTER_US = 50;
/** Probability that the packet after a lost one is lost too. */
const RUN = 0.5;
const REDIAL_AFTER = seconds(1);

/** One direction of a link. */
class Way {
  constructor(from, to, latency) {
    Object.assign(this, { from, to, base: latency, latency, loss: 0, isBad: false, missing: 0 });
    this.dataPerTick = 0;
  }

  /** Whether the next packet is lost: a Gilbert process with the way's mean loss. */
  loses(random) {
    const p = this.loss;
    if (p === 0) {
      this.isBad = false;
      return false;
    }
    const stay = Math.max(RUN, p);
    const turn = (p * (1 - stay)) / (1 - p);
    this.isBad = random.fraction() < (this.isBad ? stay : turn);
    return this.isBad;
  }
}

export class MonitoredNetwork {
  constructor(seed, { dataPerSecond = 100 } = {}) {
    this.random = new Random(seed);
    this.network = new TestNetwork({ seed, timers: { refreshInterval: seconds(3_600) } });
    this.dataPerTick = dataPerSecond / 40;
    this.ways = new Map();
    this.monitors = new Map();
    this.activeUntil = new Map();
    this.hellos = new Heap((x, y) => x.at - y.at || x.order - y.order);
    this.order = 0;
    this.network.send = (from, neighbour, type, body) =>
      this.sendFrame(from, neighbour, type, body);
    for (const site of SITES) this.network.add(site);
    for (const { a, b, latencyMilliseconds } of CITY_LINKS) {
      for (const [from, to] of [
        [a, b],
        [b, a],
      ])
        this.ways.set(`${from}-${to}`, new Way(from, to, milliseconds(latencyMilliseconds)));
      this.openLink(a, b);
    }
    this.run(15);
    this.activeUntil.clear();
  }

  get now() {
    return this.network.now;
  }

  routing(site) {
    return this.network.node(site).routing;
  }

  address(site) {
    return this.network.node(site).address;
  }

  /** Sets what a direction is like from now on; its monitors follow. */
  impair(from, to, { loss, latency }) {
    const way = this.ways.get(`${from}-${to}`);
    way.loss = loss;
    way.latency = way.base + milliseconds(latency);
    this.activate(from, to, 0);
  }

  activate(from, to, forSeconds) {
    const key = from < to ? `${from}-${to}` : `${to}-${from}`;
    if (!this.activeUntil.has(key)) this.resume(key);
    this.activeUntil.set(key, this.now + seconds(35 + forSeconds));
  }

  get isQuiet() {
    return this.activeUntil.size === 0;
  }

  /** `each` is called once a tick. */
  run(forSeconds, each = () => {}) {
    const end = this.now + seconds(forSeconds);
    while (this.now < end) {
      const step = Math.min(TICK, end - this.now);
      this.tick();
      this.network.run(step / 1_000);
      each(step);
    }
  }

  tick() {
    for (const [key, until] of this.activeUntil) {
      const [a, b] = key.split('-');
      const isImpaired = [this.ways.get(`${a}-${b}`), this.ways.get(`${b}-${a}`)].some(
        (way) => way.loss > 0 || way.latency !== way.base,
      );
      if (isImpaired) this.activeUntil.set(key, this.now + seconds(35));
      else if (until <= this.now && !this.isPending(a, b)) {
        this.activeUntil.delete(key);
        continue;
      }
      this.work(a, b);
      this.work(b, a);
    }
  }

  /** Something about a link that is well is still told as bad. */
  isPending(a, b) {
    return [this.monitors.get(`${a}-${b}`), this.monitors.get(`${b}-${a}`)].some(
      (link) => link === undefined || link.path.loss.toldPpm > 0 || link.path.lossOutToldPpm > 0,
    );
  }

  /** One tick of the link as seen from `from`: what it sends, and its verdict on the other end. */
  work(from, to) {
    const link = this.monitors.get(`${from}-${to}`);
    if (link === undefined) return;
    const way = this.ways.get(`${from}-${to}`);
    const far = this.monitors.get(`${to}-${from}`);
    const { now, random } = this;
    for (way.dataPerTick += this.dataPerTick; way.dataPerTick >= 1; way.dataPerTick--) {
      if (way.loses(random)) way.missing++;
      else if (far !== undefined) this.count(far, way, now);
    }
    while (link.helloAt <= now + TICK) {
      const at = instant(Math.max(now, link.helloAt));
      const hello = { ...link.path.hello(link.helloLeaves(at), at) };
      if (way.loses(random)) way.missing++;
      else {
        const arrives = instant(Math.round(at + way.latency + random.fraction() * JITTER_US));
        this.network.at(arrives, () => this.receive(to, from, hello));
      }
    }
    const reason = link.judge(now);
    if (reason !== undefined) this.closeLink(from, to, reason);
  }

  count(link, way, now) {
    link.path.detector.heard(now);
    link.path.loss.arrived(way.missing, now);
    if (way.missing > 0) link.urge(now);
    way.missing = 0;
  }

  receive(at, from, hello) {
    const link = this.monitors.get(`${at}-${from}`);
    if (link === undefined) return;
    const { now } = this;
    this.count(link, this.ways.get(`${from}-${at}`), now);
    link.path.receiveHello(hello, now);
    if ((hello.flags & HELLO_HURRY) !== 0) link.hurry(now);
    const neighbour = this.address(from);
    const news = link.comesUp(now) ? link.metrics : link.news(now);
    if (news !== undefined) this.routing(at).adjacency(neighbour, news, 'measured', now);
  }

  openLink(a, b) {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ]) {
      const session = { isInitiator: from < to, establishedAt: this.now, lastHeardAt: this.now };
      const options = {
        self: this.address(from),
        timers: LINK_TIMERS,
        limits: LINK_LIMITS,
        random: this.random.split(`${from}-${to}`),
      };
      const member = this.network.node(to).member;
      this.monitors.set(`${from}-${to}`, new Link(session, member, options, this.now));
    }
    this.activate(a, b, 0);
  }

  closeLink(a, b, reason) {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ]) {
      this.monitors.delete(`${from}-${to}`);
      this.routing(from).adjacency(this.address(to), undefined, reason, this.now);
    }
    const again = () => {
      const worst = Math.max(this.ways.get(`${a}-${b}`).loss, this.ways.get(`${b}-${a}`).loss);
      if (worst < 0.6) this.openLink(a, b);
      else this.network.at(this.now + REDIAL_AFTER, again);
    };
    this.network.at(this.now + REDIAL_AFTER, again);
  }

  /** Nothing was worked while all was well: silence then proves nothing. */
  resume(key) {
    const [a, b] = key.split('-');
    for (const link of [this.monitors.get(`${a}-${b}`), this.monitors.get(`${b}-${a}`)]) {
      if (link === undefined) continue;
      link.path.detector.forgive(this.now, this.now);
      link.helloAt = this.now;
    }
  }

  sendFrame(from, neighbour, type, body) {
    const to = this.network.byAddress.get(neighbour);
    const key = `${from.name}-${to.name}`;
    const way = this.ways.get(key);
    if (!this.monitors.has(key)) return false;
    if (way.loss > 0 && this.random.fraction() < way.loss) return true;
    this.network.at(this.now + way.latency, () => {
      if (this.monitors.has(key))
        to.routing.frame(from.address, type, body, 0, body.length, this.network.now);
    });
    return true;
  }
}
