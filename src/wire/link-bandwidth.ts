/**
 * What the links of a link-state record carry, outwards: an extension of its body (`link-state.ts`), so
 * that nodes which do not know it pass it on, and a record of links that nobody has measured is as long
 * as before.
 *
 *    0               1
 *   +---------------+---------------+
 *   | type 1        | 2 * links     |  0
 *   +---------------+---------------+
 *   | capacity      | available     |  2, for each link in the order of the record
 *   +---------------+---------------+
 *
 * Both are rate codes (`rate-code.ts`). Available is what is left of the capacity by use and by
 * reservations, whichever is more.
 */
import { decodeRateCode, encodeRateCode, RATE_CODE_NONE } from './rate-code.ts';

const EXTENSION_BANDWIDTH = 1;
const HEADER_BYTES = 2;
const LINK_BYTES = 2;

/** Of one direction of a link, bits a second with all headers. */
export interface LinkBandwidth {
  readonly capacity: number;
  readonly available: number;
}

/** The extension for so many links in order; empty where nothing is known of any. */
export function encodeLinkBandwidths(links: readonly (LinkBandwidth | undefined)[]): Uint8Array {
  if (!links.some((link) => link !== undefined)) return new Uint8Array(0);
  const bytes = new Uint8Array(HEADER_BYTES + LINK_BYTES * links.length).fill(RATE_CODE_NONE);
  bytes[0] = EXTENSION_BANDWIDTH;
  bytes[1] = LINK_BYTES * links.length;
  links.forEach((link, i) => {
    if (link === undefined) return;
    bytes[HEADER_BYTES + LINK_BYTES * i] = encodeRateCode(link.capacity);
    bytes[HEADER_BYTES + LINK_BYTES * i + 1] = encodeRateCode(link.available);
  });
  return bytes;
}

/** As many entries as links; undefined where nothing is told. `extensions` are sound in form. */
export function decodeLinkBandwidths(
  extensions: Uint8Array,
  links: number,
): readonly (LinkBandwidth | undefined)[] {
  let at = 0;
  while (at + HEADER_BYTES <= extensions.length) {
    const length = extensions[at + 1]!;
    const value = extensions.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length);
    if (extensions[at] === EXTENSION_BANDWIDTH && value.length === LINK_BYTES * links)
      return Array.from({ length: links }, (_, i) => bandwidthAt(value, LINK_BYTES * i));
    at += HEADER_BYTES + length;
  }
  return new Array(links).fill(undefined);
}

function bandwidthAt(value: Uint8Array, at: number): LinkBandwidth | undefined {
  const capacity = decodeRateCode(value[at]!);
  const available = decodeRateCode(value[at + 1]!);
  return capacity === undefined || available === undefined ? undefined : { capacity, available };
}
