/** The underlays of this machine by name, for a measuring process. */
import { chooseCrypto, openUnderlay as open } from '../../dist/underlay/index.js';

/** With the crypto that goes with it as `crypto`. */
export async function openUnderlay(kind, local) {
  const { value } = await open({ locals: [local], choice: kind });
  return Object.assign(value, { crypto: chooseCrypto(kind).value });
}

export const underlayKinds = () =>
  chooseCrypto().isFallback ? ['portable'] : ['fast', 'portable'];
