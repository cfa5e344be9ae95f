/**
 * One direction of an emulated path: hops in series, each a `PathModel`, and a queue of
 * packets on their way. Hops keep order and ask for instants that never go back, so a packet's passage
 * through all of them is computed when it enters; only its end needs a timer.
 */
import { IP_UDP_HEADER_BYTES, PathModel } from '../../dist/impairment/index.js';

/** Timers of Node fire up to this much late; the last bit of a wait is spent asking the clock. */
const TIMER_SLACK_US = 1_500;

export class DelayLine {
  /** `hops`: impairments of each, in microseconds, bytes and bits a second. */
  constructor({ hops, random, deliver, clock = () => performance.now() * 1_000 }) {
    this.hops = hops.map(
      (impairments, i) => new PathModel({ random: random.split(`hop ${i}`), impairments }),
    );
    this.deliver = deliver;
    this.clock = clock;
    this.waiting = [];
    this.head = 0;
    this.isArmed = false;
    this.isClosed = false;
    this.latenessMax = 0;
  }

  /** Takes a whole IP packet; copies it. */
  enter(packet) {
    let at = Math.round(this.clock());
    for (const hop of this.hops) {
      // The model adds the headers of the UDP datagram that it takes its input for.
      if (hop.offer(packet.length - IP_UDP_HEADER_BYTES, at) === 0) return;
      at = hop.arrivals[0];
    }
    this.waiting.push({ at, packet: Uint8Array.from(packet) });
    this.arm();
  }

  /** `{ cut, mtu, queue, loss }`: packets lost so far, over all hops. */
  drops() {
    const sum = { cut: 0, mtu: 0, queue: 0, loss: 0 };
    for (const hop of this.hops)
      for (const reason of Object.keys(sum)) sum[reason] += hop.drops[reason];
    return sum;
  }

  close() {
    this.isClosed = true;
    this.waiting = [];
  }

  arm() {
    const next = this.waiting[this.head];
    if (next === undefined || this.isArmed || this.isClosed) return;
    this.isArmed = true;
    const wait = next.at - this.clock();
    const release = () => {
      this.isArmed = false;
      this.release();
    };
    if (wait > TIMER_SLACK_US) setTimeout(release, Math.floor((wait - TIMER_SLACK_US) / 1_000));
    else setImmediate(release);
  }

  release() {
    const now = this.clock();
    while (this.head < this.waiting.length && this.waiting[this.head].at <= now) {
      const { at, packet } = this.waiting[this.head++];
      this.latenessMax = Math.max(this.latenessMax, now - at);
      this.deliver(packet);
    }
    if (this.head > 1_024) {
      this.waiting.splice(0, this.head);
      this.head = 0;
    }
    this.arm();
  }
}
