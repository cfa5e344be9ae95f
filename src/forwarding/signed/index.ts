export * from './proof-judge.ts';
export * from './source-signer.ts';
