/**
 * Socket addresses as the kernel writes them, and one record for each remote in use.
 *
 *    sockaddr_in                          sockaddr_in6
 *    0  family (2, native order)          0  family (10, native order)
 *    2  port (network order)              2  port (network order)
 *    4  IPv4 address                      4  flow information
 *    8  zero                              8  IPv6 address
 *                                         24 scope id (native order)
 *
 * The table keeps the bytes of remotes sent to, so that a packet costs a look-up by identity, and
 * interns the remotes heard from, so that the packet path compares by identity and allocates
 * nothing. Both are bounded: anybody can send from any address.
 */
import { isIPv4, isIPv6 } from 'node:net';
import type { UnderlayAddress } from '../../kernel/index.ts';
import { AddressCache } from '../address-cache.ts';
import { type Native, NativeMemory } from './native.ts';

export const AF_INET = 2;
export const AF_INET6 = 10;
/** A slot of the table: `sockaddr_in6`, rounded up to words. */
export const SOCKET_ADDRESS_BYTES = 32;
const IN_BYTES = 16;
const IN6_BYTES = 28;

/** Names and numbers of interfaces, for link-local addresses. */
export interface InterfaceNames {
  nameOf(index: number): string;
  /** 0 where there is none of the name. */
  indexOf(name: string): number;
}

export const socketAddressLength = (address: { readonly family: string }): number =>
  address.family === 'udp6' ? IN6_BYTES : IN_BYTES;

/** Writes at `bytes[at..at+32)`. False for what is not a literal address; nothing is written. */
export function writeSocketAddress(
  bytes: Uint8Array,
  at: number,
  address: { readonly host: string; readonly port: number },
  interfaces: InterfaceNames,
): boolean {
  const [host = '', scope] = address.host.split('%', 2);
  const isSix = isIPv6(host);
  if (!isSix && !isIPv4(host)) return false;
  bytes.fill(0, at, at + SOCKET_ADDRESS_BYTES);
  bytes[at] = isSix ? AF_INET6 : AF_INET;
  bytes[at + 2] = address.port >>> 8;
  bytes[at + 3] = address.port & 0xff;
  if (!isSix) {
    for (const [i, part] of host.split('.').entries()) bytes[at + 4 + i] = Number(part);
    return true;
  }
  for (const [i, word] of wordsOf(host).entries()) {
    bytes[at + 8 + 2 * i] = word >>> 8;
    bytes[at + 9 + 2 * i] = word & 0xff;
  }
  if (scope !== undefined) {
    const index = /^\d+$/.test(scope) ? Number(scope) : interfaces.indexOf(scope);
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(at + 24, index, true);
  }
  return true;
}

/** The address at `bytes[at..]` as text; undefined where its family is neither. */
export function readSocketAddress(
  bytes: Uint8Array,
  at: number,
  interfaces: InterfaceNames,
): { host: string; port: number } | undefined {
  const family = bytes[at]! | (bytes[at + 1]! << 8);
  const port = (bytes[at + 2]! << 8) | bytes[at + 3]!;
  if (family === AF_INET) {
    const host = `${bytes[at + 4]}.${bytes[at + 5]}.${bytes[at + 6]}.${bytes[at + 7]}`;
    return { host, port };
  }
  if (family !== AF_INET6) return undefined;
  const words = [0, 1, 2, 3, 4, 5, 6, 7].map(
    (i) => (bytes[at + 8 + 2 * i]! << 8) | bytes[at + 9 + 2 * i]!,
  );
  const scope = new DataView(bytes.buffer, bytes.byteOffset).getUint32(at + 24, true);
  const isLinkLocal = (words[0]! & 0xffc0) === 0xfe80;
  const host = textOf(words);
  return { host: isLinkLocal && scope !== 0 ? `${host}%${interfaces.nameOf(scope)}` : host, port };
}

/** Eight words of a literal that `isIPv6` accepted, without its scope. */
function wordsOf(host: string): number[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(host);
  const pair = (high: string, low: string): string =>
    ((Number(high) << 8) | Number(low)).toString(16);
  const text =
    dotted === null
      ? host
      : `${dotted[1]}${pair(dotted[2]!, dotted[3]!)}:${pair(dotted[4]!, dotted[5]!)}`;
  const [head = '', tail] = text.split('::', 2);
  const parse = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16));
  const before = parse(head);
  const after = tail === undefined ? [] : parse(tail);
  const zeros = new Array<number>(8 - before.length - after.length).fill(0);
  return [...before, ...zeros, ...after];
}

