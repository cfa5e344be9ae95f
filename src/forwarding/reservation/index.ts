export * from './flow-reservations.ts';
export * from './link-ledger.ts';
