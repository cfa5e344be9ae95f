/** Implements `DaemonPort` with the daemon and client rooms, which are loaded when first needed. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { DaemonPort } from './daemon-port.ts';
import { startDetached } from './detached-daemon.ts';

type Env = Readonly<Record<string, string | undefined>>;

export function realDaemons(env: Env): DaemonPort {
  const socketPath = (given: string | undefined, state?: string): string =>
    given ?? nonEmpty(env['OVERLANE_SOCKET']) ?? join(state ?? stateDirectory(env), 'control.sock');
  return {
    listenDefault: ['0.0.0.0:7420'],
    socketPath: (given) => socketPath(given),
    stateDirectory: (given) => resolve(given ?? stateDirectory(env)),
    configFile: (given, state) => given ?? configFile(env, state ?? stateDirectory(env)),
    async connect(socket, signal) {
      const { connect } = await import('../client/index.ts');
      return connect(socket, { signal });
    },
    async init(options) {
      const { initNetwork } = await import('../daemon/index.ts');
      return initNetwork(options);
    },
    async join(options) {
      const { joinNetwork } = await import('../daemon/index.ts');
      return joinNetwork(options);
    },
    async run({ config, state, socket }) {
      const { runDaemon } = await import('../daemon/index.ts');
      return runDaemon({
        config: config ?? configIfThere(env, state),
        state,
        control: socket ?? nonEmpty(env['OVERLANE_SOCKET']),
      });
    },
    async start({ config, state, socket, signal }) {
      const { connect } = await import('../client/index.ts');
      const directory = resolve(state ?? stateDirectory(env));
      const file = config ?? configIfThere(env, state);
      const control = resolve(socketPath(socket, directory));
      const log = join(directory, 'daemon.log');
      const words = ['up', '--state', directory, '--socket', control];
      if (file !== undefined) words.push('--config', resolve(file));
      const probe = async (): Promise<void> => {
        await using _daemon = await connect(control, { signal });
      };
      const pid = await startDetached({ words, log, probe, signal, timeoutMs: START_MS });
      return { pid, socket: control, log };
    },
    async checkConfig(file) {
      const { formatHostPort, loadConfig } = await import('../daemon/index.ts');
      const config = await loadConfig(file);
      return { file, listen: config.listen.map(formatHostPort), config: { ...config } };
    },
    async readPolicy(file) {
      const { loadPolicy, policyText } = await import('../daemon/index.ts');
      return policyText(await loadPolicy(file));
    },
    async readTopology(file) {
      const { loadTopology, topologyText } = await import('../daemon/index.ts');
      return topologyText(await loadTopology(file));
    },
    async configSchema() {
      // Generated from the code and held to it by `npm test`.
      const file = new URL('../../docs/config.schema.json', import.meta.url);
      return JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    },
  };
}

/** A daemon that was started in the background answers within this. */
const START_MS = 15_000;

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

/** The usual configuration, when there is one: without, defaults apply. */
function configIfThere(env: Env, state: string | undefined): string | undefined {
  const file = configFile(env, state ?? stateDirectory(env));
  return existsSync(file) || nonEmpty(env['OVERLANE_CONFIG']) !== undefined ? file : undefined;
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
