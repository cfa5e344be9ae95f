/**
 * Hosts that are network namespaces, each with one cable to the switch of every provider, which is a
 * bridge in a namespace of its own, so that nothing here touches the network of the machine. A host has a state directory and runs the
 * `overlane` program as its user would.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { mustRun, run, scratch, start, until } from './bounded.mjs';
import { PROGRAM } from './overlane.mjs';

const PORT = 7420;

export class HostNetwork {
  #hosts = [];

  /** `family` 4 or 6: which addresses hosts have. `providers`: how many of them. */
  static async open(t, { family, names, providers = 1 }) {
    const network = new HostNetwork();
    network.family = family;
    network.tag = `ovl${process.pid % 100_000}f${family}`;
    network.switches = Array.from({ length: providers }, (_, i) => `${network.tag}sw${i}`);
    network.folder = scratch(t, `hosts-${family}-${providers}`);
    t.after(() => network.#close());
    for (const name of network.switches) {
      await network.#ip('netns', 'add', name);
      await network.#in(name, 'ip', 'link', 'add', 'br0', 'type', 'bridge');
      await network.#in(name, 'ip', 'link', 'set', 'br0', 'up');
    }
    for (const name of names) await network.#plug(name);
    return network;
  }

  host(name) {
    return this.#hosts.find((host) => host.name === name);
  }

  /** From now on nothing passes on the cables between the two hosts; both still reach the others. */
  async block(a, b) {
    const drop = (from, to) =>
      `iifname "${this.host(from).port}" oifname "${this.host(to).port}" drop`;
    const rules = `table bridge blocks {
      chain forward { type filter hook forward priority 0; ${drop(a, b)}; ${drop(b, a)}; }
    }`;
    await this.#in(this.switches[0], 'nft', '-f', '-', rules);
  }

  /** From now on the provider carries nothing to and from the host, and says nothing of it. */
  async fail(name, provider) {
    const { port } = this.host(name);
    const rules = `table bridge fails {
      chain forward {
        type filter hook forward priority 0;
        iifname "${port}" drop; oifname "${port}" drop;
      }
    }`;
    await this.#in(this.switches[provider], 'nft', '-f', '-', rules);
  }

  async mend(provider) {
    await this.#in(this.switches[provider], 'nft', '-f', '-', 'delete table bridge fails');
  }

  async #plug(name) {
    const number = this.#hosts.length + 1;
    const host = new Host(this, name, number);
    this.#hosts.push(host);
    mkdirSync(host.home);
    await this.#ip('netns', 'add', host.namespace);
    await host.exec('ip', ['link', 'set', 'lo', 'up']);
    const prefix = this.family === 4 ? 24 : 64;
    for (const [i, name] of this.switches.entries()) {
      const device = `eth${i}`;
      const ends = [device, 'netns', host.namespace, 'type', 'veth', 'peer', 'name', host.port];
      await this.#ip('link', 'add', ...ends, 'netns', name);
      await this.#in(name, 'ip', 'link', 'set', host.port, 'master', 'br0', 'up');
      const address = ['addr', 'add', `${host.addresses[i]}/${prefix}`, 'dev', device];
      if (this.family === 6) address.push('nodad');
      await host.exec('ip', address);
      await host.exec('ip', ['link', 'set', device, 'up']);
    }
  }

  async #close() {
    for (const host of this.#hosts) await host.end();
    for (const namespace of [...this.switches, ...this.#hosts.map((h) => h.namespace)])
      await run('ip', ['netns', 'del', namespace]);
  }

  #ip(...args) {
    return mustRun('ip', args);
  }

  #in(namespace, command, ...args) {
    const input = command === 'nft' ? args.pop() : undefined;
    return mustRun('ip', ['netns', 'exec', namespace, command, ...args], { input });
  }
}

class Host {
  #daemon;

  constructor(network, name, number) {
    this.name = name;
    this.network = network;
    this.namespace = `${network.tag}h${number}`;
    this.port = `p${number}`;
    /** One from each provider. */
    this.addresses = network.switches.map((_, i) =>
      network.family === 4 ? `10.${77 + i}.0.${number}` : `fd${77 + i}::${number}`,
    );
    this.home = join(network.folder, name);
    this.state = join(this.home, 'state');
    this.configFile = join(this.home, 'overlane.yaml');
    this.env = { OVERLANE_STATE: this.state, OVERLANE_CONFIG: this.configFile };
  }

  get endpoint() {
    return this.endpoints[0];
  }

  get endpoints() {
    const isFour = this.network.family === 4;
    return this.addresses.map((address) => `${isFour ? address : `[${address}]`}:${PORT}`);
  }

  get daemon() {
    return this.#daemon;
  }

  exec(command, args, options) {
    return mustRun('ip', ['netns', 'exec', this.namespace, command, ...args], options);
  }

  /** Starts a program of this host's. */
  start(command, args, options) {
    return start('ip', ['netns', 'exec', this.namespace, command, ...args], options);
  }

  #words(args) {
    return ['netns', 'exec', this.namespace, process.execPath, PROGRAM, ...args];
  }

  /** Runs `overlane ARGS` on this host, to its end. */
  overlane(args, options = {}) {
    return run('ip', this.#words(args), { ...options, env: this.env });
  }

  /** As `overlane`, with `--json`; must end with 0. */
  async json(args, options = {}) {
    const { code, stdout, stderr } = await this.overlane([...args, '--json'], options);
    if (code !== 0)
      throw new Error(`${this.name}: overlane ${args.join(' ')}: ${code} ${stdout}${stderr}`);
    return JSON.parse(stdout);
  }

  startOverlane(args, options = {}) {
    return start('ip', this.#words(args), { ...options, env: this.env });
  }

  configure(config) {
    const any = this.network.family === 4 ? `0.0.0.0:${PORT}` : `[::]:${PORT}`;
    const listen = this.endpoints.length > 1 ? this.endpoints : [any];
    writeFileSync(this.configFile, stringify({ listen, ...config }));
  }

  /** `overlane up`, in the foreground as a service manager runs it. */
  async up() {
    this.#daemon = this.startOverlane(['up']);
    let isEnded = false;
    this.#daemon.ended.then(() => {
      isEnded = true;
    });
    await until(`the daemon of ${this.name} answers`, async () => {
      if (isEnded) throw new Error(`${this.name}: ${JSON.stringify(this.#daemon.output)}`);
      const { code } = await this.overlane(['status', '--json']);
      return code === 0;
    });
  }

  /** The route as `overlane status` tells it; empty when there is none. */
  async routeTo(name) {
    const { status } = await this.json(['status']);
    return status.routes.find((route) => route.destination === name)?.path ?? [];
  }

  async end() {
    if (this.#daemon === undefined) return;
    this.#daemon.child.kill('SIGTERM');
    const timer = setTimeout(() => this.#daemon.child.kill('SIGKILL'), 5_000);
    await this.#daemon.ended;
    clearTimeout(timer);
  }
}
