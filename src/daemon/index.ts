export * from './config.ts';
export * from './config-diff.ts';
export * from './invites.ts';
export * from './state-directory.ts';
export * from './state-lock.ts';
export * from './units.ts';
