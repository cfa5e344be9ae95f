export * from './cluster.ts';
export * from './flow-meter.ts';
export { PACKET_BYTES_MIN } from './load.ts';
export * from './packet-bench.ts';
export * from './processor-time.ts';
export * from './screen.ts';
export * from './show.ts';
export * from './story.ts';
export * from './turncoats.ts';
