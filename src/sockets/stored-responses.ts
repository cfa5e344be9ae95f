/**
 * Responses of this node whose sessions nobody has used yet, each with the initiation that it answers. An
 * initiator that has heard nothing sends the same initiation again, and is sent the same response: whichever
 * copy arrives completes the one session, and what was sealed with that is opened. An initiation that somebody
 * else replays makes nothing, either.
 *
 * Overflow: the oldest is forgotten, and its initiator is answered when it begins anew.
 */
import type { Counters } from '../kernel/index.ts';
import { bytesEqual } from '../kernel/index.ts';
import type { Session } from './session.ts';

interface StoredResponse {
  readonly initiation: Uint8Array;
  readonly response: Uint8Array;
}

export class StoredResponses {
  private readonly stored = new Map<Session, StoredResponse>();
  private readonly responsesMax: number;
  private readonly counters: Counters;

  constructor(options: { readonly responsesMax: number; readonly counters: Counters }) {
    this.responsesMax = options.responsesMax;
    this.counters = options.counters;
  }

  /** `initiation` is copied. */
  keep(session: Session, initiation: Uint8Array, response: Uint8Array): void {
    this.stored.set(session, { initiation: initiation.slice(), response });
    if (this.stored.size <= this.responsesMax) return;
    for (const oldest of this.stored.keys()) {
      this.stored.delete(oldest);
      this.counters.add('session.responses-forgotten');
      return;
    }
  }

  /** The response that made the session, if this is the initiation that it answered. */
  to(session: Session | undefined, initiation: Uint8Array): Uint8Array | undefined {
    const stored = session === undefined ? undefined : this.stored.get(session);
    const isSame = stored !== undefined && bytesEqual(stored.initiation, initiation);
    return isSame ? stored.response : undefined;
  }

  /** The session is in use, or is not known any more. */
  forget(session: Session): void {
    this.stored.delete(session);
  }
}
