/** The underlays of this machine by name, for a measuring process. */
import { chooseCrypto, openUnderlay as open } from '../../dist/underlay/index.js';

/** Resolves with the underlay and the cryptography that goes with it. */
export async function openUnderlay(kind, local) {
  const { value: underlay } = await open({ locals: [local], choice: kind });
  return { underlay, crypto: chooseCrypto(kind).value };
}

/** Those that work on this machine. */
export const underlayKinds = () =>
  chooseCrypto().isFallback ? ['portable'] : ['portable', 'fast'];
