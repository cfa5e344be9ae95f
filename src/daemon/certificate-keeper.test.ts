import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoopbackNetwork } from '../gateway/index.ts';
import type { NodeAddress, WallTime } from '../kernel/index.ts';
import { BACKDATING, type Member } from '../security/index.ts';
import { CertificateKeeper, serveRenewals } from './certificate-keeper.ts';

const DAY = 86_400e6;
const START = 1_750_000_000e6;

function member(name: string, days: number, roles: string[] = []): Member {
  return {
    address: (name.charCodeAt(0) * 256 + name.charCodeAt(1)) as NodeAddress,
    name,
    identityKey: new Uint8Array(32),
    agreementKey: new Uint8Array(32),
    roles,
    labels: {},
    notBefore: (START - BACKDATING) as WallTime,
    notAfter: (START + days * DAY) as WallTime,
    serial: new Uint8Array(16),
    chain: new Uint8Array(0),
  };
}

function captured() {
  const lines: [string, string][] = [];
  const at = (level: string) => (_fields: object, message: string) => lines.push([level, message]);
  const log = {
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    trace: at('trace'),
  };
  return { lines, log };
}

test('the health of a certificate worsens 30, 7 and 1 days before its end, each told once', () => {
  let wall = START;
  const { lines, log } = captured();
  const node = new LoopbackNetwork().node('ATL');
  const keeper = new CertificateKeeper({
    node,
    self: () => member('ATL', 90),
    members: () => [],
    renewSelf: undefined,
    adopt: () => undefined,
    wall: () => wall,
    log,
  });
  const states: string[] = [];
  for (const days of [0, 61, 84, 84.5, 89.5, 91]) {
    wall = START + days * DAY;
    keeper.start();
    states.push(keeper.health().state);
  }
  keeper.close();
  assert.deepEqual(states, ['good', 'notice', 'warning', 'warning', 'critical', 'expired']);
  const told = lines.filter(([, message]) => message === 'the certificate ends soon');
  assert.deepEqual(
    told.map(([level]) => level),
    ['warn', 'error', 'error', 'error'],
  );
});

test('the next certificate is due at two thirds of the life of this one', () => {
  const keeper = new CertificateKeeper({
    node: new LoopbackNetwork().node('ATL'),
    self: () => member('ATL', 90),
    members: () => [],
    renewSelf: undefined,
    adopt: () => undefined,
    wall: () => START,
    log: captured().log,
  });
  assert.equal(keeper.health().renewsAt, new Date(START / 1e3 + 60 * 86_400e3).toISOString());
});

test('issuers are asked one after the other until one grants', async () => {
  const network = new LoopbackNetwork();
  const [lax, atl, dfw] = [network.node('LAX'), network.node('ATL'), network.node('DFW')];
  network.node('SEA');
  const everybody = [
    member('LAX', 90),
    // No listener there, a refusal, then a grant.
    member('SEA', 90, ['issuer']),
    member('DFW', 90, ['issuer']),
    member('ATL', 90, ['issuer']),
  ];
  const { lines, log } = captured();
  const members = (): Member[] => everybody;
  const asked: string[] = [];
  await serveRenewals({
    node: dfw,
    members,
    renew: () => ({ granted: false, code: 'NOT_AN_ISSUER' }),
    log,
  });
  const chain = Uint8Array.of(1, 2, 3);
  await serveRenewals({
    node: atl,
    members,
    renew: ({ name }) => {
      asked.push(name);
      return { granted: true, chain, manifest: new Uint8Array(0) };
    },
    log,
  });
  const adopted: Uint8Array[] = [];
  const keeper = new CertificateKeeper({
    node: lax,
    self: () => everybody[0]!,
    members,
    renewSelf: undefined,
    adopt: (next) => {
      adopted.push(next);
      return undefined;
    },
    wall: () => START,
    log,
  });
  assert.equal(await keeper.renew(), true);
  assert.deepEqual(adopted, [chain]);
  assert.deepEqual(asked, ['LAX'], 'the session says who asks');
  const messages = lines.map(([, message]) => message);
  assert.ok(messages.includes('no answer to a renewal'));
  assert.ok(messages.includes('renewal refused'));
});

test('a chain that does not stand up is not taken, and no issuer means no certificate', async () => {
  const network = new LoopbackNetwork();
  const { lines, log } = captured();
  const keeper = new CertificateKeeper({
    node: network.node('ATL'),
    self: () => member('ATL', 90),
    members: () => [],
    renewSelf: () => ({ granted: true, chain: new Uint8Array(0), manifest: new Uint8Array(0) }),
    adopt: () => 'malformed',
    wall: () => START,
    log,
  });
  assert.equal(await keeper.renew(), false);
  assert.deepEqual(lines, [['warn', 'renewal answered with a bad chain']]);
});
