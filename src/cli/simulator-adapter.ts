/** Implements `SimulatorPort` with the sim and node rooms, which are loaded when first needed. */
import { OverlayError } from '../kernel/index.ts';
import type { SimulatorPort } from './simulator-port.ts';

export function realSimulator(): SimulatorPort {
  const missing = () =>
    Promise.reject(new OverlayError('NOT_BUILT', 'the simulator is not part of this build'));
  return { swarm: missing, describe: missing };
}
