/** How people write what a captured node does: the key `turncoat` of a lab daemon's config. */
import * as z from 'zod';
import { milliseconds, seconds } from '../kernel/index.ts';
import type { TurncoatOptions } from '../node/index.ts';
import { isNodeName } from '../wire/index.ts';
import { duration, rate, share } from './value-schema.ts';

const time = duration(milliseconds(0), seconds(600));
const member = z.string('expected a node name').refine(isNodeName, 'expected a node name');

const flood = z
  .strictObject({
    rate: rate.describe('What it sends.'),
    to: member.describe('Where to.'),
    as: member.optional().describe('In whose name. Its own.'),
  })
  .transform(({ rate: bitsPerSecond, ...rest }) => ({ bitsPerSecond, ...rest }));

/** Shares are of packets that pass. */
export const turncoatSchema: z.ZodType<TurncoatOptions, object> = z.strictObject({
  after: time.optional().describe('Behaves for so long first.'),
  drop: share.optional(),
  delay: time.optional().describe('Holds back every packet.'),
  reorder: share.optional().describe('Held back for `reorderBy`.'),
  reorderBy: time.optional().describe('100ms.'),
  duplicate: share.optional().describe('Sent twice, to every neighbour.'),
  replay: share.optional().describe('Sent again after a second, to every neighbour.'),
  corrupt: share.optional().describe('With one bit changed, header included.'),
  claimLatency: time.optional().describe('Of each of its links, one way.'),
  flood: flood.optional().describe('Fills links.'),
}) as z.ZodType<TurncoatOptions, object>;
