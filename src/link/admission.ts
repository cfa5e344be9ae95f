/**
 * Whether the peer of a handshake may have a link. Everything here is about what it showed; that it
 * holds the keys it showed, the handshake has proved.
 */
import type { NodeAddress, Result, UnderlayAddress, WallTime } from '../kernel/index.ts';
import { bytesEqual, fail, ok } from '../kernel/index.ts';
import type { Member, TrustStore } from '../security/index.ts';
import type { Dialer, Slot } from './dialer.ts';
import type { PeerClaim } from './handshakes.ts';
import { Link } from './link.ts';

/** What opened a handshake: a configured neighbour's slot, or a link that renews its keys. */
export type Owner = Slot | Link;

export interface AdmissionState {
  readonly wall: WallTime | undefined;
  readonly trust: TrustStore;
  readonly self: Member;
  readonly links: ReadonlyMap<NodeAddress, Link>;
  readonly dialer: Dialer;
  /** Whether one more path to the neighbour may be opened, or this one is open already. */
  readonly hasRoomFor: (neighbour: NodeAddress, remote: UnderlayAddress) => boolean;
  readonly neighboursMax: number;
  readonly acceptLinks: 'members' | 'configured';
  readonly canEnrol: boolean;
}

/** The member; undefined for a joiner that may ask for a certificate; or why not, in words. */
export function judgePeer(
  claim: PeerClaim<Owner>,
  state: AdmissionState,
): Result<Member | undefined, string> {
  const { payload, owner } = claim;
  if (payload.intent === 'enrol') {
    if (owner !== undefined) return fail('not a member');
    return state.canEnrol ? ok(undefined) : fail('too many enrolments');
  }
  if (state.wall === undefined) return fail('clock not known yet');
  const verdict = state.trust.verifyChain(payload.chain, state.wall);
  if (!verdict.ok) return fail(`certificate ${verdict.reason}`);
  const member = verdict.value;
  const { address } = member;
  if (!bytesEqual(member.agreementKey, claim.remoteStatic)) return fail('key mismatch');
  if (address === state.self.address) return fail('own identity');
  if (!mayLink(state.trust, state.self, member)) return fail(NOT_PERMITTED);
  const link = state.links.get(address);
  if (
    payload.isOneOfSeveral === true &&
    link !== undefined &&
    !state.hasRoomFor(address, claim.remote)
  )
    return fail('too many paths');
  if (link !== undefined && payload.epoch < link.peerEpoch) return fail('stale epoch');
  if (link === undefined && state.links.size >= state.neighboursMax)
    return fail('too many neighbours');
  const fault = expectationFault(member, claim, state);
  return fault === undefined ? ok(member) : fail(fault);
}

/** Why a link to a neighbour may not go on, by the manifest and the clock; undefined: it may. */
export function trustFault(
  neighbour: Member,
  { trust, self, wall }: { trust: TrustStore; self: Member; wall: WallTime },
): string | undefined {
  const verdict = trust.verifyChain(neighbour.chain, wall);
  if (!verdict.ok) return `certificate ${verdict.reason}`;
  return mayLink(trust, self, neighbour) ? undefined : NOT_PERMITTED;
}

const NOT_PERMITTED = 'link not in the topology';

const mayLink = ({ permittedLinks }: TrustStore, a: Member, b: Member): boolean =>
  permittedLinks.latencyMin(a.name, b.name) !== undefined;

function expectationFault(
  member: Member,
  claim: PeerClaim<Owner>,
  state: AdmissionState,
): string | undefined {
  const { owner, remote } = claim;
  const { name, address } = member;
  if (owner instanceof Link) return owner.neighbour === address ? undefined : 'wrong member';
  if (owner !== undefined)
    return owner.spec.name === undefined || owner.spec.name === name ? undefined : 'wrong member';
  if (state.acceptLinks === 'members') return undefined;
  const slot = state.dialer.slotFor({ name, address, remote });
  return slot === undefined && !state.dialer.isNamed(name) ? 'not configured' : undefined;
}
