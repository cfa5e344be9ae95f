import { utf8Encode } from './bytes.ts';

/** The UTF-8 of as many whole characters of `text` as fit into `bytesMax`. */
export function utf8Prefix(text: string, bytesMax: number): Uint8Array {
  const bytes = utf8Encode(text);
  if (bytes.length <= bytesMax) return bytes;
  let end = bytesMax;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.slice(0, end);
}
