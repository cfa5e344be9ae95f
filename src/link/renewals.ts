/**
 * The asking side of enrolment under a link that stands: a member gets its next certificate from a
 * neighbour. One request at a time, repeated every second until the answer is whole, given up after
 * a minute.
 */
import type { Crypto, Instant, NodeAddress } from '../kernel/index.ts';
import { proveIdentity } from '../security/index.ts';
import type { EnrolAnswerText } from '../wire/index.ts';
import { decodeEnrolAnswerPart, encodeEnrolRequest } from '../wire/index.ts';
import { EnrolAnswerAssembly } from './enrol-answer-assembly.ts';

const AGAIN = 1_000_000;
const LIFE = 60_000_000;

interface Asking {
  readonly neighbour: NodeAddress;
  readonly assembly: EnrolAnswerAssembly;
  readonly givenUpAt: number;
  againAt: number;
}

export class Renewals {
  private asking: Asking | undefined;

  ask(neighbour: NodeAddress, now: Instant): void {
    const assembly = new EnrolAnswerAssembly();
    this.asking = { neighbour, assembly, againAt: now, givenUpAt: now + LIFE };
  }

  /** The neighbour to send the request to, when one is due. */
  take(now: Instant): NodeAddress | undefined {
    const { asking } = this;
    if (asking === undefined || asking.againAt > now) return undefined;
    if (asking.givenUpAt <= now) {
      this.asking = undefined;
      return undefined;
    }
    asking.againAt = now + AGAIN;
    return asking.neighbour;
  }

  /** An answer frame's body; the answer, once whole and wanted. */
  answer(
    from: NodeAddress,
    bytes: Uint8Array,
    at: number,
    end: number,
  ): EnrolAnswerText | undefined {
    const { asking } = this;
    const part = decodeEnrolAnswerPart(bytes, at, end);
    if (asking === undefined || asking.neighbour !== from || part === undefined) return undefined;
    const answer = asking.assembly.add(part);
    if (answer === undefined || answer === 'malformed') return undefined;
    this.asking = undefined;
    return answer;
  }

  nextTimeout(): Instant | undefined {
    return this.asking?.againAt as Instant | undefined;
  }
}

/** The request frame's body for a session with this handshake hash. */
export const enrolRequestBody = (options: {
  crypto: Crypto;
  signingSeed: Uint8Array;
  handshakeHash: Uint8Array;
  name: string;
  secret: Uint8Array | undefined;
}): Uint8Array =>
  encodeEnrolRequest({
    secret: options.secret,
    name: options.name,
    identityKey: options.crypto.signer(options.signingSeed).publicKey,
    signature: proveIdentity(options),
  });
