/**
 * The system calls of the fast underlay, by name, and a UDP socket made of them. Constants are those
 * of Linux' generic ABI, which every architecture that `native.ts` admits shares.
 */
import {
  fail,
  OverlayError,
  ok,
  type Result,
  type UnderlayAddress,
  underlayAddress,
} from '../../kernel/index.ts';
import type { LocalSocketOptions } from '../underlay.ts';
import {
  findAll,
  type Native,
  type NativeFunction,
  NativeMemory,
  native,
  POINTER,
} from './native.ts';
import {
  AF_INET,
  AF_INET6,
  type InterfaceNames,
  readSocketAddress,
  SOCKET_ADDRESS_BYTES,
  socketAddressLength,
  writeSocketAddress,
} from './socket-address.ts';

export const EINTR = 4;
export const EIO = 5;
export const EAGAIN = 11;
export const EINVAL = 22;
export const EMSGSIZE = 90;
export const ENOBUFS = 105;
export const ECONNREFUSED = 111;

export const SOL_UDP = 17;
export const UDP_SEGMENT = 103;
export const UDP_GRO = 104;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_TRUNC = 0x20;

const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_REUSEPORT = 15;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SO_ATTACH_REUSEPORT_CBPF = 51;
const SO_MEMINFO = 55;
/** Words of it: bytes held in the receiving buffer, with what the kernel spends on keeping them; messages it had no room for. */
const MEMINFO_QUEUED = 0;
const MEMINFO_DROPS = 8;
const MEMINFO_WORDS = 9;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const INTERFACE_NAME_BYTES = 16;

const NAMES: Readonly<Record<number, string>> = {
  1: 'EPERM',
  [EINTR]: 'EINTR',
  [EIO]: 'EIO',
  [EAGAIN]: 'EAGAIN',
  12: 'ENOMEM',
  13: 'EACCES',
  [EINVAL]: 'EINVAL',
  24: 'EMFILE',
  32: 'EPIPE',
  [EMSGSIZE]: 'EMSGSIZE',
  97: 'EAFNOSUPPORT',
  98: 'EADDRINUSE',
  99: 'EADDRNOTAVAIL',
  100: 'ENETDOWN',
  101: 'ENETUNREACH',
  [ENOBUFS]: 'ENOBUFS',
  [ECONNREFUSED]: 'ECONNREFUSED',
  112: 'EHOSTDOWN',
  113: 'EHOSTUNREACH',
};

export const errorName = (errno: number): string => NAMES[errno] ?? `errno-${errno}`;

const SIGNATURES = {
  socket: ['int', ['int', 'int', 'int']],
  bind: ['int', ['int', POINTER, 'uint32_t']],
  getsockname: ['int', ['int', POINTER, POINTER]],
  setsockopt: ['int', ['int', 'int', 'int', POINTER, 'uint32_t']],
  getsockopt: ['int', ['int', 'int', 'int', POINTER, POINTER]],
  close: ['int', ['int']],
  recvmmsg: ['int', ['int', POINTER, 'uint32_t', 'int', POINTER]],
  sendmmsg: ['int', ['int', POINTER, 'uint32_t', 'int']],
  if_nametoindex: ['uint32_t', [POINTER]],
  if_indextoname: [POINTER, ['uint32_t', POINTER]],
} as const;

/** The system calls through the binding; the reason where one of them cannot be had. */
export function fastSystem(): Result<SystemCalls> {
  const binding = native();
  return binding.ok ? SystemCalls.find(binding.value) : binding;
}

export class SystemCalls implements InterfaceNames {
  readonly native: Native;
  private readonly calls: Readonly<Record<keyof typeof SIGNATURES, NativeFunction>>;
  private readonly memory: NativeMemory;
  /** `SO_MEMINFO`, and behind it how long that is. */
  private readonly meminfo: NativeMemory;

  /** The reason where the C library lacks one of the calls. */
  static find(from: Native): Result<SystemCalls> {
    const calls = findAll(from, SIGNATURES);
    if (!calls.ok) return fail(`the C library has no ${calls.reason}`);
    return ok(new SystemCalls(from, calls.value));
  }

  private constructor(from: Native, calls: Record<keyof typeof SIGNATURES, NativeFunction>) {
    this.native = from;
    this.calls = calls;
    // First half: a socket address, a value or a name. Second half: its length.
    this.memory = new NativeMemory(from, 2 * SOCKET_ADDRESS_BYTES);
    this.meminfo = new NativeMemory(from, 4 * (MEMINFO_WORDS + 1));
  }

  errno(): number {
    return this.native.errno();
  }

  /** `messages` is the address of `count` records of `struct mmsghdr` that the caller holds. */
  receiveMany(fd: number, messages: number, count: number): number {
    return this.calls.recvmmsg(fd, messages, count, MSG_DONTWAIT, 0);
  }

