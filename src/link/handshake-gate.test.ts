import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AeadAlgorithm, Instant } from '../kernel/index.ts';
import { Random, underlayAddress } from '../kernel/index.ts';
import { simCrypto, simEntropy } from '../sim/index.ts';
import { decodeCookieReply, encodeHandshake1 } from '../wire/index.ts';
import { HandshakeGate } from './handshake-gate.ts';
import { chooseAead } from './handshakes.ts';

const crypto = simCrypto();
const entropy = simEntropy(new Random(1));
const networkId = new Uint8Array(16).fill(3);
const gate = (): HandshakeGate =>
  new HandshakeGate({ crypto, entropy, networkId, handshakesPerSecond: 4 });
const remote = underlayAddress('10.0.0.1', 5);
const other = underlayAddress('10.0.0.2', 5);
const message = (): Uint8Array => encodeHandshake1(9, new Uint8Array(32).fill(1));

test('a message for another network, or changed anywhere, is forged', () => {
  const ours = gate();
  const sent = message();
  ours.stamp(sent, undefined);
  const from = { remote, isBusy: false };
  assert.equal(ours.check(sent, from, 0 as Instant), 'pass');
  for (const at of [5, 20, 600, 1170]) {
    const changed = sent.slice();
    changed[at]! ^= 1;
    assert.equal(ours.check(changed, from, 0 as Instant), 'forged');
  }
  const theirs = new HandshakeGate({
    crypto,
    entropy,
    networkId: new Uint8Array(16),
    handshakesPerSecond: 4,
  });
  assert.equal(theirs.check(sent, from, 0 as Instant), 'forged');
});

test('past its budget the gate wants a cookie, which holds for one address and four minutes', () => {
  const ours = gate();
  const sent = message();
  const mac1 = ours.stamp(sent, undefined);
  const from = { remote, isBusy: false };
  const at = (seconds: number): Instant => (seconds * 1e6) as Instant;
  for (let i = 0; i < 4; i++) assert.equal(ours.check(sent, from, at(200)), 'pass');
  assert.equal(ours.check(sent, from, at(200)), 'demand-cookie');
  const reply = ours.cookieReply(sent, { remote, senderIndex: 9 }, at(200));
  assert.equal(reply.length, 52);
  const decoded = decodeCookieReply(reply)!;
  assert.equal(decoded.receiverIndex, 9);
  assert.equal(ours.openCookie(decoded, new Uint8Array(16)), undefined);
  const cookie = ours.openCookie(decoded, mac1)!;
  ours.stamp(sent, cookie);
  assert.equal(ours.check(sent, from, at(200)), 'pass');
  assert.equal(ours.check(sent, { remote, isBusy: true }, at(200)), 'pass');
  assert.equal(ours.check(sent, { remote: other, isBusy: true }, at(200)), 'demand-cookie');
  assert.equal(ours.check(sent, { remote, isBusy: true }, at(330)), 'pass');
  assert.equal(ours.check(sent, { remote, isBusy: true }, at(460)), 'demand-cookie');
});

test('even with cookies there is a bound', () => {
  const ours = gate();
  const sent = message();
  const mac1 = ours.stamp(sent, undefined);
  const reply = ours.cookieReply(sent, { remote, senderIndex: 9 }, 0 as Instant);
  ours.stamp(sent, ours.openCookie(decodeCookieReply(reply)!, mac1));
  const from = { remote, isBusy: false };
  for (let i = 0; i < 16; i++) assert.equal(ours.check(sent, from, 0 as Instant), 'pass');
  assert.equal(ours.check(sent, from, 0 as Instant), 'overload');
});

test('both ends choose the same algorithm, and neither what it runs badly', () => {
  const aes: AeadAlgorithm = 'aes-128-gcm';
  const chacha: AeadAlgorithm = 'chacha20-poly1305';
  assert.equal(chooseAead([aes, chacha], [aes, chacha]), aes);
  assert.equal(chooseAead([aes, chacha], [chacha, aes]), chacha);
  assert.equal(chooseAead([chacha, aes], [aes, chacha]), chacha);
  assert.equal(chooseAead([aes], [chacha]), chacha);
  assert.equal(chooseAead([aes, chacha], [aes]), aes);
});
