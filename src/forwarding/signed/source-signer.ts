/**
 * Signs the packets of this node's signed flows, in batches over all of them: one signature for up to
 * 32 packets, or for what came within 5 ms of the first. Each leaves with its own proof
 * (`wire/packet-proof.ts`).
 *
 * A batch that is full leaves at once, so what waits is bounded. What a packet cannot do any more by
 * then, such as find a way, is counted where it happens; its sender was told that it was sent.
 */
import type { Crypto, Duration, Instant, NodeAddress, Signer } from '../../kernel/index.ts';
import { concatBytes, later, milliseconds } from '../../kernel/index.ts';
import { packetLeaf, packetTree } from '../../security/index.ts';
import { encodeProof, PROOF_BATCH_MAX, proofBytes, proofSigningInput } from '../../wire/index.ts';
import type { OutgoingPacket } from '../outgoing-packet.ts';

/** How long the first packet of a batch waits for others. */
export const SIGNING_WAIT: Duration = milliseconds(5);

export interface SourceSignerOptions {
  readonly crypto: Crypto;
  readonly signer: Signer;
  readonly networkId: Uint8Array;
  readonly self: NodeAddress;
  /** The frame up to its payload, as it will leave. */
  readonly headerOf: (packet: OutgoingPacket) => Uint8Array;
  /** Sends a packet whose payload ends with its proof. */
  readonly send: (packet: OutgoingPacket, payload: Uint8Array, now: Instant) => void;
}

interface Held {
  readonly packet: OutgoingPacket;
  readonly payload: Uint8Array;
}

export class SourceSigner {
  private readonly options: SourceSignerOptions;
  private held: Held[] = [];
  private dueAt: Instant | undefined;

  constructor(options: SourceSignerOptions) {
    this.options = options;
  }

  /** `packet` and `payload` are copied. */
  sign(packet: OutgoingPacket, payload: Uint8Array, now: Instant): void {
    const service = { ...packet.service };
    this.held.push({ packet: { ...packet, service }, payload: payload.slice() });
    this.dueAt ??= later(now, SIGNING_WAIT);
    if (this.held.length === PROOF_BATCH_MAX) this.flush(now);
  }

  nextTimeout(): Instant | undefined {
    return this.dueAt;
  }

  timeout(now: Instant): void {
    if (this.dueAt !== undefined && this.dueAt <= now) this.flush(now);
  }

  private flush(now: Instant): void {
    const { held } = this;
    const { crypto, signer, networkId, self, headerOf, send } = this.options;
    this.held = [];
    this.dueAt = undefined;
    const proofWords = proofBytes(Math.ceil(Math.log2(held.length))) >>> 2;
    const packets = held.map(({ packet }) => ({ ...packet, proofWords }));
    const leaves = packets.map((packet, i) => {
      const frame = concatBytes(headerOf(packet), held[i]!.payload);
      return packetLeaf(crypto, frame, 0, frame.length);
    });
    const tree = packetTree(crypto, leaves);
    const signature = signer.sign(proofSigningInput(networkId, self, tree.root));
    packets.forEach((packet, place) => {
      const proof = encodeProof({ siblings: tree.siblings(place), signature, place });
      send(packet, concatBytes(held[place]!.payload, proof), now);
    });
  }
}
