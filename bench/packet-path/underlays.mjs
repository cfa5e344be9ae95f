/** The underlays of this build by name, for a measuring process. */
import { chooseCrypto, openUnderlay as openChosen } from '../../dist/underlay/index.js';

/** Resolves with the underlay and the cryptography that goes with it; fails where it cannot be had. */
export async function openUnderlay(choice, local) {
  const { value: underlay } = await openChosen({ choice, locals: [local] });
  return { underlay, crypto: chooseCrypto(choice).value };
}

/** Those that work on this machine. */
export async function underlayKinds() {
  const { underlay, crypto } = await openUnderlay('auto', { host: '127.0.0.1', port: 0 });
  await underlay.close();
  return underlay.kind === 'fast' && crypto !== undefined ? ['fast', 'portable'] : ['portable'];
}
