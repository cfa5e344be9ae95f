/**
 * A second receiving buffer on the same port, for what is urgent (`isUrgentPacket`): there while more
 * comes than is served. The system drops what comes while a buffer is full, so files must not fill the one
 * that hellos and voice come through, whatever keeps the process from emptying it and for how long.
 *
 * Both sockets have the port (SO_REUSEPORT), and the system asks a program of six instructions which of them a
 * datagram is for. A run goes where its first datagram says; senders of ours do not mix (`send-plan.ts`), and
 * where a network card has joined two, what is urgent waits as it did before.
 *
 * It is not there all the time because what comes through it has overtaken what it was sent behind. Senders that
 * fill it harm nobody that they could not harm before: two bits in the clear are all that it goes by.
 */
import type { UnderlayAddress } from '../../kernel/index.ts';
import { DROP_NORMAL, PACKET_SEALED } from '../../wire/index.ts';
import type { PollHandle } from './native.ts';
import type { SystemCalls } from './system-calls.ts';

export type UrgentSystem = Pick<
  SystemCalls,
  'socketBeside' | 'setSelector' | 'setAlone' | 'buffers' | 'close'
>;

/** `struct sock_filter`: code, where to go on when true and when false, operand. */
type Instruction = readonly [code: number, whenTrue: number, whenFalse: number, operand: number];

const LOAD_BYTE = 0x30;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const RETURN = 0x06;
const ORDINARY = 0;
const URGENT = 1;

const ALL_ORDINARY: Uint8Array = programOf([[RETURN, 0, 0, ORDINARY]]);
const BY_URGENCY: Uint8Array = programOf([
  [LOAD_BYTE, 0, 0, 0],
  [JUMP_EQUAL, 0, 2, PACKET_SEALED],
  [LOAD_BYTE, 0, 0, 1],
  [JUMP_AT_LEAST, 1, 0, DROP_NORMAL],
  [RETURN, 0, 0, URGENT],
  [RETURN, 0, 0, ORDINARY],
]);

export class UrgentSocket {
  readonly fd: number;
  readonly receiveBytesMax: number;
  readonly isUrgent = true;
  /** Share of the buffer that was full when it was last asked for. */
  backlog = 0;
  poll: PollHandle | undefined;
  /** The other buffer has been filling since this was last set to false. */
  isWanted = true;
  private readonly system: UrgentSystem;
  private readonly beside: number;

  /** Undefined where the system refuses; then nothing has changed. */
  static open(
    system: UrgentSystem,
    beside: { readonly fd: number; readonly at: UnderlayAddress },
    bufferBytes: number,
  ): UrgentSocket | undefined {
    let fd: number;
    try {
      fd = system.socketBeside(beside.fd, beside.at, bufferBytes);
    } catch {
      system.setAlone(beside.fd);
      return undefined;
    }
    const socket = new UrgentSocket(system, fd, beside.fd);
    if (system.setSelector(beside.fd, BY_URGENCY)) return socket;
    socket.close();
    return undefined;
  }

  private constructor(system: UrgentSystem, fd: number, beside: number) {
    this.system = system;
    this.fd = fd;
    this.beside = beside;
    this.receiveBytesMax = system.buffers(fd).receiveBytes;
  }

  /** Nothing new comes from now on; what has come is still to be read. */
  end(): void {
    this.system.setSelector(this.beside, ALL_ORDINARY);
  }

  close(): void {
    this.poll?.close();
    this.system.close(this.fd);
    this.system.setAlone(this.beside);
  }
}

function programOf(instructions: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(8 * instructions.length);
  const view = new DataView(bytes.buffer);
  for (const [i, [code, whenTrue, whenFalse, operand]] of instructions.entries()) {
    view.setUint16(8 * i, code, true);
    view.setUint8(8 * i + 2, whenTrue);
    view.setUint8(8 * i + 3, whenFalse);
    view.setUint32(8 * i + 4, operand, true);
  }
  return bytes;
}