  sendMany(fd: number, messages: number, count: number): number {
    return this.calls.sendmmsg(fd, messages, count, MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  close(fd: number): void {
    this.calls.close(fd);
  }

  setOption(fd: number, level: number, option: number, value: number): boolean {
    this.memory.words[0] = value;
    return this.calls.setsockopt(fd, level, option, this.memory.address, 4) === 0;
  }

  option(fd: number, level: number, option: number): number {
    this.memory.words[0] = 0;
    this.memory.words[LENGTH_WORD] = 4;
    const { address } = this.memory;
    const done = this.calls.getsockopt(fd, level, option, address, address + SOCKET_ADDRESS_BYTES);
    return done === 0 ? this.memory.words[0]! : 0;
  }

  buffers(fd: number): { receiveBytes: number; sendBytes: number } {
    return {
      receiveBytes: this.option(fd, SOL_SOCKET, SO_RCVBUF),
      sendBytes: this.option(fd, SOL_SOCKET, SO_SNDBUF),
    };
  }

  /** Bytes in the receiving buffer, as the kernel counts them against its size. */
  receiveQueued(fd: number): number {
    return this.memoryFigure(fd, MEMINFO_QUEUED);
  }

  /** Messages that came while the receiving buffer was full. */
  receiveDrops(fd: number): number {
    return this.memoryFigure(fd, MEMINFO_DROPS);
  }

  private memoryFigure(fd: number, word: number): number {
    const { words, address } = this.meminfo;
    words[MEMINFO_WORDS] = 4 * MEMINFO_WORDS;
    const length = address + 4 * MEMINFO_WORDS;
    const done = this.calls.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, address, length);
    return done === 0 ? words[word]! : 0;
  }

  /**
   * A bound, non-blocking UDP socket that is never dual-stack: an IPv4 remote would then have two
   * different addresses. Throws UNDERLAY_BIND_FAILED.
   */
  udpSocket(local: LocalSocketOptions, bufferBytes: number): { fd: number; at: UnderlayAddress } {
    return this.bound(local, bufferBytes, false);
  }

  /**
   * A second socket on the port of the one that is `fd`, at `at`. Among them the system chooses by `setSelector`.
   * Throws UNDERLAY_BIND_FAILED.
   */
  socketBeside(fd: number, at: UnderlayAddress, bufferBytes: number): number {
    // Not before `fd` is bound: two daemons would get the same port.
    this.setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    return this.bound(at, bufferBytes, true).fd;
  }

  /** The port of `fd` is its own again. */
  setAlone(fd: number): void {
    this.setOption(fd, SOL_SOCKET, SO_REUSEPORT, 0);
  }

  /**
   * A program of classic BPF that is given a datagram (a run's first one) and answers with the number of the socket
   * it is for, in the order in which they were bound: `struct sock_filter` of 8 bytes for each instruction.
   */
  setSelector(fd: number, program: Uint8Array): boolean {
    const memory = new NativeMemory(this.native, FILTER_HEAD_BYTES + program.length);
    memory.words[0] = program.length / 8;
    memory.writeWord64(8, memory.address + FILTER_HEAD_BYTES);
    memory.bytes.set(program, FILTER_HEAD_BYTES);
    const { address } = memory;
    const option = SO_ATTACH_REUSEPORT_CBPF;
    return this.calls.setsockopt(fd, SOL_SOCKET, option, address, FILTER_HEAD_BYTES) === 0;
  }

  private bound(
    local: LocalSocketOptions,
    bufferBytes: number,
    isShared: boolean,
  ): { fd: number; at: UnderlayAddress } {
    const { bytes, address, words } = this.memory;
    const isSix = local.host.includes(':');
    const type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    const fd = this.calls.socket(isSix ? AF_INET6 : AF_INET, type, 0);
    if (fd < 0) throw this.bindFailure(local);
    if (isSix) this.setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (isShared) this.setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    writeSocketAddress(bytes, 0, local, this);
    const length = socketAddressLength({ family: isSix ? 'udp6' : 'udp4' });
    if (this.calls.bind(fd, address, length) !== 0) {
      const failure = this.bindFailure(local);
      this.close(fd);
      throw failure;
    }
    words[LENGTH_WORD] = SOCKET_ADDRESS_BYTES;
    this.calls.getsockname(fd, address, address + SOCKET_ADDRESS_BYTES);
    const bound = readSocketAddress(bytes, 0, this) ?? local;
    this.growBuffers(fd, bufferBytes);
    return { fd, at: underlayAddress(bound.host, bound.port) };
  }

  nameOf(index: number): string {
    const { bytes, address } = this.memory;
    bytes.fill(0, SOCKET_ADDRESS_BYTES);
    if (this.calls.if_indextoname(index, address + SOCKET_ADDRESS_BYTES) === 0) return `${index}`;
    const name = bytes.subarray(SOCKET_ADDRESS_BYTES, SOCKET_ADDRESS_BYTES + INTERFACE_NAME_BYTES);
    return Buffer.from(name.subarray(0, name.indexOf(0))).toString('latin1');
  }

  indexOf(name: string): number {
    if (name.length >= INTERFACE_NAME_BYTES) return 0;
    const { bytes, address } = this.memory;
    bytes.fill(0, SOCKET_ADDRESS_BYTES);
    bytes.set(Buffer.from(name, 'latin1'), SOCKET_ADDRESS_BYTES);
    return this.calls.if_nametoindex(address + SOCKET_ADDRESS_BYTES);
  }

  /** A process with the right to may go past net.core.rmem_max; others get what there is. */
  private growBuffers(fd: number, bytes: number): void {
    for (const [force, plain] of [
      [SO_RCVBUFFORCE, SO_RCVBUF],
      [SO_SNDBUFFORCE, SO_SNDBUF],
    ] as const)
      if (!this.setOption(fd, SOL_SOCKET, force, bytes))
        this.setOption(fd, SOL_SOCKET, plain, bytes);
  }

  private bindFailure(local: LocalSocketOptions): OverlayError {
    const system = errorName(this.errno());
    const { host, port } = local;
    return new OverlayError(
      'UNDERLAY_BIND_FAILED',
      `cannot open UDP ${underlayAddress(host, port).key}: ${system}`,
      { details: { host, port, system } },
    );
  }
}

const LENGTH_WORD = SOCKET_ADDRESS_BYTES / 4;
/** `struct sock_fprog`: how many instructions, and where they are. */
const FILTER_HEAD_BYTES = 16;
