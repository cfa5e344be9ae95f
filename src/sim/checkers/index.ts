import type { Checker } from '../trace.ts';
import { DeliverOnce } from './deliver-once.ts';
import { ForwardOnce } from './forward-once.ts';
import { Heals } from './heals.ts';
import { NoAmplification } from './no-amplification.ts';
import { StreamOrder } from './stream-order.ts';
import { WithinBounds } from './within-bounds.ts';

/** Addresses for traffic from outside: TEST-NET-3 (RFC 5737). */
export const STRANGER_PREFIX = '203.0.113.';

/** One of each; they remember, so every run needs its own. */
export const safetyCheckers = (): Checker[] => [
  new ForwardOnce(),
  new DeliverOnce(),
  new StreamOrder(),
  new WithinBounds(),
  new NoAmplification((remote) => remote.startsWith(STRANGER_PREFIX)),
  new Heals(),
];
