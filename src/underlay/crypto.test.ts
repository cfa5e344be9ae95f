import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromHex, toHex } from '../kernel/index.ts';
import { cryptoConformance } from '../security/crypto-conformance.test.ts';
import { nodeCrypto, nodeEntropy } from './index.ts';

cryptoConformance('node', nodeCrypto());

const bytes = (hex: string): Uint8Array => fromHex(hex)!;
const crypto = nodeCrypto();

describe('node crypto: known answers', () => {
  it('SHA-256 of abc (FIPS 180-2) and HMAC-SHA-256 case 2 of RFC 4231', () => {
    assert.equal(
      toHex(crypto.sha256(bytes('616263'))),
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
    const message = new Uint8Array(Buffer.from('what do ya want for nothing?'));
    assert.equal(
      toHex(crypto.hmacSha256(bytes('4a656665'), message)),
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    );
  });

  it('Ed25519 test 2 of RFC 8032', () => {
    const signer = crypto.signer(
      bytes('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'),
    );
    assert.equal(
      toHex(signer.publicKey),
      '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    );
    assert.equal(
      toHex(signer.sign(bytes('72'))),
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
        '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    );
  });

  it('X25519 of RFC 7748, section 6.1', () => {
    const alice = crypto.keyAgreement(
      bytes('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a'),
    );
    const bob = crypto.keyAgreement(
      bytes('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'),
    );
    assert.equal(
      toHex(alice.publicKey),
      '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a',
    );
    assert.equal(
      toHex(alice.agree(bob.publicKey)!),
      '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742',
    );
  });

  it('X25519 refuses every point of low order, in each of its encodings', () => {
    const key = crypto.keyAgreement(new Uint8Array(32).fill(7));
    const prime = `ed${'ff'.repeat(30)}7f`;
    const lowOrder = [
      '00'.repeat(32),
      `01${'00'.repeat(31)}`,
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
      `ec${prime.slice(2)}`,
      prime,
      `ee${prime.slice(2)}`,
    ];
    for (const point of lowOrder) assert.equal(key.agree(bytes(point)), undefined, point);
  });

  it('AES-128-GCM case 2 of the GCM specification', () => {
    const key = crypto.aeadKey('aes-128-gcm', new Uint8Array(16));
    const sealed = key.seal(new Uint8Array(12), new Uint8Array(16), new Uint8Array(0));
    assert.equal(toHex(sealed), '0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf');
  });

  it('ChaCha20-Poly1305 of RFC 8439, section 2.8.2', () => {
    const key = crypto.aeadKey(
      'chacha20-poly1305',
      bytes('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f'),
    );
    const text =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the " +
      'future, sunscreen would be it.';
    const sealed = key.seal(
      bytes('070000004041424344454647'),
      new Uint8Array(Buffer.from(text)),
      bytes('50515253c0c1c2c3c4c5c6c7'),
    );
    assert.equal(toHex(sealed.subarray(0, 16)), 'd31a8d34648e60db7b86afbc53ef7ec2');
    assert.equal(toHex(sealed.subarray(-16)), '1ae10b594f09e26a7e902ecbd0600691');
  });
});

describe('node crypto', () => {
  it('keeps at most the stated number of verification keys and still verifies with all', () => {
    const small = nodeCrypto({ verifyKeysMax: 2 });
    const message = bytes('00');
    for (let round = 0; round < 2; round++) {
      for (let i = 1; i <= 4; i++) {
        const signer = small.signer(new Uint8Array(32).fill(i));
        assert.ok(small.verify(signer.publicKey, message, signer.sign(message)));
      }
    }
  });

  it('entropy gives plain bytes, as many as asked for, and no two alike', () => {
    const entropy = nodeEntropy();
    const first = entropy.bytes(32);
    assert.equal(Object.getPrototypeOf(first), Uint8Array.prototype);
    assert.equal(first.length, 32);
    assert.notDeepEqual(entropy.bytes(32), first);
  });
});
