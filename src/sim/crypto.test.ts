import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Random, toHex } from '../kernel/index.ts';
import { cryptoConformance } from '../security/crypto-conformance.test.ts';
import { simCrypto, simEntropy } from './index.ts';

cryptoConformance('sim', simCrypto());

describe('simulated crypto', () => {
  it('is the same on every machine and in every run', () => {
    const crypto = simCrypto();
    const entropy = simEntropy(new Random(1));
    const signer = crypto.signer(entropy.bytes(32));
    assert.equal(
      toHex(crypto.sha256(signer.publicKey)),
      '5d8805ae7c30293139ab7ea282af70fbd5f50ab96b767d1cfa550f025d2d73b1',
    );
  });

  it('prefers what the simulated machine prefers', () => {
    const crypto = simCrypto({ aeadPreference: ['chacha20-poly1305'] });
    assert.deepEqual(crypto.aeadPreference, ['chacha20-poly1305']);
  });

  it('spreads hashes over the address space', () => {
    const crypto = simCrypto();
    const buckets = new Uint32Array(16);
    for (let i = 0; i < 4_096; i++) {
      const message = new Uint8Array(32);
      message[31] = i;
      message[0] = i >> 8;
      buckets[crypto.sha256(message)[0]! >> 4]!++;
    }
    for (const count of buckets) assert.ok(count > 160 && count < 360, `${buckets}`);
  });
});
