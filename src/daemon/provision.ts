/**
 * How a state directory comes to hold a member: by founding a network (`initNetwork`), by trading an
 * invite for a certificate (`joinNetwork`), or, where one person holds the root and all directories,
 * directly (`provisionMember`, for labs and tests). Each ends with one write, that of the
 * membership; interrupted before it, the same call can be made again.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import {
  type DatagramBatch,
  type Duration,
  formatNodeAddress,
  instant,
  milliseconds,
  OverlayError,
  Random,
  type Result,
  readU32,
  toHex,
  type UnderlayAddress,
  underlayAddress,
  type WallTime,
  wallTime,
} from '../kernel/index.ts';
import { type Enrolment, EnrolmentClient, type EnrolmentFailure } from '../link/index.ts';
import {
  createIdentity,
  createNetwork,
  type Identity,
  issueCertificate,
  type Member,
  restoreIdentity,
  type TrustRefusal,
  TrustStore,
} from '../security/index.ts';
import { nodeCrypto, nodeEntropy, systemClock, UdpUnderlay } from '../underlay/index.ts';
import {
  decodeCertificate,
  decodeChain,
  type InviteToken,
  isNodeName,
  parseInviteToken,
  ROLE_ISSUER,
} from '../wire/index.ts';
import { type Membership, StateDirectory } from './state-directory.ts';
import { parseHostPort } from './units.ts';

export interface ProvisionReport {
  readonly network: string;
  /** Hexadecimal. */
  readonly networkId: string;
  readonly isLab: boolean;
  readonly name: string;
  /** Overlay address, eight hexadecimal digits. */
  readonly address: string;
  readonly state: string;
  readonly certificateEnds: string;
}

export interface JoinReport extends ProvisionReport {
  /** Name of the inviter. */
  readonly through: string;
}

/** A joiner without a name of its own asks for the one in the invite. Never a node's name. */
export const NAME_OF_INVITE = '*';

/** The founder's certificate; it renews itself with the root key next to it. */
const FOUNDER_LIFETIME = (365 * 86_400e6) as Duration;

/** Makes a network whose root key is in this directory. Fails with BAD_NAME, ALREADY_MEMBER. */
export function initNetwork(options: {
  state: string;
  network: string;
  name: string;
  isLab: boolean;
}): ProvisionReport {
  checkName(options.network, 'network');
  checkName(options.name, 'node');
  const state = openForNewMember(options.state, { isFounding: true });
  const crypto = nodeCrypto();
  const entropy = nodeEntropy();
  const identity = ownIdentity(state);
  const { rootSeed, rootKey, networkId, manifest } = createNetwork({
    crypto,
    entropy,
    name: options.network,
    isLab: options.isLab,
    rootSeed: state.rootSeed(),
  });
  state.saveRootSeed(rootSeed);
  const chain = issueCertificate({
    crypto,
    entropy,
    networkId,
    issuer: { signingSeed: rootSeed },
    subject: {
      name: options.name,
      identityKey: identity.identityPublicKey,
      agreementKey: identity.agreementPublicKey,
      roles: [ROLE_ISSUER],
    },
    wall: wallNow(),
    lifetime: FOUNDER_LIFETIME,
  });
  if (!chain.ok) throw new OverlayError('BAD_NAME', `cannot certify ${options.name}`);
  const membership = { rootKeys: [rootKey], manifest, chain: chain.value, joinedThrough: [] };
  state.saveMembership(membership);
  return reportOf(state, membership);
}

/**
 * Trades a token for a certificate. Fails with TOKEN_INVALID, TOKEN_EXPIRED, ALREADY_MEMBER,
 * BAD_NAME, JOIN_REFUSED (`details.reason`), JOIN_TIMED_OUT, ABORTED.
 */
