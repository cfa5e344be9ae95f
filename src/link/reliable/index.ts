export * from './reliable-links.ts';
export * from './reliable-receiver.ts';
export * from './reliable-sender.ts';
