import assert from 'node:assert/strict';
import test from 'node:test';
import type { NodeAddress } from '../kernel/index.ts';
import { Counters, instant, ok, wallTime } from '../kernel/index.ts';
import type { Member, TrustStore } from '../security/index.ts';
import { RECORD_CERTIFICATE } from '../wire/index.ts';
import { Membership } from './membership.ts';
import { ROUTING_LIMITS } from './options.ts';

const NOW = instant(1_000_000);

function member(address: number, options: { name: string; key: number }): Member {
  return {
    address: address as NodeAddress,
    name: options.name,
    identityKey: new Uint8Array(32).fill(options.key),
    agreementKey: new Uint8Array(32),
    roles: [],
    labels: {},
    notBefore: wallTime(5_000_000),
    notAfter: wallTime(9e15),
    serial: Uint8Array.of(0, 0, 0, options.key),
    chain: Uint8Array.of(address, options.key),
  };
}

/** Believes every chain: a second key with the same address is found by 2^32 tries, not in a test. */
function membership(chains: Member[]): { membership: Membership; refused: string[] } {
  const refused: string[] = [];
  const trust = {
    manifest: { version: 1 },
    manifestBytes: Uint8Array.of(1),
    verifyChain: (bytes: Uint8Array) =>
      ok(chains.find((m) => m.chain.every((byte, i) => byte === bytes[i]))!),
  } as unknown as TrustStore;
  const made = new Membership({
    self: member(1, { name: 'self', key: 1 }),
    trust,
    limits: ROUTING_LIMITS,
    counters: new Counters(),
    sink: {
      announce: () => {},
      held: () => undefined,
      remove: () => {},
      resynchronise: () => {},
      learned: () => {},
      forgotten: () => {},
      adopted: () => {},
      refused: (reason) => refused.push(reason),
    },
  });
  made.setWallClock(NOW, wallTime(6_000_000));
  return { membership: made, refused };
}

test('a second key on a known address is refused, a new certificate of the first is taken', () => {
  const first = member(7, { name: 'first', key: 10 });
  const second = member(7, { name: 'second', key: 20 });
  const renewed = { ...first, name: 'renewed', chain: Uint8Array.of(7, 30) };
  const { membership: m, refused } = membership([first, second, renewed]);
  const admit = (it: Member): string =>
    m.admitCertificate(
      {
        type: RECORD_CERTIFICATE,
        part: 0,
        origin: it.address,
        epoch: 5,
        sequence: it.serial[3]!,
        age: 0,
        body: it.chain,
      },
      9 as NodeAddress,
      NOW,
    );
  assert.equal(admit(first), 'accept');
  assert.equal(admit(second), 'refuse');
  assert.deepEqual(refused, ['certificate-address-taken']);
  assert.equal(admit(renewed), 'accept');
  assert.equal(m.directory.named('renewed')?.address, 7);
  assert.equal(m.directory.named('first'), undefined);
});

test('nothing is believed before the node knows what time it is', () => {
  const { membership: m } = membership([]);
  const early = new Membership({
    self: member(1, { name: 'self', key: 1 }),
    trust: {} as unknown as TrustStore,
    limits: ROUTING_LIMITS,
    counters: new Counters(),
    sink: {} as never,
  });
  const record = { type: RECORD_CERTIFICATE, part: 0, origin: 7 as NodeAddress, epoch: 5 };
  const body = Uint8Array.of(7, 10);
  const admission = early.admitCertificate(
    { ...record, sequence: 1, age: 0, body },
    9 as NodeAddress,
    NOW,
  );
  assert.equal(admission, 'ignore');
  assert.equal(m.directory.size, 1);
});
