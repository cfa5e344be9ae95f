export type { DirectedLink, LackingLink } from './asked-links.ts';
export * from './flow-reservations.ts';
export * from './link-ledger.ts';
export { OTHER_WAYS_MAX } from './way-search.ts';