export async function joinNetwork(options: {
  token: string;
  /** The invite's name when absent. */
  name?: string | undefined;
  state: string;
  timeoutMs?: number;
  signal?: AbortSignal;
}): Promise<JoinReport> {
  if (options.name !== undefined) checkName(options.name, 'node');
  const invite = readToken(options.token);
  const state = openForNewMember(options.state);
  const identity = ownIdentity(state);
  const remotes = await resolveAll(invite.addresses);
  const outcome = await enrol({
    invite,
    remotes,
    identity,
    name: options.name ?? NAME_OF_INVITE,
    timeoutMs: options.timeoutMs ?? 30_000,
    signal: options.signal,
  });
  if (!outcome.ok) throw joinFailure(outcome.reason, invite);
  const membership: Membership = {
    rootKeys: [invite.rootKey],
    ...outcome.value,
    joinedThrough: [{ name: invite.inviterName, addresses: invite.addresses }],
  };
  state.saveMembership(membership);
  return { ...reportOf(state, membership), through: invite.inviterName };
}

/** Certifies a new node directly, with the root key in another directory. Fails as `initNetwork`. */
export function provisionMember(options: {
  /** State directory that holds the root key. */
  root: string;
  state: string;
  name: string;
  roles?: readonly string[];
  lifetime?: Duration;
}): ProvisionReport {
  checkName(options.name, 'node');
  const crypto = nodeCrypto();
  const root = StateDirectory.open(options.root);
  const rootSeed = root.rootSeed();
  const founder = root.membership();
  if (rootSeed === undefined || founder === undefined)
    throw new OverlayError('NOT_AN_ISSUER', `${options.root} does not hold a network's root key`);
  const state = openForNewMember(options.state);
  const identity = ownIdentity(state);
  const { networkId } = new TrustStore({ crypto, ...founder });
  const chain = issueCertificate({
    crypto,
    entropy: nodeEntropy(),
    networkId,
    issuer: { signingSeed: rootSeed },
    subject: {
      name: options.name,
      identityKey: identity.identityPublicKey,
      agreementKey: identity.agreementPublicKey,
      roles: options.roles ?? [],
    },
    wall: wallNow(),
    ...(options.lifetime === undefined ? {} : { lifetime: options.lifetime }),
  });
  if (!chain.ok) throw new OverlayError('BAD_NAME', `cannot certify ${options.name}`);
  const membership = { ...founder, chain: chain.value, joinedThrough: [] };
  state.saveMembership(membership);
  return reportOf(state, membership);
}

/** Literal addresses of `host:port` texts; those that do not resolve are left out. */
export async function resolveAll(addresses: readonly string[]): Promise<UnderlayAddress[]> {
  const found = await Promise.all(
    addresses.map(async (text) => {
      const parts = parseHostPort(text);
      if (parts === undefined) return [];
      if (isIP(parts.host) !== 0) return [underlayAddress(parts.host, parts.port)];
      const answers = await lookup(parts.host, { all: true }).catch(() => []);
      return answers.map(({ address }) => underlayAddress(address, parts.port));
    }),
  );
  return found.flat();
}

export const wallNow = (): WallTime => wallTime(Date.now() * 1_000);

export const isoTime = (wall: number): string => new Date(wall / 1_000).toISOString();

function checkName(name: string, what: string): void {
  if (isNodeName(name)) return;
  throw new OverlayError(
    'BAD_NAME',
    `"${name}" cannot be a ${what} name: use letters, digits and hyphens, at most 32`,
    { details: { name } },
  );
}

function openForNewMember(path: string, how = { isFounding: false }): StateDirectory {
  const state = StateDirectory.open(path, { isCreated: true });
  const membership = state.membership();
  // A certificate that ran out is no membership any more; its keys may join again.
  const isMember = membership !== undefined && ownCertificate(membership).ok;
  // A root key without a membership is a founding that was interrupted; the same root goes on with it.
  const isUnfinished = how.isFounding && membership === undefined;
  if (!isMember && (isUnfinished || state.rootSeed() === undefined)) return state;
  throw new OverlayError(
    'ALREADY_MEMBER',
    `${path} already belongs to a member: start it with \`overlane up\`, or give the new node another state directory`,
    { details: { path } },
  );
}

