/**
 * Overlay addresses. A node address is 32 bits, taken from the hash of the node's identity key (see
 * `wire/certificate.ts`), so that nodes need no allocator; the network's 96-bit IPv6 prefix in
 * front of it makes it an ordinary IPv6 address for programs that want one. The top of the space
 * is kept for groups, as IPv4 keeps classes D and E.
 */

declare const nodeAddressBrand: unique symbol;

/** 1 .. 0xdfffffff. Zero is never a node. */
export type NodeAddress = number & { readonly [nodeAddressBrand]: true };

export const NODE_ADDRESS_MAX = 0xdfff_ffff;
/** 0xe0000000 .. 0xefffffff multicast, 0xf0000000 .. 0xffffffff anycast. */
export const MULTICAST_FIRST = 0xe000_0000;
export const ANYCAST_FIRST = 0xf000_0000;

export const isNodeAddress = (n: number): n is NodeAddress =>
  Number.isInteger(n) && n > 0 && n <= NODE_ADDRESS_MAX;

/** Folds 32 hash bits into the node range. */
export function nodeAddressFromHash(hash: Uint8Array): NodeAddress {
  const word = ((hash[0]! << 24) | (hash[1]! << 16) | (hash[2]! << 8) | hash[3]!) >>> 0;
  return ((word % NODE_ADDRESS_MAX) + 1) as NodeAddress;
}

/** Eight hexadecimal digits; how an address is shown where its node's name is not known. */
export const formatNodeAddress = (a: NodeAddress): string => a.toString(16).padStart(8, '0');

export function parseNodeAddress(text: string): NodeAddress | undefined {
  if (!/^[0-9a-f]{8}$/.test(text)) return undefined;
  const n = Number.parseInt(text, 16);
  return isNodeAddress(n) ? n : undefined;
}
