export * from './continent.ts';
export * from './crypto.ts';
export * from './path-model.ts';
