/** A small network of real daemons on loopback whose root key is at hand. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { connect } from '../../dist/client/index.js';
import { initNetwork, provisionMember, StateDirectory } from '../../dist/daemon/index.js';
import { scratch, until } from './bounded.mjs';
import { startOverlane } from './overlane.mjs';
import { trustOf } from './rogue.mjs';

export class FoundedDaemon {
  constructor(folder, name) {
    this.name = name;
    this.home = join(folder, name);
    this.state = join(this.home, 'state');
    this.configFile = join(this.home, 'overlane.yaml');
    this.socketPath = join(this.state, 'control.sock');
    mkdirSync(this.home, { recursive: true });
  }

  configure(config = {}) {
    this.config = { listen: ['127.0.0.1:0'], ...config };
    writeFileSync(this.configFile, stringify(this.config));
  }

  /** `overlane up`; resolves when it answers. */
  async up(t) {
    this.process = startOverlane(['up', '--config', this.configFile, '--state', this.state]);
    let ended;
    this.process.ended.then((outcome) => {
      ended = outcome;
    });
    t.after(() => this.end());
    this.handle = await until(`${this.name} answers`, async () => {
      if (ended !== undefined) throw new Error(`${this.name} ended: ${JSON.stringify(ended)}`);
      return connect(this.socketPath).catch(() => undefined);
    });
    [this.endpoint] = (await this.handle.status()).underlay.locals;
    return this;
  }

  async counter(name) {
    return (await this.handle.status()).counters[name] ?? 0;
  }

  async end() {
    await this.handle?.close();
    this.process.child.kill('SIGTERM');
    const timer = setTimeout(() => this.process.child.kill('SIGKILL'), 5_000);
    const outcome = await this.process.ended;
    clearTimeout(timer);
    return outcome;
  }
}

/**
 * The founder, which holds the root key, and its other members, each with a link to it. Members are
 * up and linked when this resolves.
 */
export async function found(t, names, configs = {}, { isLab = true } = {}) {
  const folder = scratch(t, 'founded');
  const [first, ...others] = names;
  const founder = new FoundedDaemon(folder, first);
  initNetwork({ state: founder.state, network: 'acme', name: first, isLab });
  founder.configure(configs[first]);
  await founder.up(t);
  const daemons = { [first]: founder };
  for (const name of others) {
    const daemon = new FoundedDaemon(folder, name);
    provisionMember({ root: founder.state, state: daemon.state, name });
    const neighbours = [{ name: first, addresses: [founder.endpoint] }];
    daemon.configure({ neighbours, ...configs[name] });
    await daemon.up(t);
    await until(`${name} reaches ${first}`, async () => {
      const { routes } = await daemon.handle.status();
      return routes.some((route) => route.destination === first && route.path.length > 0);
    });
    daemons[name] = daemon;
  }
  const state = StateDirectory.open(founder.state);
  const membership = state.membership();
  const { networkId } = trustOf(membership);
  return { founder, daemons, membership, networkId, rootSeed: state.rootSeed() };
}
