import { basename } from 'node:path';

/** A name for a processor whose configuration gives it none. */
export const processorName = (module: string, port: number): string =>
  `${basename(module).replace(/\.[cm]?js$/, '')}-${port}`;
