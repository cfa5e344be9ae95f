/**
 * `kill -9` at moments drawn from a seed, while the state directory is being made, opened or changed:
 * whatever was reported as done is still there, and the next start works. Every start gets a higher
 * epoch than all before it, or its packets would pass for old ones.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { StateDirectory } from '../dist/daemon/index.js';
import { Random, wallTime } from '../dist/kernel/index.js';
import { issueCertificate, restoreIdentity } from '../dist/security/index.js';
import { pause, scratch, until } from './support/bounded.mjs';
import { FoundedDaemon, found } from './support/founded.mjs';
import { overlane, startOverlane } from './support/overlane.mjs';
import { crypto, entropy } from './support/rogue.mjs';

const SEED = 20_251;
const ROUNDS = { init: 6, start: 6, manifest: 5, renewal: 3 };
const DAY_MS = 86_400_000;
/** Node itself takes a part of this to start; the draws cover what comes after as well. */
const START_MS = 900;

const RENEWAL_MS = 60_000;

const FILES =
  /^(identity\.json|membership\.json|root\.json|epoch|invites\.json|control\.sock|lock\..*|daemon\.log)$/;

test('killed while a network is founded, the same command founds it', async (t) => {
  const random = new Random(SEED).split('init');
  let interrupted = 0;
  for (let round = 0; round < ROUNDS.init; round++) {
    const daemon = new FoundedDaemon(scratch(t, 'kill-init'), 'ATL');
    const words = ['init', 'acme', '--name', 'ATL', '--state', daemon.state, '--json'];
    const first = startOverlane(words);
    await pause(random.between(50, START_MS / 2));
    first.child.kill('SIGKILL');
    const { signal } = await first.ended;
    if (signal === 'SIGKILL') interrupted++;
    const isMember = readdirSync(daemon.home).includes('state') && hasMembership(daemon);
    const again = await overlane(words);
    if (isMember) assert.equal(JSON.parse(again.stdout).code, 'ALREADY_MEMBER');
    else assert.equal(again.code, 0, again.stdout);
    daemon.configure();
    await daemon.up(t);
    checkDirectory(daemon);
    await killed(daemon);
  }
  t.diagnostic(`${interrupted} of ${ROUNDS.init} were interrupted`);
  assert.ok(interrupted > 0);
});

test('killed while it starts, a daemon starts the next time, with a higher epoch', async (t) => {
  const random = new Random(SEED).split('start');
  const { founder } = await found(t, ['ATL']);
  let { epoch } = await founder.handle.status();
  await killed(founder);
  let used = 0;
  for (let round = 0; round < ROUNDS.start; round++) {
    const words = ['up', '--config', founder.configFile, '--state', founder.state];
    const attempt = startOverlane(words);
    await pause(random.between(100, START_MS));
    attempt.child.kill('SIGKILL');
    await attempt.ended;
    await founder.up(t);
    const now = (await founder.handle.status()).epoch;
    assert.ok(now > epoch, `epoch ${now} after ${epoch}`);
    if (now > epoch + 1) used++;
    epoch = now;
    checkDirectory(founder);
    await killed(founder);
  }
  t.diagnostic(`${used} of ${ROUNDS.start} interrupted starts had taken an epoch`);
});

test('killed while invites and revocations are written, none that was told is lost', async (t) => {
  const random = new Random(SEED).split('manifest');
  const { founder } = await found(t, ['ATL', 'LAX']);
  let version = 1;
  await until('LAX is known', async () => {
    const { members } = await founder.handle.status();
    return members.some(({ name }) => name === 'LAX');
  });
  const told = new Set();
  for (let round = 0; round < ROUNDS.manifest; round++) {
    if (round === 0) version = (await founder.handle.revoke('LAX')).manifestVersion;
    else {
      const busy = invitesUntilKilled(founder, told);
      await pause(random.between(1, 120));
      founder.process.child.kill('SIGKILL');
      await busy;
    }
    founder.process.child.kill('SIGKILL');
    await founder.process.ended;
    await founder.up(t);
    const status = await founder.handle.status();
    assert.ok(status.manifestVersion >= version, `${status.manifestVersion} after ${version}`);
    const kept = new Set((await founder.handle.invites()).map(({ id }) => id));
    for (const id of told) assert.ok(kept.has(id), `invite ${id} was told and is gone`);
    checkDirectory(founder);
  }
  t.diagnostic(`${told.size} invites told, manifest version ${version}`);
});

