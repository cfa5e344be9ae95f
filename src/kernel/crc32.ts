/**
 * CRC-32 as in IEEE 802.3 (reflected, polynomial 0xedb88320): finds typing mistakes, not malice.
 * Bit by bit, without a table: what it guards is short and rare.
 */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (let i = 0; i < bytes.length; i++) {
    crc ^= bytes[i]!;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb8_8320 : 0);
  }
  return ~crc >>> 0;
}
