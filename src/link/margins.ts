/** What keeps a link's figures and its choice of path still, in words, for docs/margins.md. */
import { formatDuration } from '../kernel/index.ts';
import { BETTER_AFTER, RTT_SHARE, RTT_STEP, WORSE_AFTER } from './metrics-damper.ts';
import { BETTER_FOR, BETTER_LEAST, BETTER_SHARE } from './multipath.ts';
import { LINK_TIMERS } from './options.ts';

export interface MarginRow {
  readonly what: string;
  /** With the figures that the code has. */
  readonly rule: string;
  readonly source: string;
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;
const { deadAfterMin, deadAfterMax } = LINK_TIMERS;

export const LINK_MARGINS: readonly MarginRow[] = [
  {
    what: 'a round-trip time is told as worse',
    rule: `more than ${percent(RTT_SHARE)} and ${formatDuration(RTT_STEP)} above what was told, for ${formatDuration(WORSE_AFTER)}`,
    source: 'src/link/metrics-damper.ts',
  },
  {
    what: 'a round-trip time is told as better',
    rule: `as much below, for ${formatDuration(BETTER_AFTER)}`,
    source: 'src/link/metrics-damper.ts',
  },
  {
    what: 'a link is dead',
    rule: `silence of ${formatDuration(deadAfterMin)} to ${formatDuration(deadAfterMax)}, by its jitter and loss`,
    source: 'src/link/options.ts',
  },
  {
    what: 'another path to the same neighbour is taken into use',
    rule: `at once where the one in use is silent and the other answers; else better by ${percent(1 - BETTER_SHARE)} and ${formatDuration(BETTER_LEAST)} for ${formatDuration(BETTER_FOR)}`,
    source: 'src/link/multipath.ts',
  },
];
