/**
 * The loop that takes a list of packets (packet-list.ts) through OpenSSL, as machine code: a call through the
 * binding costs more than setting up a cipher does, and no function that Node exports takes more than one packet.
 *
 * What it does, in C, for each of `count` packets of 64 bytes from `packet` on:
 *
 *   memcpy(scratch, packet->record, 32);
 *   packet->result = set_params(packet->context, packet->parameters) == 1
 *     ? cipher(packet->context, packet->text, packet->text, packet->bytes)
 *     : -1;
 *
 * It branches nowhere but in itself, calls the two functions it is told and writes to `scratch` and `result`. The listing
 * is checked against an assembler (e2e/machine-code.test.mjs); the tests of the ciphers run with it and without. The page is
 * writable before it is executable and never both. Where there is none, JavaScript calls packet by packet (evp.ts).
 */
import { fail, ok, type Result } from '../../kernel/index.ts';
import { findAll, type Native, type NativeFunction, NativeMemory, POINTER } from './native.ts';

/** For x64 and the calling convention of Linux: GNU assembler, Intel syntax, and the bytes of each line. */
export const PACKET_LOOP: readonly (readonly [hex: string, line: string])[] = [
  ['f30f1efa', 'endbr64'],
  ['53', 'push rbx'],
  ['55', 'push rbp'],
  ['4154', 'push r12'],
  ['4155', 'push r13'],
  ['4156', 'push r14'],
  ['4889fb', 'mov rbx, rdi # packet'],
  ['4889f5', 'mov rbp, rsi # count, at least 1'],
  ['4989d4', 'mov r12, rdx # set_params'],
  ['4989cd', 'mov r13, rcx # cipher'],
  ['4d89c6', 'mov r14, r8  # scratch'],
  ['', 'next:'],
  ['0f104320', 'movups xmm0, [rbx + 32] # record'],
  ['0f104b30', 'movups xmm1, [rbx + 48]'],
  ['410f1106', 'movups [r14], xmm0'],
  ['410f114e10', 'movups [r14 + 16], xmm1'],
  ['488b3b', 'mov rdi, [rbx]     # context'],
  ['488b7308', 'mov rsi, [rbx + 8] # parameters'],
  ['41ffd4', 'call r12'],
  ['83f801', 'cmp eax, 1'],
  ['b8ffffffff', 'mov eax, -1'],
  ['7510', 'jne done'],
  ['488b3b', 'mov rdi, [rbx]'],
  ['488b7310', 'mov rsi, [rbx + 16] # text'],
  ['4889f2', 'mov rdx, rsi'],
  ['8b4b18', 'mov ecx, [rbx + 24] # bytes'],
  ['41ffd5', 'call r13'],
  ['', 'done:'],
  ['89431c', 'mov [rbx + 28], eax # result'],
  ['4883c340', 'add rbx, 64'],
  ['48ffcd', 'dec rbp'],
  ['75bf', 'jne next'],
  ['415e', 'pop r14'],
  ['415d', 'pop r13'],
  ['415c', 'pop r12'],
  ['5d', 'pop rbp'],
  ['5b', 'pop rbx'],
  ['c3', 'ret'],
];

const SIGNATURES = {
  mmap: [POINTER, [POINTER, 'size_t', 'int', 'int', 'int', 'int64_t']],
  mprotect: ['int', [POINTER, 'size_t', 'int']],
  memcpy: [POINTER, [POINTER, POINTER, 'size_t']],
  dlsym: [POINTER, [POINTER, POINTER]],
} as const;

type Calls = Readonly<Record<keyof typeof SIGNATURES, NativeFunction>>;

const PAGE_BYTES = 4_096;
const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXEC = 4;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const NAME_BYTES = 64;

/** Takes `count` packets, at least one, from the address of the first; their records pass through `scratch`. */
export type PacketLoop = (packet: number, count: number, scratch: number) => void;

/** `functions`: names of set_params and cipher. The reason where this machine cannot have the loop. */
export function packetLoop(
  native: Native,
  functions: readonly [setParams: string, cipher: string],
): Result<PacketLoop> {
  if (process.arch !== 'x64') return fail(`no machine code for ${process.arch}`);
  const found = findAll(native, SIGNATURES);
  if (!found.ok) return fail(`the C library has no ${found.reason}`);
  const calls = found.value;
  const [setParams, cipher] = functions.map((name) => addressOfFunction(native, calls, name));
  if (setParams === 0 || cipher === 0) return fail('functions without an address');
  const page = executablePage(native, calls);
  if (page === 0) return fail('the system allows no executable page');
  const loop = native.functionAt(page, 'void', [POINTER, POINTER, POINTER, POINTER, POINTER]);
  return ok((packet, count, scratch) => {
    loop(packet, count, setParams!, cipher!, scratch);
  });
}

function addressOfFunction(native: Native, calls: Calls, name: string): number {
  const memory = new NativeMemory(native, NAME_BYTES);
  memory.bytes.set(new TextEncoder().encode(name));
  return calls.dlsym(0, memory.address);
}

/** Where the loop is, in a page that lives as long as the process; 0 where the system refuses. */
function executablePage(native: Native, calls: Calls): number {
  const code = new NativeMemory(native, PAGE_BYTES);
  code.bytes.set(Buffer.from(PACKET_LOOP.map(([hex]) => hex).join(''), 'hex'));
  const access = PROT_READ | PROT_WRITE;
  const page = calls.mmap(0, PAGE_BYTES, access, MAP_PRIVATE_ANONYMOUS, -1, 0);
  // MAP_FAILED is the highest address, which is no user's.
  if (!Number.isSafeInteger(page) || page <= 0) return 0;
  calls.memcpy(page, code.address, PAGE_BYTES);
  return calls.mprotect(page, PAGE_BYTES, PROT_READ | PROT_EXEC) === 0 ? page : 0;
}
