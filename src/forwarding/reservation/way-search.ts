/**
 * A flow's search for another way when a link of its own has no room for its rate: which links have said
 * no, and which way came nearest. A search asks `OTHER_WAYS_MAX` ways one after the other, and begins anew, with
 * nothing remembered, `SEARCH_AGAIN` after it began: what was full may have room by then.
 */
import type { Duration, Instant } from '../../kernel/index.ts';
import { between, seconds } from '../../kernel/index.ts';
import type { Asked, LackingLink } from './asked-links.ts';
import { isFinal, lacking, leastOf, linkIn } from './asked-links.ts';

/** Ways asked in one search beside the flow's own. Overflow: the rate is refused. */
export const OTHER_WAYS_MAX = 3;
/** What a link said is believed for so long. */
export const SEARCH_AGAIN: Duration = seconds(10);

export class WaySearch {
  /** Links to avoid. */
  readonly refused: LackingLink[] = [];
  /** Of each way that failed, the link with least to give: that of the way with most. */
  nearest: LackingLink | undefined;
  private othersAsked = 0;
  private begunAt: Instant | undefined;

  /** Ways that were asked, the flow's own among them. */
  get ways(): number {
    return this.othersAsked + 1;
  }

  /**
   * A way has failed. State: its links that said no, and where time is over those that said nothing, are
   * avoided in this search.
   */
  failed(way: readonly Asked[], isOver: boolean, now: Instant): void {
    if (this.begunAt !== undefined && between(this.begunAt, now) >= SEARCH_AGAIN) this.forget();
    this.begunAt ??= now;
    for (const link of way) {
      const isShort = isFinal(link.verdict) || (isOver && link.verdict !== 'granted');
      if (isShort && linkIn(this.refused, link.from, link.to) === undefined)
        this.refused.push(lacking(link));
    }
    const least = leastOf(way);
    const isNearer = (least?.available ?? 0) > (this.nearest?.available ?? -1);
    if (least !== undefined && isNearer) this.nearest = least;
  }

  /** Whether one more way may be asked. */
  get mayGoOn(): boolean {
    return this.othersAsked < OTHER_WAYS_MAX;
  }

  asks(): void {
    this.othersAsked++;
  }

  forget(): void {
    this.refused.length = 0;
    this.nearest = undefined;
    this.othersAsked = 0;
    this.begunAt = undefined;
  }
}
