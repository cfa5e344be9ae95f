import type { Crypto } from '../kernel/index.ts';
import { KEY_ID_BYTES } from '../wire/index.ts';

/**
 * Names a signing key without carrying it: the first 8 bytes of its SHA-256. Only a hint for which
 * key to try; a collision makes a signature fail and lets nobody in.
 */
export const keyId = (crypto: Crypto, publicKey: Uint8Array): Uint8Array =>
  crypto.sha256(publicKey).slice(0, KEY_ID_BYTES);

/**
 * Stands for an identity in a manifest's list of revocations, beside serials of certificates: 16
 * bytes of the hash of its key. It revokes all certificates of that key, past and future.
 */
export const identityMark = (crypto: Crypto, identityKey: Uint8Array): Uint8Array =>
  crypto.sha256(identityKey).slice(0, 16);
