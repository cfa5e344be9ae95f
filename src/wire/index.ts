export * from './cbor.ts';
export * from './certificate.ts';
export * from './data-packet.ts';
export * from './invite-token.ts';
export * from './manifest.ts';
export * from './packet-types.ts';
