import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { underlayAddress } from '../../kernel/index.ts';
import { NativeMemory, native } from './native.ts';
import {
  AddressTable,
  type InterfaceNames,
  readSocketAddress,
  SOCKET_ADDRESS_BYTES,
  socketAddressLength,
  writeSocketAddress,
} from './socket-address.ts';

const interfaces: InterfaceNames = {
  nameOf: (index) => (index === 3 ? 'eth3' : `${index}`),
  indexOf: (name) => (name === 'eth3' ? 3 : 0),
};

function roundTrip(host: string, port: number): { host: string; port: number } | undefined {
  const bytes = new Uint8Array(64).fill(0xee);
  assert.ok(writeSocketAddress(bytes, 16, { host, port }, interfaces), host);
  assert.ok(bytes.subarray(0, 16).every((b) => b === 0xee));
  assert.ok(bytes.subarray(48).every((b) => b === 0xee));
  return readSocketAddress(bytes, 16, interfaces);
}

test('an address in canonical form comes back as it was', () => {
  for (const host of [
    '0.0.0.0',
    '127.0.0.1',
    '255.254.253.1',
    '::',
    '::1',
    '1::',
    '2001:db8::1',
    '2001:db8:0:1:1:1:1:1',
    '2001:0:0:1::1',
    'fe80::1%eth3',
    '::ffff:192.0.2.7',
  ])
    assert.deepEqual(roundTrip(host, 65_535), { host, port: 65_535 });
});

test('other spellings of an IPv6 address come back in canonical form', () => {
  assert.equal(roundTrip('2001:DB8:0:0:0:0:0:1', 1)?.host, '2001:db8::1');
  assert.equal(roundTrip('0:0:0:0:0:0:192.0.2.1', 1)?.host, '::c000:201');
  assert.equal(roundTrip('fe80::1%7', 1)?.host, 'fe80::1%7');
});

test('any address is the same after reading what was written, twice', () => {
  const words = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
    minLength: 8,
    maxLength: 8,
  });
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), words.map(joined)), fc.nat(65_535), (host, port) => {
      const once = roundTrip(host, port)!;
      assert.equal(once.port, port);
      assert.deepEqual(roundTrip(once.host, port), once);
    }),
  );
});

const joined = (words: readonly number[]): string => words.map((w) => w.toString(16)).join(':');

test('what is no literal address is not written', () => {
  const bytes = new Uint8Array(32).fill(7);
  for (const host of ['localhost', '', '1.2.3', '1.2.3.4.5', '::g', '%eth3', '1.2.3.999'])
    assert.equal(writeSocketAddress(bytes, 0, { host, port: 1 }, interfaces), false, host);
  assert.ok(bytes.every((b) => b === 7));
});

const binding = native();

test('a table interns who was heard, and stays within its bound', { skip: !binding.ok }, () => {
  assert.ok(binding.ok);
  const table = new AddressTable(binding.value, interfaces, 4);
  const names = new NativeMemory(binding.value, SOCKET_ADDRESS_BYTES);
  const heard = (host: string, port: number): unknown => {
    const address = underlayAddress(host, port);
    writeSocketAddress(names.bytes, 0, address, interfaces);
    const found = table.heard(names, 0, socketAddressLength(address));
    assert.equal(found?.key, address.key);
    return found;
  };
  for (const host of ['192.0.2.1', '2001:db8::1']) {
    const first = heard(host, 1);
    assert.equal(heard(host, 1), first);
    assert.notEqual(heard(host, 2), first);
    assert.equal(heard(host, 1), first);
  }
  for (let port = 1; port < 100; port++) heard('192.0.2.9', port);
  assert.ok(table.evictions >= 90);
  assert.equal(table.heard(names, 0, 2), undefined);
});

test('a table knows as many remotes as one call may name', { skip: !binding.ok }, () => {
  assert.ok(binding.ok);
  const table = new AddressTable(binding.value, interfaces, 1);
  const remotes = [...Array(1_500).keys()].map((i) => underlayAddress('192.0.2.1', i));
  const places = remotes.slice(0, 1_024).map((remote) => table.pointerTo(remote));
  assert.equal(new Set(places).size, 1_024);
  assert.deepEqual(
    remotes.slice(0, 1_024).map((remote) => table.pointerTo(remote)),
    places,
  );
  for (const remote of remotes) assert.ok(table.pointerTo(remote) > 0);
  assert.equal(table.pointerTo({ ...remotes[0]!, host: 'nowhere' }), 0);
});
