export * from './issue.ts';
export * from './key-id.ts';
export * from './noise.ts';
export * from './packet-tree.ts';
export * from './permitted-links.ts';
export * from './replay-window.ts';
export * from './trust.ts';
