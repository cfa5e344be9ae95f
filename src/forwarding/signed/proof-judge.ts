/**
 * Whether a signed packet is its source's own: asked at every node, before the packet is counted as
 * seen or given a share of a link. What was altered on the way, or made in another's name, ends here.
 *
 * A signature costs about 120 us to verify, a hash some 3 us. Roots that were verified are remembered,
 * so one signature is verified once for a batch. Rubbish is paid for by the neighbour that brings it,
 * which would have refused it if it were sound: after some failures nothing new from it is looked at
 * for a while. A source has a budget too, for a captured one could sign without end. Neither touches
 * packets of others, or the same packets by another way.
 */
import type { Counters, Crypto, Instant, NodeAddress } from '../../kernel/index.ts';
import { bytesEqual, TokenBuckets } from '../../kernel/index.ts';
import { packetLeaf, packetRoot } from '../../security/index.ts';
import type { DataHeader } from '../../wire/index.ts';
import { decodeProof, proofSigningInput } from '../../wire/index.ts';

export interface ProofLimits {
  /** Roots remembered as verified. Overflow: the oldest is verified again. */
  readonly verifiedRootsMax: number;
  /** Signatures of one source verified. Overflow: its packets under new signatures are refused. */
  readonly signaturesPerSecond: number;
  readonly signaturesBurst: number;
  /** Bad signatures from one neighbour. Overflow: what it brings under new signatures is refused. */
  readonly badSignaturesPerSecond: number;
  readonly badSignaturesBurst: number;
}

export const PROOF_LIMITS: ProofLimits = {
  verifiedRootsMax: 4_096,
  signaturesPerSecond: 500,
  signaturesBurst: 500,
  badSignaturesPerSecond: 20,
  badSignaturesBurst: 40,
};

export interface ProofJudgeOptions {
  readonly crypto: Crypto;
  readonly networkId: Uint8Array;
  /** Undefined: no member known here has the address. */
  readonly identityKeyOf: (source: NodeAddress) => Uint8Array | undefined;
  readonly counters: Counters;
  readonly limits?: Partial<ProofLimits>;
}

export type ProofRefusal =
  | 'bad-proof'
  | 'unknown-source'
  | 'bad-source-signature'
  | 'source-over-signature-budget'
  | 'neighbour-over-forgery-budget';

/** Members that come and go leave budgets behind: beyond so many all begin anew. */
const BUDGETS_MAX = 16_384;

export class ProofJudge {
  private readonly options: ProofJudgeOptions;
  private readonly limits: ProofLimits;
  /** By source and root: the signature. */
  private readonly verified = new Map<string, Uint8Array>();
  private readonly budgets: TokenBuckets<NodeAddress>;
  private readonly forgeries: TokenBuckets<NodeAddress>;

  constructor(options: ProofJudgeOptions) {
    this.options = options;
    const limits = { ...PROOF_LIMITS, ...options.limits };
    this.limits = limits;
    this.budgets = new TokenBuckets({
      perSecond: limits.signaturesPerSecond,
      burst: limits.signaturesBurst,
    });
    this.forgeries = new TokenBuckets({
      perSecond: limits.badSignaturesPerSecond,
      burst: limits.badSignaturesBurst,
    });
  }

  /** Why the frame at [at, end), whose header this is, does not pass; undefined: it does. */
  refusal(
    header: Readonly<DataHeader>,
    from: NodeAddress,
    bytes: Uint8Array,
    at: number,
    end: number,
    now: Instant,
  ): ProofRefusal | undefined {
    const { crypto, networkId, identityKeyOf, counters } = this.options;
    const { source } = header;
    const proofAt = end - 4 * header.proofWords;
    const proof = decodeProof(bytes, proofAt, end);
    if (proof === undefined) return 'bad-proof';
    const identityKey = identityKeyOf(source);
    if (identityKey === undefined) return 'unknown-source';
    const leaf = packetLeaf(crypto, bytes, at, proofAt);
    const root = packetRoot(crypto, leaf, proof.place, proof.siblings);
    const key = `${source} ${String.fromCharCode(...root)}`;
    const known = this.verified.get(key);
    // Another signature would pass here and be held against this node by the next.
    if (known !== undefined)
      return bytesEqual(known, proof.signature) ? undefined : 'bad-source-signature';
    if (this.budgets.size > BUDGETS_MAX) this.budgets.clear();
    const forgeries = this.forgeries.of(from);
    if (forgeries.availableAt() > now) return 'neighbour-over-forgery-budget';
    const budget = this.budgets.of(source);
    if (budget.availableAt() > now) return 'source-over-signature-budget';
    counters.add('signatures-verified');
    if (!crypto.verify(identityKey, proofSigningInput(networkId, source, root), proof.signature)) {
      forgeries.take(now);
      return 'bad-source-signature';
    }
    budget.take(now);
    this.remember(key, proof.signature.slice());
    return undefined;
  }

  private remember(key: string, signature: Uint8Array): void {
    this.verified.set(key, signature);
    if (this.verified.size <= this.limits.verifiedRootsMax) return;
    this.verified.delete(this.verified.keys().next().value!);
    this.options.counters.add('verified-roots-forgotten');
  }
}
