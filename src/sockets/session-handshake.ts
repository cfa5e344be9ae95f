/**
 * The two messages of a session's Noise IK exchange, made and read. Nothing here is remembered: the
 * session table decides what an exchange means.
 */
import type {
  AeadAlgorithm,
  Crypto,
  Entropy,
  Instant,
  KeyAgreement,
  NodeAddress,
  Result,
} from '../kernel/index.ts';
import { ByteWriter, bytesEqual, fail, ok, utf8Encode } from '../kernel/index.ts';
import type { Member, TransportKeys } from '../security/index.ts';
import { NoiseHandshake } from '../security/index.ts';
import type { DataHeader, SessionOffer } from '../wire/index.ts';
import { decodeSessionOffer, encodeSessionOffer } from '../wire/index.ts';

/** Who is shaking hands, and with what. */
export interface HandshakeParty {
  readonly self: Member;
  readonly agreement: KeyAgreement;
  readonly epoch: number;
  readonly crypto: Crypto;
  readonly entropy: Entropy;
}

export interface Initiation extends InitiationName {
  readonly noise: NoiseHandshake;
  readonly member: Member;
  /** Sent again as it is: any response to it completes the handshake. */
  readonly message: Uint8Array;
}

interface InitiationName {
  readonly index: number;
  readonly number: number;
  readonly begunAt: Instant;
}

export function beginInitiation(
  party: HandshakeParty,
  member: Member,
  name: InitiationName,
): Initiation {
  const { self, agreement, epoch, crypto, entropy } = party;
  const noise = new NoiseHandshake({
    pattern: 'IK',
    role: 'initiator',
    prologue: prologue(self.address, member.address),
    localStatic: agreement,
    remoteStatic: member.agreementKey,
    crypto,
    entropy,
  });
  const offer = encodeSessionOffer({ ...name, epoch, algorithms: crypto.aeadPreference });
  return { ...name, noise, member, message: noise.writeMessage(offer) };
}

/** A peer's initiation that was found sound: what it offers, and how to answer it. */
export interface SoundInitiation {
  readonly noise: NoiseHandshake;
  readonly offer: SessionOffer;
  readonly algorithm: AeadAlgorithm;
}

export function readInitiation(
  party: HandshakeParty,
  member: Member,
  header: DataHeader,
  message: Uint8Array,
): Result<SoundInitiation> {
  const noise = new NoiseHandshake({
    pattern: 'IK',
    role: 'responder',
    prologue: prologue(header.source, party.self.address),
    localStatic: party.agreement,
    crypto: party.crypto,
    entropy: party.entropy,
  });
  const read = noise.readMessage(message);
  if (!read.ok) return read;
  if (noise.remoteStatic === undefined || !bytesEqual(noise.remoteStatic, member.agreementKey))
    return fail('wrong-key');
  const offer = decodeSessionOffer(read.value);
  if (offer === undefined || offer.epoch !== header.epoch) return fail('bad-offer');
  const algorithm = party.crypto.aeadPreference.find((a) => offer.algorithms.includes(a));
  return algorithm === undefined ? fail('no-common-algorithm') : ok({ noise, offer, algorithm });
}

export function answerInitiation(
  party: HandshakeParty,
  sound: SoundInitiation,
  localIndex: number,
): Result<{ readonly keys: TransportKeys; readonly message: Uint8Array }> {
  const { noise, offer, algorithm } = sound;
  const own = { index: localIndex, epoch: party.epoch, number: offer.number };
  const message = noise.writeMessage(encodeSessionOffer({ ...own, algorithms: [algorithm] }));
  return noise.isComplete ? ok({ keys: noise.split(algorithm), message }) : fail('low-order-key');
}

export function readResponse(
  party: HandshakeParty,
  initiation: Initiation,
  header: DataHeader,
  message: Uint8Array,
): Result<{ readonly keys: TransportKeys; readonly offer: SessionOffer }> {
  const read = initiation.noise.readMessage(message);
  if (!read.ok) return read;
  const offer = decodeSessionOffer(read.value);
  const algorithm = offer?.algorithms[0];
  const isSound =
    offer?.number === initiation.number &&
    offer.epoch === header.epoch &&
    algorithm !== undefined &&
    party.crypto.aeadPreference.includes(algorithm);
  if (offer === undefined || algorithm === undefined || !isSound) return fail('bad-offer');
  return ok({ keys: initiation.noise.split(algorithm), offer });
}

/** Binds the exchange to this protocol and to who talks to whom. */
const prologue = (initiator: NodeAddress, responder: NodeAddress): Uint8Array =>
  new ByteWriter(32).raw(utf8Encode('overlane/session/1')).u32(initiator).u32(responder).finish();