/** RFC 5952: the longest run of zero words, of two at least and the first of equals, becomes `::`. */
function textOf(words: readonly number[]): string {
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) {
    const [high = 0, low = 0] = words.slice(6);
    return `::ffff:${high >> 8}.${high & 0xff}.${low >> 8}.${low & 0xff}`;
  }
  let longestAt = -1;
  let longest = 1;
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (at + length < 8 && words[at + length] === 0) length++;
    if (length > longest) {
      longest = length;
      longestAt = at;
    }
  }
  const text = (part: readonly number[]): string => part.map((w) => w.toString(16)).join(':');
  if (longestAt < 0) return text(words);
  return `${text(words.slice(0, longestAt))}::${text(words.slice(longestAt + longest))}`;
}

/** Slots for remotes sent to are at least so many: more than one system call may name. */
const SLOTS_MIN = 1024;

export class AddressTable {
  private readonly interfaces: InterfaceNames;
  private readonly known: AddressCache;
  private readonly remotesMax: number;
  private readonly memory: NativeMemory;
  private readonly capacity: number;
  /** Slot of each remote sent to. */
  private readonly slots = new Map<UnderlayAddress, number>();
  private readonly owners: (UnderlayAddress | undefined)[] = [];
  private nextSlot = 0;
  /** Remotes heard from: IPv4 by address and port as one number, IPv6 by its bytes. */
  private readonly fours = new Map<number, UnderlayAddress>();
  private readonly sixes = new Map<string, UnderlayAddress>();
  private lastFour = -1;
  private last: UnderlayAddress | undefined;

  constructor(from: Native, interfaces: InterfaceNames, remotesMax: number) {
    this.interfaces = interfaces;
    this.remotesMax = remotesMax;
    this.known = new AddressCache(remotesMax);
    this.capacity = Math.max(remotesMax, SLOTS_MIN);
    this.memory = new NativeMemory(from, this.capacity * SOCKET_ADDRESS_BYTES);
  }

  get evictions(): number {
    return this.known.evictions;
  }

  /** The remote that the kernel wrote `length` bytes of at `at`, which is a multiple of 4. */
  heard(memory: NativeMemory, at: number, length: number): UnderlayAddress | undefined {
    if (length === IN6_BYTES) return this.heardSix(memory.bytes, at);
    if (length !== IN_BYTES) return undefined;
    const word = at >>> 2;
    const key = memory.words[word + 1]! * 0x1_0000 + (memory.words[word]! >>> 16);
    if (key === this.lastFour) return this.last;
    let address = this.fours.get(key);
    if (address === undefined) {
      address = this.intern(memory.bytes, at);
      if (address === undefined) return undefined;
      if (this.fours.size >= this.remotesMax) this.fours.clear();
      this.fours.set(key, address);
    }
    this.lastFour = key;
    this.last = address;
    return address;
  }

  /** Where the kernel finds the socket address of `remote`; 0 for what is no literal address. */
  pointerTo(remote: UnderlayAddress): number {
    let slot = this.slots.get(remote);
    if (slot === undefined) {
      slot = this.nextSlot;
      const owner = this.owners[slot];
      if (owner !== undefined) this.slots.delete(owner);
      this.owners[slot] = undefined;
      const at = slot * SOCKET_ADDRESS_BYTES;
      if (!writeSocketAddress(this.memory.bytes, at, remote, this.interfaces)) return 0;
      this.nextSlot = (slot + 1) % this.capacity;
      this.owners[slot] = remote;
      this.slots.set(remote, slot);
    }
    return this.memory.address + slot * SOCKET_ADDRESS_BYTES;
  }

  private heardSix(bytes: Uint8Array, at: number): UnderlayAddress | undefined {
    const key = Buffer.from(bytes.buffer, bytes.byteOffset + at, IN6_BYTES).toString('latin1');
    let address = this.sixes.get(key);
    if (address === undefined) {
      address = this.intern(bytes, at);
      if (address === undefined) return undefined;
      if (this.sixes.size >= this.remotesMax) this.sixes.clear();
      this.sixes.set(key, address);
    }
    return address;
  }

  private intern(bytes: Uint8Array, at: number): UnderlayAddress | undefined {
    const address = readSocketAddress(bytes, at, this.interfaces);
    return address === undefined ? undefined : this.known.intern(address.host, address.port);
  }
}
