/**
 * A flow of numbered datagrams between two daemons, measured by the lab's own `FlowMeter`, and the
 * times at which the network did not carry it as it should: the yardstick for what other programs
 * saw at the same time.
 */
import { FlowMeter } from '../../dist/lab/index.js';

const PAYLOAD_BYTES = 200;

export class MeasuredFlow {
  sentAt = [];
  arrivedAt = [];

  static async start(cluster, { from, to, port, intervalMs = 10, gapMinMs }) {
    const flow = new MeasuredFlow();
    flow.intervalMs = intervalMs;
    flow.meter = new FlowMeter({ intervalMs, ...(gapMinMs === undefined ? {} : { gapMinMs }) });
    flow.sender = await cluster.node(from).handle.datagram({});
    flow.receiver = await cluster.node(to).handle.datagram({ port });
    flow.receiver.on('message', ({ payload }) => flow.#arrived(payload));
    // A lab that ends takes the socket with it.
    flow.sender.once('close', () => clearInterval(flow.timer));
    flow.#carry({ node: to, port });
    return flow;
  }

  /** Sends on absolute time, so that a late timer does not slow the flow down. */
  #carry(to) {
    const payload = new Uint8Array(PAYLOAD_BYTES);
    const view = new DataView(payload.buffer);
    const began = performance.now();
    let sent = 0;
    this.timer = setInterval(() => {
      const now = performance.now();
      for (const due = Math.floor((now - began) / this.intervalMs); sent < due; sent++) {
        const sequence = this.meter.sending(now);
        this.sentAt[sequence] = now;
        view.setUint32(0, sequence);
        this.sender.send(payload, { to });
      }
    }, this.intervalMs / 2);
  }

  #arrived(payload) {
    const now = performance.now();
    const sequence = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
    this.meter.arrived(sequence, now);
    this.arrivedAt[sequence] ??= now;
  }

  get received() {
    return this.meter.snapshot(performance.now()).received;
  }

  async stop() {
    clearInterval(this.timer);
    await this.sender.close();
    await this.receiver.close();
  }

  /** Gaps that ended between the two times, as the meter recorded them. */
  gapsBetween(fromMs, toMs) {
    const { gaps } = this.meter.snapshot(performance.now());
    return gaps.filter((g) => g.fromMs + g.lengthMs >= fromMs && g.fromMs <= toMs);
  }

  /** Packets sent between the two times, but not within `except`, that never came, and all of them. */
  lossBetween(fromMs, toMs, except = []) {
    const sent = [...this.sentAt.keys()].filter((s) => {
      const at = this.sentAt[s];
      return at >= fromMs && at < toMs && !isWithin(except, { fromMs: at, toMs: at });
    });
    return { sent: sent.length, lost: sent.filter((s) => this.arrivedAt[s] === undefined).length };
  }

  /**
   * Times at which packets were lost or overtaken, each with `marginMs` on both sides, joined where
   * they touch. Packets sent in the last second are not judged.
   */
  disturbances(marginMs) {
    const end = (this.sentAt.at(-1) ?? 0) - 1_000;
    const windows = [];
    let latest = 0;
    for (const [sequence, at] of this.sentAt.entries()) {
      const arrived = this.arrivedAt[sequence];
      if (at > end || arrived >= latest) {
        latest = arrived ?? latest;
        continue;
      }
      windows.push({ fromMs: at - marginMs, toMs: (arrived ?? at) + marginMs });
    }
    const { gaps } = this.meter.snapshot(performance.now());
    for (const { fromMs, lengthMs } of gaps)
      windows.push({ fromMs: fromMs - marginMs, toMs: fromMs + lengthMs + marginMs });
    return joined(windows);
  }
}

/** Windows in order of time, those that touch made one. */
export function joined(windows) {
  const result = [];
  for (const window of [...windows].sort((a, b) => a.fromMs - b.fromMs)) {
    const last = result.at(-1);
    if (last !== undefined && window.fromMs <= last.toMs)
      last.toMs = Math.max(last.toMs, window.toMs);
    else result.push({ ...window });
  }
  return result;
}

export const isWithin = (windows, { fromMs, toMs }) =>
  windows.some((w) => fromMs <= w.toMs && toMs >= w.fromMs);
