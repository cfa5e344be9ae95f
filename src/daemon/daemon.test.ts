/** Real daemons in this process: real UDP over loopback, real control sockets. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Duration, type OverlayError, wallTime } from '../kernel/index.ts';
import { issueCertificate, restoreIdentity, TrustStore } from '../security/index.ts';
import { nodeCrypto, nodeEntropy } from '../underlay/index.ts';
import type { Daemon } from './daemon.ts';
import { type ProvisionReport, StateDirectory, startDaemon } from './index.ts';
import { initNetwork, joinNetwork, provisionMember } from './provision.ts';

const scratch = mkdtempSync(join(tmpdir(), 'overlane-daemon-'));
const started: Daemon[] = [];
after(async () => {
  for (const daemon of started) daemon.stop();
  await Promise.all(started.map((daemon) => daemon.ended));
  rmSync(scratch, { recursive: true, force: true });
});

let directories = 0;
const directory = (): string => join(scratch, String(directories++));

async function start(state: string, config = ''): Promise<Daemon> {
  const file = join(state, 'overlane.yaml');
  const listen = config.includes('listen:') ? '' : 'listen: ["127.0.0.1:0"]\n';
  writeFileSync(file, `${listen}log: { level: error }\n${config}`);
  const daemon = await startDaemon({ state, config: file, isProcess: false });
  started.push(daemon);
  return daemon;
}

const portOf = (daemon: Daemon): string => daemon.host.statusNow().underlay.locals[0]!;

async function until(holds: () => boolean, ms = 10_000): Promise<void> {
  const limit = performance.now() + ms;
  while (!holds()) {
    assert.ok(performance.now() < limit, `not within ${ms} ms: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const isLinked = (daemon: Daemon, neighbour: string): boolean =>
  daemon.host.statusNow().links.some((l) => l.neighbour === neighbour && l.state === 'up');
const isRouted = (daemon: Daemon, to: string): boolean =>
  daemon.host.statusNow().routes.some((r) => r.destination === to && r.path.length > 0);

function network(isLab = true): { root: string; report: ProvisionReport } {
  const root = directory();
  return { root, report: initNetwork({ state: root, network: 'test', name: 'ATL', isLab }) };
}

test('a founder invites, a newcomer joins with the token, and they have a link', async () => {
  const { root } = network();
  const atl = await start(root);
  const { token, addresses } = atl.invite({ name: 'LAX' });
  assert.deepEqual(addresses, [portOf(atl)]);
  const state = directory();
  const joined = await joinNetwork({ token, state, timeoutMs: 10_000 });
  assert.equal(joined.name, 'LAX', 'the invite says the name');
  assert.equal(joined.through, 'ATL');
  assert.equal(joined.isLab, true);
  const lax = await start(state);
  await until(() => isLinked(lax, 'ATL') && isLinked(atl, 'LAX'));
  await until(() => isRouted(lax, 'ATL') && isRouted(atl, 'LAX'));
  assert.equal((await lax.host.ping('ATL')).outcome, 'reply');
  const again = joinNetwork({ token, state: directory(), timeoutMs: 10_000 });
  await assert.rejects(again, (error: OverlayError) => error.details['reason'] === 'TOKEN_USED');
  assert.equal(atl.invites()[0]?.usedBy, 'LAX');
});

test('a token is refused when mistyped, unknown, for another name, or for a name that is taken', async () => {
  const { root } = network();
  const atl = await start(root);
  const { token } = atl.invite({});
  const join_ = (options: { token: string; name?: string }): Promise<unknown> =>
    joinNetwork({ state: directory(), timeoutMs: 10_000, ...options });
  await assert.rejects(join_({ token: `${token.slice(0, -2)}xx` }), { code: 'TOKEN_INVALID' });
  const check = async (options: { token: string; name?: string }, reason: string) => {
    await assert.rejects(join_(options), (error: OverlayError) => {
      assert.equal(error.code, 'JOIN_REFUSED');
      assert.equal(error.details['reason'], reason);
      return true;
    });
  };
  await check({ token, name: 'ATL' }, 'NAME_TAKEN');
  await check({ token }, 'NAME_NEEDED');
  const named = atl.invite({ name: 'SEA' });
  await check({ token: named.token, name: 'DFW' }, 'NAME_MISMATCH');
  assert.throws(() => atl.invite({ name: 'ATL' }), { code: 'NAME_TAKEN' });
});

test('a member that is not an issuer cannot invite or revoke', async () => {
  const { root } = network();
  const state = directory();
  provisionMember({ root, state, name: 'LAX' });
  const lax = await start(state);
  assert.throws(() => lax.invite({}), { code: 'NOT_AN_ISSUER' });
  assert.throws(() => lax.revoke('ATL'), { code: 'NOT_AN_ISSUER' });
});

test('a member asks an issuer it has no link to for its next certificate', async () => {
  const { root } = network();
  const [middle, edge] = [directory(), directory()];
  provisionMember({ root, state: middle, name: 'DFW' });
  provisionMember({ root, state: edge, name: 'LAX', lifetime: 3_600e6 as Duration });
  const atl = await start(root);
  const dfw = await start(middle, `neighbours: [{ name: ATL, addresses: ["${portOf(atl)}"] }]\n`);
  const lax = await start(edge, `neighbours: [{ name: DFW, addresses: ["${portOf(dfw)}"] }]\n`);
  await until(() => isRouted(lax, 'ATL') && lax.host.members().some((m) => m.name === 'ATL'));
  const before = StateDirectory.open(edge).membership()?.chain;
  assert.equal(lax.info().certificate.state, 'critical', 'an hour is less than a day');
  assert.equal(await lax.renew(), true);
  const afterwards = StateDirectory.open(edge).membership()?.chain;
  assert.notDeepEqual(afterwards, before);
});

test('a revoked member loses its links', async () => {
  const { root } = network();
  const state = directory();
  provisionMember({ root, state, name: 'LAX' });
  const atl = await start(root);
  const lax = await start(state, `neighbours: [{ name: ATL, addresses: ["${portOf(atl)}"] }]\n`);
  await until(() => isLinked(atl, 'LAX') && atl.host.members().some((m) => m.name === 'LAX'));
  const { serials, manifestVersion } = atl.revoke('LAX');
  assert.equal(serials.length, 1);
  assert.equal(manifestVersion, 2);
  await until(() => !isLinked(atl, 'LAX') && !isLinked(lax, 'ATL'));
});

test('revoking a member revokes its older certificates, and its keys for good', async () => {
  const { root } = network();
  const state = directory();
  provisionMember({ root, state, name: 'LAX' });
  const atl = await start(root);
  const lax = await start(state, `neighbours: [{ name: ATL, addresses: ["${portOf(atl)}"] }]\n`);
  await until(() => isLinked(atl, 'LAX') && atl.host.members().some((m) => m.name === 'LAX'));
  // An older certificate than the one that is shown: made now, with the same keys.
  const older = directory();
  StateDirectory.open(older, { isCreated: true }).saveIdentity(
    StateDirectory.open(state).identity()!,
  );
  provisionMember({ root, state: older, name: 'LAX' });
  atl.revoke('LAX');
  await until(() => !isLinked(lax, 'ATL'));
  lax.stop();
  await lax.ended;
  const again = await start(older, `neighbours: [{ name: ATL, addresses: ["${portOf(atl)}"] }]\n`);
  const counters = (): Readonly<Record<string, number>> => atl.host.statusNow().counters;
  await until(() => (counters()['link.handshake.refused.certificate-revoked'] ?? 0) > 0);
  assert.equal(isLinked(again, 'ATL'), false);
  const { token } = atl.invite({ name: 'LAX' });
  again.stop();
  await again.ended;
  const fresh = directory();
  StateDirectory.open(fresh, { isCreated: true }).saveIdentity(
    StateDirectory.open(state).identity()!,
  );
  await assert.rejects(
    joinNetwork({ token, state: fresh, timeoutMs: 10_000 }),
    /ATL refused: IDENTITY_REVOKED/,
  );
});

test('a certificate that ran out stops a member, lets it join again, and renews where the root is', async () => {
  const { root } = network();
  const state = directory();
  const ranOut = -1e6 as Duration;
  assert.throws(() => provisionMember({ root, state, name: 'LAX', lifetime: ranOut }), {
    code: 'BAD_IDENTITY',
  });
  await assert.rejects(start(state), (error: OverlayError) => {
    assert.equal(error.code, 'BAD_IDENTITY');
    assert.match(error.message, /expired.*join again with a new token/);
    return true;
  });
  const opened = StateDirectory.open(root);
  const founder = opened.membership()!;
  const old = StateDirectory.open(state).membership()!.chain;
  const atl = await start(root);
  const { token } = atl.invite({ name: 'LAX' });
  const joined = await joinNetwork({ token, state, timeoutMs: 10_000 });
  assert.equal(joined.name, 'LAX');
  assert.notDeepEqual(StateDirectory.open(state).membership()!.chain, old);
  await assert.rejects(joinNetwork({ token, state }), { code: 'ALREADY_MEMBER' });
  atl.stop();
  await atl.ended;

  const identity = restoreIdentity({ crypto: nodeCrypto(), ...opened.identity()! });
  const chain = issueCertificate({
    crypto: nodeCrypto(),
    entropy: nodeEntropy(),
    networkId: new TrustStore({ crypto: nodeCrypto(), ...founder }).networkId,
    issuer: { signingSeed: opened.rootSeed()! },
    subject: {
      name: 'ATL',
      identityKey: identity.identityPublicKey,
      agreementKey: identity.agreementPublicKey,
      roles: ['issuer'],
    },
    wall: wallTime(Date.now() * 1_000),
    lifetime: ranOut,
  });
  assert.ok(chain.ok);
  opened.saveMembership({ ...founder, chain: chain.value });
  const again = await start(root);
  assert.equal(again.info().certificate.state, 'good');
  assert.doesNotThrow(() => again.invite({ name: 'DFW' }));
});

test('the epoch goes up with every start and two daemons cannot share a state directory', async () => {
  const { root } = network();
  const first = await start(root);
  const { epoch } = first.host.statusNow();
  await assert.rejects(start(root), { code: 'STATE_LOCKED' });
  first.stop();
  await first.ended;
  const second = await start(root);
  assert.ok(second.host.statusNow().epoch > epoch);
});

test('a daemon that cannot start says why and leaves nothing open', async () => {
  await assert.rejects(start(scratch), { code: 'NOT_A_MEMBER' });
  const { root } = network(false);
  const impaired = 'impairments: [{ neighbour: LAX, loss: 10% }]\n';
  await assert.rejects(start(root, impaired), { code: 'NOT_A_LAB' });
  await assert.rejects(start(root, 'listn: []'), { code: 'CONFIG_INVALID' });
  await assert.rejects(start(root, 'listen: ["192.0.2.1:1"]'), { code: 'UNDERLAY_BIND_FAILED' });
  chmodSync(root, 0o755);
  await assert.rejects(start(root), { code: 'STATE_TOO_OPEN' });
  chmodSync(root, 0o700);
  const daemon = await start(root);
  assert.equal(daemon.host.name, 'ATL', 'lock and ports were given back each time');
});

test('a reload applies what it can, tells what waits, and keeps the old config when bad', async () => {
  const { root } = network();
  const daemon = await start(root);
  const file = join(root, 'overlane.yaml');
  const write = (text: string): void => writeFileSync(file, text);
  write('listen: ["127.0.0.1:0"]\nlog: { level: warn }\ntimers: { hello: 200ms }\n');
  const { changes } = await daemon.reload();
  assert.deepEqual(
    changes.map(({ key, effect }) => [key, effect]),
    [
      ['log.level', 'now'],
      ['timers.hello', 'restart'],
    ],
  );
  assert.equal(daemon.logLevels().subsystems.link, 'warn');
  const again = await daemon.reload();
  assert.deepEqual(
    again.changes.map(({ key }) => key),
    ['timers.hello'],
    'it still waits',
  );
  write('log: { levl: debug }');
  await assert.rejects(daemon.reload(), { code: 'CONFIG_INVALID' });
  assert.equal(daemon.logLevels().subsystems.link, 'warn');
});

test('impairments of a lab link change while it runs', async () => {
  const { root } = network();
  const state = directory();
  provisionMember({ root, state, name: 'LAX' });
  const atl = await start(root);
  const lax = await start(
    state,
    `neighbours: [{ name: ATL, addresses: ["${portOf(atl)}"] }]\n` +
      'impairments: [{ neighbour: ATL, delay: 20ms }]\n',
  );
  await until(() => isRouted(lax, 'ATL') && isRouted(atl, 'LAX'));
  const pinged = await lax.host.ping('ATL');
  assert.ok(pinged.outcome === 'reply' && pinged.rttMs >= 19, JSON.stringify(pinged));
  lax.impair('ATL', { cut: true });
  assert.deepEqual(lax.impairments()[0]?.impairments.delayMs, 20, 'what is not named stays');
  atl.impair('LAX', { cut: true });
  await until(() => !isLinked(lax, 'ATL') && !isLinked(atl, 'LAX'));
  lax.impair('ATL', 'none');
  atl.impair('LAX', 'none');
  await until(() => isLinked(lax, 'ATL'));
  assert.throws(() => lax.impair('SEA', { cut: true }), { code: 'UNKNOWN_DESTINATION' });
});

test('a founding that was interrupted between root key and membership goes on with the same root', () => {
  const root = directory();
  const seed = new Uint8Array(32).fill(7);
  StateDirectory.open(root, { isCreated: true }).saveRootSeed(seed);
  const { network } = initNetwork({ state: root, network: 'test', name: 'ATL', isLab: false });
  assert.equal(network, 'test');
  assert.deepEqual(StateDirectory.open(root).rootSeed(), seed);
  const again = { state: root, network: 'test', name: 'ATL', isLab: false };
  assert.throws(() => initNetwork(again), { code: 'ALREADY_MEMBER' });
});