/** The keys of this directory, made and kept when there are none. */
function ownIdentity(state: StateDirectory): Identity {
  const crypto = nodeCrypto();
  const kept = state.identity();
  if (kept !== undefined) return restoreIdentity({ crypto, ...kept });
  const identity = createIdentity({ crypto, entropy: nodeEntropy() });
  state.saveIdentity(identity);
  return identity;
}

/** Whether the certificate of a membership stands up now, and whom it makes of its owner. */
export function ownCertificate(membership: Membership): Result<Member, TrustRefusal> {
  const trust = new TrustStore({ crypto: nodeCrypto(), ...membership });
  return trust.verifyChain(membership.chain, wallNow());
}

/**
 * The membership with a certificate that holds. One that ran out while the daemon was not running is
 * issued again where the root key is at hand. Fails with BAD_IDENTITY and what to do.
 */
export function standingMembership(state: StateDirectory, membership: Membership): Membership {
  const own = ownCertificate(membership);
  if (own.ok) return membership;
  const rootSeed = state.rootSeed();
  const last = decodeCertificate(decodeChain(membership.chain)?.[0]?.body ?? new Uint8Array(0));
  if (own.reason === 'expired' && rootSeed !== undefined && last !== undefined) {
    const chain = issueCertificate({
      crypto: nodeCrypto(),
      entropy: nodeEntropy(),
      networkId: last.networkId,
      issuer: { signingSeed: rootSeed },
      subject: last,
      wall: wallNow(),
      lifetime: FOUNDER_LIFETIME,
    });
    if (chain.ok) {
      const renewed = { ...membership, chain: chain.value };
      state.saveMembership(renewed);
      return renewed;
    }
  }
  throw new OverlayError(
    'BAD_IDENTITY',
    `the certificate in ${state.path} does not hold (${own.reason}): ${REMEDIES[own.reason] ?? 'join again with a new token'}`,
    { details: { reason: own.reason, ends: last && isoTime(last.notAfter) } },
  );
}

const REMEDIES: Partial<Record<TrustRefusal, string>> = {
  'not-yet-valid': 'set the clock of this host',
  expired: 'set the clock of this host if it is wrong, else join again with a new token',
  revoked:
    'whoever holds the root key withdrew it; join with a new token and another state directory',
};

function reportOf(state: StateDirectory, membership: Membership): ProvisionReport {
  const trust = new TrustStore({ crypto: nodeCrypto(), ...membership });
  const own = ownCertificate(membership);
  if (!own.ok)
    throw new OverlayError('BAD_IDENTITY', `the certificate does not stand up: ${own.reason}`);
  return {
    network: trust.manifest.name,
    networkId: toHex(trust.networkId),
    isLab: trust.manifest.isLab,
    name: own.value.name,
    address: formatNodeAddress(own.value.address),
    state: state.path,
    certificateEnds: isoTime(own.value.notAfter),
  };
}

const TOKEN_FAULTS = {
  'not-a-token': 'this is not an invite token; it begins with "ovl1_"',
  'unsupported-version': 'this token needs a newer version of this program',
  mistyped: 'this token is damaged: copy it again, whole',
  malformed: 'this token is intact and makes no sense: ask for a new one',
} as const;

function readToken(text: string): InviteToken {
  const parsed = parseInviteToken(text.trim());
  if (!parsed.ok)
    throw new OverlayError('TOKEN_INVALID', TOKEN_FAULTS[parsed.reason], {
      details: { reason: parsed.reason },
    });
  if (parsed.value.expiry > wallNow()) return parsed.value;
  throw new OverlayError(
    'TOKEN_EXPIRED',
    `this token was good until ${isoTime(parsed.value.expiry)}: ask ${parsed.value.inviterName} for a new one`,
    { details: { expired: isoTime(parsed.value.expiry), inviter: parsed.value.inviterName } },
  );
}

