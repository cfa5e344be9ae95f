/**
 * The way to the kernel and to what Node itself is linked with: `koffi`, a prebuilt FFI binding,
 * loaded where it is installed and where the layouts below hold. Nothing is compiled.
 *
 * Addresses cross as plain numbers: a user-space address is below 2^47 and a number costs 80 ns
 * less a call than a buffer argument. What keeps that safe:
 * - memory is only ever named by `addressOf`, which takes an `ArrayBuffer` that is off V8's moving
 *   heap and remembers the address for as long as that buffer lives;
 * - whoever passes an address on holds the buffer in a field or a variable across the call;
 * - lengths are checked against the view before each call, where the view of a buffer that was
 *   detached has length 0 and so fails the check.
 */
import { createRequire } from 'node:module';
import { endianness } from 'node:os';
import { assert, fail, ok, type Result } from '../../kernel/index.ts';

/** A C function whose arguments are all integers, addresses among them. */
export type NativeFunction = (...args: number[]) => number;

export interface PollHandle {
  start(events: { readable: boolean; writable: boolean }, ready: PollReady): void;
  close(): void;
}

/** `status` is negative where polling itself failed. */
export type PollReady = (status: number, events: { readable: boolean; writable: boolean }) => void;

export interface Native {
  /** A function of this process: libc, libuv and OpenSSL are. Undefined where there is none. */
  find(name: string, result: string, args: readonly string[]): NativeFunction | undefined;
  /** The function at this address, which must be one of that kind. */
  functionAt(address: number, result: string, args: readonly string[]): NativeFunction;
  /** `errno` of the last call. */
  errno(): number;
  /** Watches a descriptor on the event loop of this thread. The callback must not throw. */
  poll(
    fd: number,
    events: { readable: boolean; writable: boolean },
    ready: PollReady,
  ): PollHandle | undefined;
  /** Where a buffer's first byte is. */
  addressOf(buffer: ArrayBufferLike): number;
}

/** What is used of koffi; its own types are absent where the optional package is. */
interface Koffi {
  load(path: null): {
    func(name: string, result: string, args: readonly string[]): NativeFunction;
  };
  proto(result: string, args: readonly string[]): unknown;
  decode(address: bigint, type: unknown): unknown;
  errno(): number;
  address(bytes: Uint8Array): bigint;
  readonly node?: {
    poll(
      fd: number,
      events: { readable: boolean; writable: boolean },
      ready: PollReady,
    ): PollHandle;
  };
}

export const POINTER = 'uintptr_t';

/** 64-bit little-endian systems whose structures and constants are those of Linux' generic ABI. */
const ARCHITECTURES: readonly string[] = ['x64', 'arm64', 'riscv64', 'loong64'];

let loaded: Result<Native> | undefined;

/** Loads the binding once a process; the reason where that cannot be. */
export function native(): Result<Native> {
  loaded ??= load();
  return loaded;
}

function load(): Result<Native> {
  if (process.platform !== 'linux') return fail(`not Linux but ${process.platform}`);
  if (!ARCHITECTURES.includes(process.arch) || endianness() !== 'LE')
    return fail(`no structure layouts for ${process.arch}`);
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi;
    if (koffi.node?.poll === undefined) return fail('this koffi cannot watch descriptors');
    return ok(new KoffiNative(koffi));
  } catch (error) {
    const { code, message } = error as { code?: string; message?: string };
    if (code === 'MODULE_NOT_FOUND') return fail('the optional package koffi is not installed');
    return fail(`koffi does not load: ${message?.split('\n')[0] ?? String(error)}`);
  }
}

/** Return type and argument types of functions, by name. */
export type Signatures = Readonly<
  Record<string, readonly [result: string, args: readonly string[]]>
>;

/** All of them; the first name that this process lacks where one is missing. */
export function findAll<S extends Signatures>(
  from: Native,
  signatures: S,
): Result<Readonly<Record<keyof S, NativeFunction>>> {
  const calls: Record<string, NativeFunction> = {};
  for (const [name, [result, args]] of Object.entries(signatures)) {
    const call = from.find(name, result, args);
    if (call === undefined) return fail(name);
    calls[name] = call;
  }
  return ok(calls as Record<keyof S, NativeFunction>);
}

class KoffiNative implements Native {
  private readonly koffi: Koffi;
  private readonly process: ReturnType<Koffi['load']>;
  private readonly addresses = new WeakMap<ArrayBufferLike, number>();

  constructor(koffi: Koffi) {
    this.koffi = koffi;
    this.process = koffi.load(null);
  }

  find(name: string, result: string, args: readonly string[]): NativeFunction | undefined {
    try {
      return this.process.func(name, result, [...args]) as NativeFunction;
    } catch {
      return undefined;
    }
  }

  functionAt(address: number, result: string, args: readonly string[]): NativeFunction {
    const { koffi } = this;
    return koffi.decode(BigInt(address), koffi.proto(result, [...args])) as NativeFunction;
  }

  errno(): number {
    return this.koffi.errno();
  }

  poll(
    fd: number,
    events: { readable: boolean; writable: boolean },
    ready: PollReady,
  ): PollHandle | undefined {
    return this.koffi.node?.poll(fd, events, ready);
  }

  addressOf(buffer: ArrayBufferLike): number {
    let address = this.addresses.get(buffer);
    if (address === undefined) {
      address = Number(this.koffi.address(new Uint8Array(buffer)));
      assert(Number.isSafeInteger(address) && address > 0, 'a buffer without an address');
      this.addresses.set(buffer, address);
    }
    return address;
  }
}

/** Memory of ours that the kernel reads and writes: one buffer, its words, where it is. */
export class NativeMemory {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly address: number;

  constructor(from: Native, byteLength: number) {
    assert(byteLength % 8 === 0 && byteLength > 0, 'native memory comes in words of 8 bytes');
    const buffer = new ArrayBuffer(byteLength);
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
    this.address = from.addressOf(buffer);
  }

  /** Writes a 64-bit number at byte `at`; `value` is below 2^53. */
  writeWord64(at: number, value: number): void {
    assert(at >= 0 && at + 8 <= this.bytes.length, 'a word outside its memory');
    this.words[at >>> 2] = value >>> 0;
    this.words[(at >>> 2) + 1] = Math.floor(value / 0x1_0000_0000);
  }
}
