export * from './explain-relays.ts';
export * from './member-grid.ts';
export * from './options.ts';
export * from './relay-exchange.ts';
