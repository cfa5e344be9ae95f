export * from './address-cache.ts';
export * from './choose.ts';
export * from './clock.ts';
export * from './crypto.ts';
export * from './impaired.ts';
export * from './multicast-group.ts';
export * from './udp.ts';
export * from './underlay.ts';
