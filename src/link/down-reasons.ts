/** Why links go down, in words. */
import type { Goodbye } from '../wire/index.ts';
import { GOODBYE_LEAVING, GOODBYE_SILENCE, GOODBYE_UNWANTED } from '../wire/index.ts';

export function goodbyeReason({ code, detail }: Goodbye): string {
  if (code === GOODBYE_LEAVING) return 'neighbour left';
  if (code === GOODBYE_SILENCE) return 'not heard by the neighbour';
  if (code === GOODBYE_UNWANTED) return 'not wanted by the neighbour';
  return `refused by the neighbour: ${detail}`;
}

/** Our own words only: what follows a colon may be the peer's, and counters are for ever. */
export const counterName = (reason: string): string => reason.split(':')[0]!.replaceAll(' ', '-');
