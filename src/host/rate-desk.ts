/**
 * Rates that applications reserve for the flows they open. The node asks
 * every link of the flow's way (`forwarding/reservation/`); what it hears ends the wait of whoever opens
 * the flow, within `OPEN_PATIENCE`.
 */
import type { NodeAddress } from '../kernel/index.ts';
import { OverlayError } from '../kernel/index.ts';
import type { NodeEvent, NodeRefusal, ReservationNews, SocketId, StreamId } from '../node/index.ts';
import { failure, refusalFailure } from './failure.ts';
import type { NodeDriver } from './node-driver.ts';
import { nameIn } from './present.ts';
import { shortWords } from './present-bandwidth.ts';

export interface Reservation {
  release(): void;
}

export class RateDesk {
  private readonly driver: NodeDriver;
  private readonly opening = new Map<number, (news: ReservationNews) => void>();

  constructor(driver: NodeDriver) {
    this.driver = driver;
  }

  /** Fails with RATE_NOT_AVAILABLE, CLOSED; `rate` is bits a second. */
  async reserve(
    rate: number,
    socket: SocketId | StreamId,
    destination: NodeAddress,
  ): Promise<Reservation> {
    const opened = this.driver.call(
      (node, now) => node.bandwidth?.reserve({ socket, destination, rate }, now) ?? UNABLE,
      CLOSED,
    );
    if (!opened.ok) throw refusalFailure(opened.reason, ABOUT[opened.reason] ?? 'rate');
    const id = opened.value;
    const news = await new Promise<ReservationNews>((resolve) => this.opening.set(id, resolve));
    this.opening.delete(id);
    if (news.state !== 'held') throw this.notAvailable(news);
    return {
      release: () => this.driver.call((node, now) => node.bandwidth?.release(id, now), undefined),
    };
  }

  heard(event: NodeEvent): void {
    if (event.kind === 'reservation') this.opening.get(event.id)?.(event);
  }

  /** The node stops: nobody waits for an answer any more. */
  close(): void {
    for (const [id, settle] of this.opening) settle({ ...STOPPED, id });
  }

  private notAvailable({ short, rate }: ReservationNews): OverlayError {
    if (short === undefined) return failure('NODE_STOPPED');
    const nameOf = nameIn(this.driver.node);
    const { from, to, verdict, available, capacity, ways } = short;
    return new OverlayError('RATE_NOT_AVAILABLE', shortWords(short, rate, nameOf), {
      details: {
        link: `${nameOf(from)}-${nameOf(to)}`,
        reason: verdict,
        wanted: rate,
        available,
        capacity,
        ways,
      },
      isRetryable: verdict !== 'member-limit' && rate <= capacity,
    });
  }
}

const ABOUT: Partial<Record<NodeRefusal, string>> = {
  'rate-already-reserved': 'a second rate for one flow; release the first, or open another socket',
};
const CLOSED = { ok: false, reason: 'closed' } as const;
const UNABLE = { ok: false, reason: 'bad-argument' } as const;
const STOPPED = {
  destination: 0 as NodeAddress,
  rate: 0,
  state: 'refused',
  short: undefined,
} as const;