test('killed while its certificate is renewed, a node has the old one or the new one', async (t) => {
  const random = new Random(SEED).split('renewal');
  // One node a round: a link that came and went is believed later each time.
  const names = Array.from({ length: ROUNDS.renewal }, (_, i) => `LAX${i}`);
  const network = await found(t, ['ATL', ...names]);
  let interrupted = 0;
  for (let round = 0; round < ROUNDS.renewal; round++) {
    const node = network.daemons[names[round]];
    await killed(node);
    makeOld(node, network);
    const asked = renewalsAsked(network.founder);
    await node.up(t);
    await until('it asks for its renewal', () => renewalsAsked(network.founder) > asked, {
      everyMs: 1,
      timeoutMs: RENEWAL_MS,
    });
    await pause(random.between(0, 12));
    await killed(node);
    await node.up(t);
    checkDirectory(node);
    const { certificateEnds } = await node.handle.status();
    if (Date.parse(certificateEnds) > Date.now() + 30 * DAY_MS) continue;
    interrupted++;
    await until(
      'it is renewed the next time',
      async () => {
        const { certificateEnds } = await node.handle.status();
        return Date.parse(certificateEnds) > Date.now() + 30 * DAY_MS;
      },
      { timeoutMs: RENEWAL_MS },
    );
  }
  t.diagnostic(`${interrupted} of ${ROUNDS.renewal} renewals were interrupted`);
});

const renewalsAsked = ({ process: { output } }) => output.stdout.split('renewal asked for').length;

/** `kill -9`, and gone. */
async function killed(daemon) {
  await daemon.handle?.close();
  daemon.process.child.kill('SIGKILL');
  await daemon.process.ended;
}

function hasMembership(daemon) {
  return StateDirectory.open(daemon.state).membership() !== undefined;
}

/** What is there is ours, whole, and for nobody else's eyes. */
function checkDirectory(daemon) {
  for (const name of readdirSync(daemon.state)) {
    assert.match(name, FILES);
    const { mode } = statSync(join(daemon.state, name));
    assert.equal(mode & 0o077, 0, `${name} has mode ${(mode & 0o777).toString(8)}`);
    if (name.endsWith('.json')) JSON.parse(readFileSync(join(daemon.state, name), 'utf8'));
  }
}

/** Makes invites until the daemon is gone; `told` gets those that it said exist. */
async function invitesUntilKilled(daemon, told) {
  try {
    for (;;) {
      await daemon.handle.invite({});
      for (const { id } of await daemon.handle.invites()) told.add(id);
    }
  } catch {
    // It is gone, in the middle of something.
  }
}

/** Gives the member a certificate that is good, and long due to be renewed. */
function makeOld(daemon, { rootSeed, networkId }) {
  const state = StateDirectory.open(daemon.state);
  const identity = restoreIdentity({ crypto, ...state.identity() });
  const issued = issueCertificate({
    crypto,
    entropy,
    networkId,
    issuer: { signingSeed: rootSeed },
    subject: {
      name: daemon.name,
      identityKey: identity.identityPublicKey,
      agreementKey: identity.agreementPublicKey,
    },
    wall: wallTime((Date.now() - 80 * DAY_MS) * 1_000),
    lifetime: 90 * DAY_MS * 1_000,
  });
  state.saveMembership({ ...state.membership(), chain: issued.value });
}
