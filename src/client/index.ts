export * from '../host/index.ts';
export { OverlayError } from '../kernel/index.ts';
export * from './connect.ts';
