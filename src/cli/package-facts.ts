/** What package.json says; read at run time, so that it is written in one place only. */
import { readFileSync } from 'node:fs';

export interface PackageFacts {
  readonly version: string;
  /** The least Node that works. */
  readonly nodeFloor: string;
}

export function packageFacts(): PackageFacts {
  const file = new URL('../../package.json', import.meta.url);
  const { version, engines } = JSON.parse(readFileSync(file, 'utf8')) as {
    version: string;
    engines: { node: string };
  };
  return { version, nodeFloor: engines.node.replace(/^>=/, '') };
}
