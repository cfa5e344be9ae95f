/** The underlays of this build by name, for a measuring process. */
import { UdpUnderlay } from '../../dist/underlay/index.js';

export async function openUnderlay(kind, local) {
  if (kind === 'portable') return UdpUnderlay.open({ locals: [local] });
  throw new Error(`this build has no ${kind} underlay`);
}

export const underlayKinds = () => ['portable'];
