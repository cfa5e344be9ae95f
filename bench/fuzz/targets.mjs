import { nativeTargets } from './native-targets.mjs';
import { nodeTargets } from './node-targets.mjs';
import { textTargets } from './text-targets.mjs';
import { wireTargets } from './wire-targets.mjs';

/** `{ name, seeds, read, weight? }` or `{ name, feed(mutator), weight? }`: see `run.mjs`. */
export const allTargets = () => [
  ...wireTargets(),
  ...textTargets(),
  ...nativeTargets(),
  ...nodeTargets(),
];
