/** Times, margins and bounds of relay finding, with their defaults. */
import type { Duration } from '../../kernel/index.ts';
import { milliseconds, seconds } from '../../kernel/index.ts';

export interface RelayOptions {
  /** Between two tellings of figures and advice; stretched where the budget asks for it. */
  readonly roundMin: Duration;
  readonly roundMax: Duration;
  /** Figures and advice are forgotten after so many rounds of their sender without news. */
  readonly lifeRounds: number;
  /** A relay is taken, or changed, when it is better by this share and by `marginMin`. */
  readonly marginShare: number;
  readonly marginMin: Duration;
}

/** Where a node has no direct way, link state's has to be better by this than a relay's. */
export const RELAY_OUTDONE_BY = 1.5;

export const RELAY_OPTIONS: RelayOptions = {
  roundMin: seconds(1),
  roundMax: seconds(14),
  lifeRounds: 4,
  marginShare: 0.05,
  marginMin: milliseconds(2),
};
