export * from './cluster.ts';
export * from './flow-meter.ts';
export * from './screen.ts';
export * from './show.ts';
export * from './story.ts';
