/** Implements `DaemonPort` with the daemon and client rooms, which are loaded when first needed. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OverlayError } from '../kernel/index.ts';
import type { DaemonPort } from './daemon-port.ts';

type Env = Readonly<Record<string, string | undefined>>;

export function realDaemons(env: Env): DaemonPort {
  const missing = () => Promise.reject(new OverlayError('NOT_BUILT', 'not part of this build'));
  return {
    listenDefault: ['0.0.0.0:7420'],
    socketPath: (given) =>
      given ?? nonEmpty(env['OVERLANE_SOCKET']) ?? join(stateDirectory(env), 'control.sock'),
    stateDirectory: (given) => given ?? stateDirectory(env),
    configFile: (given, state) => given ?? configFile(env, state ?? stateDirectory(env)),
    async connect(socket, signal) {
      const { connect } = await import('../client/index.ts');
      return connect(socket, { signal });
    },
    init: missing,
    join: missing,
    async run(options) {
      const { runDaemon } = await import('../daemon/index.ts');
      return runDaemon({ ...options, control: options.socket });
    },
    start: missing,
    async checkConfig(file) {
      const { formatHostPort, loadConfig } = await import('../daemon/index.ts');
      const config = await loadConfig(file);
      return { file, listen: config.listen.map(formatHostPort), config: { ...config } };
    },
    async configSchema() {
      // Generated from the code and held to it by `npm test`.
      const file = new URL('../../docs/config.schema.json', import.meta.url);
      return JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    },
  };
}

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

const isRoot = (): boolean => process.getuid?.() === 0;

/** As the daemon finds it; repeated here so that `overlane status` need not load the daemon. */
export function stateDirectory(env: Env): string {
  const given = nonEmpty(env['OVERLANE_STATE']) ?? nonEmpty(env['STATE_DIRECTORY']?.split(':')[0]);
  if (given !== undefined) return given;
  if (isRoot()) return '/var/lib/overlane';
  const base = nonEmpty(env['XDG_STATE_HOME']) ?? join(env['HOME'] ?? '/', '.local', 'state');
  return join(base, 'overlane');
}

/** `overlane.yaml` beside the state where there is one, else in the place usual for this user. */
function configFile(env: Env, state: string): string {
  const given = nonEmpty(env['OVERLANE_CONFIG']);
  if (given !== undefined) return given;
  const beside = join(state, 'overlane.yaml');
  if (existsSync(beside)) return beside;
  if (isRoot()) return '/etc/overlane/overlane.yaml';
  const base = nonEmpty(env['XDG_CONFIG_HOME']) ?? join(env['HOME'] ?? '/', '.config');
  return join(base, 'overlane', 'overlane.yaml');
}
