export * from './fast-underlay.ts';
export * from './native.ts';
export * from './system-calls.ts';