function joinFailure(failure: EnrolmentFailure, invite: InviteToken): OverlayError {
  const details = { ...failure, inviter: invite.inviterName, addresses: invite.addresses };
  if (failure.kind === 'refused')
    return new OverlayError(
      'JOIN_REFUSED',
      `${invite.inviterName} refused: ${REFUSALS[failure.code] ?? failure.code}`,
      { details: { ...details, reason: failure.code } },
    );
  if (failure.kind === 'bad-answer')
    return new OverlayError(
      'JOIN_REFUSED',
      `${invite.inviterName} answered something unacceptable: ${failure.detail}`,
      { details: { ...details, reason: failure.kind } },
    );
  return new OverlayError(
    'JOIN_TIMED_OUT',
    `${invite.inviterName} did not answer on ${invite.addresses.join(', ')} (${failure.detail}): is its daemon running, and is UDP let through?`,
    { details, isRetryable: true },
  );
}

/** In words, the codes an inviter refuses with (`issuing.ts`). */
const REFUSALS: Readonly<Record<string, string>> = {
  TOKEN_UNKNOWN: 'it did not give this token out',
  TOKEN_EXPIRED: 'the token has expired',
  TOKEN_USED: 'the token was used already',
  NAME_MISMATCH: 'the token is for another name',
  NAME_NEEDED: 'the token is for any name: choose one with --name',
  NAME_TAKEN: 'a member of this name exists',
  BAD_NAME: 'the name is not acceptable',
  NOT_AN_ISSUER: 'it may not issue certificates (any more)',
};

interface EnrolOptions {
  readonly invite: InviteToken;
  readonly remotes: readonly UnderlayAddress[];
  readonly identity: Identity;
  readonly name: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Drives the enrolment core over UDP ports of its own. */
async function enrol(options: EnrolOptions): Promise<Result<Enrolment, EnrolmentFailure>> {
  const { invite, identity, remotes, signal } = options;
  const families = new Set(remotes.map((remote) => remote.family));
  if (families.size === 0)
    return { ok: false, reason: { kind: 'no-answer', detail: 'no address resolves' } };
  // One family at a time: the first address decides, as it is the one to try first.
  const family = remotes[0]!.family;
  const local = { host: family === 'udp6' ? '::' : '0.0.0.0', port: 0 };
  const underlay = await UdpUnderlay.open({ locals: [local] });
  const clock = systemClock();
  const entropy = nodeEntropy();
  try {
    return await new Promise((resolve, reject) => {
      const client = new EnrolmentClient(
        {
          invite,
          remotes: remotes.filter((remote) => remote.family === family),
          name: options.name,
          identity,
          wall: clock.wall(),
          crypto: nodeCrypto(),
          entropy,
          random: new Random(readU32(entropy.bytes(4), 0)),
          giveUpAfter: milliseconds(options.timeoutMs),
          transmit: (batch: DatagramBatch) => underlay.send(batch),
        },
        clock.now(),
      );
      let timer: NodeJS.Timeout | undefined;
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', aborted);
      };
      const aborted = (): void => {
        settle();
        reject(new OverlayError('ABORTED', 'joining was given up', { cause: signal?.reason }));
      };
      const advance = (): void => {
        clearTimeout(timer);
        if (client.outcome !== undefined) {
          settle();
          resolve(client.outcome);
          return;
        }
        const wait = (client.nextTimeout() ?? clock.now() + 1e6) - clock.now();
        timer = setTimeout(tick, Math.max(0, Math.ceil(wait / 1_000)));
      };
      const tick = (): void => {
        client.timeout(instant(clock.now()));
        advance();
      };
      underlay.start((batch) => {
        client.receive(batch, clock.now());
        advance();
      });
      if (signal?.aborted === true) return aborted();
      signal?.addEventListener('abort', aborted, { once: true });
      tick();
    });
  } finally {
    await underlay.close();
  }
}
