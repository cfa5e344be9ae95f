/** Implements `DaemonPort` with the daemon and client rooms, which are loaded when first needed. */
import { OverlayError } from '../kernel/index.ts';
import type { DaemonPort } from './daemon-port.ts';

type Env = Readonly<Record<string, string | undefined>>;

export function realDaemons(_env: Env): DaemonPort {
  const missing = () => Promise.reject(new OverlayError('NOT_BUILT', 'not part of this build'));
  return {
    listenDefault: ['0.0.0.0:7420'],
    socketPath: (given) => given ?? 'control.sock',
    stateDirectory: (given) => given ?? '.',
    configFile: (given) => given ?? 'overlane.yaml',
    connect: missing,
    init: missing,
    join: missing,
    run: missing,
    start: missing,
    checkConfig: missing,
    configSchema: missing,
  };
}
