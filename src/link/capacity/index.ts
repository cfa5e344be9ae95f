export * from './link-use.ts';
export * from './path-capacity.ts';
export * from './trains.ts';
