export * from './contract.ts';
export * from './overlay-node.ts';
export * from './probing.ts';
