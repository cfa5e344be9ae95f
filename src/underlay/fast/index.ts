export * from './fast-crypto.ts';
export * from './fast-underlay.ts';
export * from './system-calls.ts';
