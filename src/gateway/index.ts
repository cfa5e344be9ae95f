export * from './forward-port.ts';
export * from './loopback-node.ts';
export * from './tcp-expose.ts';
export * from './tcp-forward.ts';
export * from './udp-expose.ts';
export * from './udp-forward.ts';
