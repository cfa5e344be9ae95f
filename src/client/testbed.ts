/**
 * The simulator for users' own tests: real overlay nodes in virtual time, with drawn topologies and
 * faults. `import { Testbed } from 'overlane/testbed'`; an example is examples/testbed.mjs.
 */
export * from '../impairment/index.ts';
export {
  inMilliseconds,
  inSeconds,
  milliseconds,
  seconds,
  utf8Decode,
  utf8Encode,
} from '../kernel/index.ts';
export * from '../sim/index.ts';
