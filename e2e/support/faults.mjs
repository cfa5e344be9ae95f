/**
 * The faults that flows of real programs have to live through, each on the route of the moment: its
 * last link is cut, its first one loses 30 %, and a daemon that forwards gets `kill -9`.
 */
import { pause, until } from './bounded.mjs';
import { routeOf } from './overlane.mjs';

/** What each fault is allowed: the promise is off the link within 3 s, and a gap of under 1.5 s. */
export const SETTLE_MS = 3_000;

export class FaultDirector {
  /** { title, fromMs, toMs, before, after }, in order. */
  acts = [];
  /** Times of every change of a route to the destination, at any node. */
  routeChanges = [];
  #cluster;
  #from;
  #to;
  #watching = new AbortController();
  #hurt = [];
  #killed = [];

  constructor(cluster, { from, to }) {
    this.#cluster = cluster;
    this.#from = from;
    this.#to = to;
  }

  /** Notes route changes at these nodes. A node that is killed is heard no more. */
  watch(nodes) {
    for (const name of nodes) {
      if (name === this.#to) continue;
      void this.#follow(this.#cluster.node(name).handle).catch(() => undefined);
    }
  }

  async #follow(handle) {
    for await (const update of handle.watch('routes', { signal: this.#watching.signal }))
      if (update.kind === 'route-changed' && update.destination === this.#to)
        this.routeChanges.push({ atMs: performance.now(), node: handle.name, ...update });
  }

  route() {
    return routeOf(this.#cluster, this.#from, this.#to);
  }

  /** Plays all three, `holdMs` apart, and returns when the last one has been lived with as long. */
  async play({ holdMs }) {
    await this.#act('last link of the route cut', holdMs, async (route) => {
      const [a, b] = route.slice(-2);
      this.#hurt.push([a, b]);
      await this.#cluster.cut(a, b);
      return `${a} - ${b}`;
    });
    await this.#act('30 % loss on the first link of the route', holdMs, async (route) => {
      const [a, b] = route;
      this.#hurt.push([a, b]);
      await this.#cluster.impair(a, b, { loss: 0.3 });
      return `${a} - ${b}`;
    });
    await this.#act('kill -9 of a forwarding daemon', holdMs, async (route) => {
      const victim = route[1];
      this.#killed.push(victim);
      await this.#cluster.kill(victim);
      return victim;
    });
  }

  /** Links and daemons are as they were. Resolves when the daemons answer. */
  async heal() {
    const [hurt, killed] = [this.#hurt, this.#killed];
    this.#hurt = [];
    this.#killed = [];
    await Promise.all(killed.map((name) => this.#cluster.restart(name)));
    for (const [a, b] of hurt) await this.#cluster.heal(a, b);
  }

  stop() {
    this.#watching.abort();
  }

  async #act(title, holdMs, strike) {
    const before = await this.route();
    if (before.length < 3) throw new Error(`no node forwards on ${before.join(' > ')}`);
    const fromMs = performance.now();
    const where = await strike(before);
    const struckMs = performance.now();
    await until(
      `the route leaves ${before.join(' > ')} after: ${title}`,
      async () => (await this.route()).join() !== before.join(),
      { timeoutMs: 10_000 },
    );
    const reroutedMs = performance.now() - struckMs;
    await pause(Math.max(0, fromMs + holdMs - performance.now()));
    const after = await this.route();
    this.acts.push({ title, where, fromMs, toMs: performance.now(), reroutedMs, before, after });
  }
}
