/** The lanes that every network has, by the names people write where no configuration is at hand. */
import { LANE_NUMBER_MAX } from './lane.ts';
import { NAMED_LANES } from './named-lanes.ts';

export const LANE_WORDS: readonly string[] = NAMED_LANES.map(({ name }) => name);

/** A named lane, or any lane's number; undefined: neither. */
export function laneNumber(lane: string | number): number | undefined {
  const named = NAMED_LANES.find(({ name }) => name === lane);
  if (named !== undefined) return named.number;
  const number = typeof lane === 'number' ? lane : /^\d{1,3}$/.test(lane) ? Number(lane) : -1;
  return Number.isInteger(number) && number >= 0 && number <= LANE_NUMBER_MAX ? number : undefined;
}

export const laneText = (lane: number): string =>
  NAMED_LANES.find(({ number }) => number === lane)?.name ?? String(lane);
