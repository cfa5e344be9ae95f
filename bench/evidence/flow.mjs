/**
 * A flow of numbered datagrams through two daemons of a lab, sent and received by this process and so
 * measured with one clock. Keeps the arrival of every packet: experiments ask about it afterwards.
 */
import { pause } from './measure.mjs';

const PAYLOAD_BYTES = 200;
/** Slack of this process that makes a measured gap doubtful. */
export const STALL_MS = 50;

export class LabFlow {
  /** `from`, `to`: nodes of the cluster. */
  static async open(cluster, options) {
    const { from, to, port = 9, intervalMs = 10, routing = 'best', payloadBytes } = options;
    const receiver = await cluster.node(to).handle.datagram({ port });
    const sender = await cluster.node(from).handle.datagram({ routing });
    return new LabFlow({ receiver, sender, to, port, intervalMs, payloadBytes });
  }

  constructor({ receiver, sender, to, port, intervalMs, payloadBytes = PAYLOAD_BYTES }) {
    Object.assign(this, { receiver, sender, intervalMs, target: { node: to, port } });
    this.origin = performance.now();
    /** By sequence number, milliseconds since `origin`; NaN where nothing came. */
    this.sentAt = [];
    this.arrivedAt = [];
    /** In order of arrival. */
    this.arrivals = [];
    this.stallMs = 0;
    receiver.on('message', ({ payload }) => this.arrived(payload));
    const payload = new Uint8Array(payloadBytes);
    let last = this.now();
    this.timer = setInterval(() => {
      const now = this.now();
      this.stallMs = Math.max(this.stallMs, now - last - intervalMs);
      last = now;
      for (const due = Math.floor(now / intervalMs); this.sentAt.length < due; )
        this.send(payload, now);
    }, intervalMs / 2);
  }

  now() {
    return performance.now() - this.origin;
  }

  /** The longest time without an arrival that reaches into [from, until], open ones included. */
  longestGap(from, until = this.now()) {
    const to = Math.min(until, this.now());
    let longest = 0;
    let before;
    for (let i = this.arrivals.length - 1; i >= 0 && (before ?? to) >= from; i--) {
      const at = this.arrivals[i];
      if (at <= to) longest = Math.max(longest, (before ?? Math.max(to, at)) - at);
      before = at;
    }
    return Math.max(0, longest - this.intervalMs);
  }

  /** Share of the packets sent in [from, to] that never came; ask a second after `to`. */
  loss(from, to) {
    let sent = 0;
    let lost = 0;
    for (
      let s = Math.max(0, this.first(from));
      s < this.sentAt.length && this.sentAt[s] <= to;
      s++
    ) {
      sent++;
      if (Number.isNaN(this.arrivedAt[s])) lost++;
    }
    return sent === 0 ? 0 : lost / sent;
  }

  /** When the last packet that was lost, of those sent in [from, to], had been sent; undefined: none was. */
  lastLoss(from, to) {
    for (let s = this.sentAt.length - 1; s >= 0 && this.sentAt[s] >= from; s--)
      if (this.sentAt[s] <= to && Number.isNaN(this.arrivedAt[s])) return this.sentAt[s];
    return undefined;
  }

  latencies(from, to) {
    const list = [];
    for (let s = Math.max(0, this.first(from)); s < this.sentAt.length && this.sentAt[s] <= to; s++)
      if (!Number.isNaN(this.arrivedAt[s])) list.push(this.arrivedAt[s] - this.sentAt[s]);
    return list;
  }

  /** Waits until packets have come without a loss or gap for `ms`; false after `withinMs`. */
  async steady(ms, withinMs) {
    const deadline = this.now() + withinMs;
    for (let from = this.now(); this.now() < deadline; await pause(50)) {
      const now = this.now();
      if (now - from < ms) continue;
      const isSteady = this.longestGap(now - ms) < 100 && this.loss(now - ms, now - 300) === 0;
      if (isSteady) return true;
      from = now - ms / 2;
    }
    return false;
  }

  async close() {
    clearInterval(this.timer);
    await Promise.allSettled([this.sender.close(), this.receiver.close()]);
  }

  send(payload, now) {
    const sequence = this.sentAt.length;
    new DataView(payload.buffer).setUint32(0, sequence);
    this.sentAt.push(now);
    this.arrivedAt.push(Number.NaN);
    try {
      this.sender.send(payload, { to: this.target });
    } catch {
      // The daemon, or the whole lab, is gone: an experiment that failed has its own error to show.
      clearInterval(this.timer);
    }
  }

  arrived(payload) {
    const sequence = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
    if (!Number.isNaN(this.arrivedAt[sequence] ?? 0)) return;
    const now = this.now();
    this.arrivedAt[sequence] = now;
    this.arrivals.push(now);
  }

  first(from) {
    return Math.floor(from / this.intervalMs) - 1;
  }
}
