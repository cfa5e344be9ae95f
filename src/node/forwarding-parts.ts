/** The fair outlet and the forwarder of a node, by the node's options. */
import type {
  FairOutletOptions,
  ForwarderOptions,
  ProofJudgeOptions,
} from '../forwarding/index.ts';
import { FairOutlet, Forwarder, ProofJudge } from '../forwarding/index.ts';
import type { NodeAddress } from '../kernel/index.ts';
import type { NodeOptions } from './contract.ts';

export interface OutletParts
  extends Required<
    Pick<FairOutletOptions, 'links' | 'counters' | 'self' | 'isReserved' | 'resend' | 'drained'>
  > {
  readonly nameOf: (address: NodeAddress) => string | undefined;
}

export function createOutlet(options: NodeOptions, { nameOf, ...parts }: OutletParts): FairOutlet {
  const { weights, observer } = options;
  return new FairOutlet({
    ...parts,
    ...(weights === undefined ? {} : { weightOf: (source) => weights[nameOf(source) ?? ''] ?? 1 }),
    ...(observer?.packetDropped === undefined
      ? {}
      : { dropped: (header, reason) => observer.packetDropped?.(header, reason) }),
  });
}

export type ForwarderParts = Pick<ProofJudgeOptions, 'networkId' | 'identityKeyOf' | 'counters'> &
  Omit<ForwarderOptions, 'epoch' | 'observer' | 'flowsMax' | 'windowBits' | 'proofs' | 'counters'>;

export function createForwarder(
  { epoch, observer, limits, crypto }: NodeOptions,
  { networkId, identityKeyOf, counters, ...parts }: ForwarderParts,
): Forwarder {
  return new Forwarder({
    ...parts,
    epoch,
    counters,
    proofs: new ProofJudge({ crypto, networkId, identityKeyOf, counters }),
    ...(observer === undefined ? {} : { observer }),
    ...(limits?.flowsMax === undefined ? {} : { flowsMax: limits.flowsMax }),
  });
}
