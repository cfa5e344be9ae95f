export * from './path-model.ts';
