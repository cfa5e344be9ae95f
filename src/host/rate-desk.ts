/**
 * Rates that flows of this node have reserved, against the stated capacity of the link they leave on.
 * A flow that asks for more than is left is refused when it is opened, with what is left.
 *
 * It knows what this node knows: its own links and its own flows. Links further on and other sources
 * are kept in their shares by the fair queues of the nodes there, and a flow that is rerouted takes its
 * rate along without being asked again. A link without a stated capacity refuses nothing.
 */
import type { NodeAddress } from '../kernel/index.ts';
import { formatRate, OverlayError, parseRate } from '../kernel/index.ts';
import { failure } from './failure.ts';

/** The way out of this node that a flow will take first. */
export interface FirstLink {
  readonly neighbour: NodeAddress;
  readonly name: string;
  /** Bits per second; undefined or 0: not stated. */
  readonly capacity: number | undefined;
}

export interface Reservation {
  release(): void;
}

const NONE: Reservation = { release: () => {} };

export class RateDesk {
  private readonly reserved = new Map<NodeAddress, number>();

  /** Fails with RATE_NOT_AVAILABLE, BAD_ARGUMENT. */
  reserve(rate: string | undefined, link: FirstLink | undefined): Reservation {
    if (rate === undefined) return NONE;
    const bits = rateOf(rate);
    if (link?.capacity === undefined || link.capacity === 0) return NONE;
    const { neighbour } = link;
    const before = this.reserved.get(neighbour) ?? 0;
    const left = Math.max(0, link.capacity - before);
    if (bits > left) throw notAvailable(bits, left, link);
    this.reserved.set(neighbour, before + bits);
    let isHeld = true;
    return {
      release: () => {
        if (isHeld) this.reserved.set(neighbour, (this.reserved.get(neighbour) ?? 0) - bits);
        isHeld = false;
      },
    };
  }
}

function rateOf(text: string): number {
  const bits = parseRate(text);
  if (bits !== undefined && bits > 0) return bits;
  throw failure('BAD_ARGUMENT', `rate "${text}", expected such as "8Mbit"`);
}

function notAvailable(bits: number, left: number, link: FirstLink): OverlayError {
  const capacity = link.capacity ?? 0;
  return new OverlayError(
    'RATE_NOT_AVAILABLE',
    `${formatRate(bits)} are more than is left on the link to ${link.name}: ` +
      `${formatRate(left)} of ${formatRate(capacity)}`,
    {
      details: { link: link.name, wanted: bits, available: left, capacity },
      isRetryable: left < capacity,
    },
  );
}
