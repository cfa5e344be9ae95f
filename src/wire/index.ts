export * from './data-packet.ts';
export * from './packet-types.ts';
