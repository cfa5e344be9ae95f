import { textTargets } from './text-targets.mjs';
import { wireTargets } from './wire-targets.mjs';

export const allTargets = async () => [...wireTargets(), ...textTargets()];
