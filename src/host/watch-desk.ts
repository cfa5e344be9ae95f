/** The watches open on one embedded node: who follows what, and what each is told. */
import type { NodeEvent as CoreEvent } from '../node/index.ts';
import type { EventUpdate, LinkUpdate, NodeEvent, NodeStatus, RouteUpdate } from './api.ts';
import { failure } from './failure.ts';
import type { NodeDriver } from './node-driver.ts';
import { type NameOf, presentEvent, presentLink, presentRoute } from './present.ts';
import { WatchQueue } from './watch-queue.ts';

export type WatchTopic = 'links' | 'routes' | 'events';
export type WatchUpdate = LinkUpdate | RouteUpdate | EventUpdate;

interface Watch {
  readonly topic: WatchTopic;
  readonly queue: WatchQueue<WatchUpdate>;
}

/** Watches a node may have open; more fail with LIMIT_REACHED. */
export const WATCHES_MAX = 256;

export class WatchDesk {
  private readonly driver: NodeDriver;
  private readonly nameOf: NameOf;
  private readonly status: () => NodeStatus;
  private readonly watches = new Set<Watch>();

  constructor(options: { driver: NodeDriver; nameOf: NameOf; status: () => NodeStatus }) {
    this.driver = options.driver;
    this.nameOf = options.nameOf;
    this.status = options.status;
  }

  open(topic: WatchTopic, signal: AbortSignal | undefined): WatchQueue<WatchUpdate> {
    if (this.watches.size >= WATCHES_MAX) throw failure('LIMIT_REACHED', 'watches');
    const watch: Watch = {
      topic,
      queue: new WatchQueue<WatchUpdate>({
        snapshot: (missed) => this.snapshot(topic, missed),
        onEnd: () => this.watches.delete(watch),
      }),
    };
    this.watches.add(watch);
    watch.queue.endWith(signal);
    return watch.queue;
  }

  publish(event: CoreEvent): void {
    if (this.watches.size === 0) return;
    const shown = presentEvent(event, this.nameOf, this.driver.wall());
    if (shown === undefined) return;
    for (const { topic, queue } of this.watches) if (concerns(shown, topic)) queue.push(shown);
  }

  close(): void {
    for (const { queue } of [...this.watches]) queue.end();
  }

  private snapshot(topic: WatchTopic, missed: number): WatchUpdate {
    if (topic === 'events') return { kind: 'snapshot', status: this.status(), missed };
    const status = this.driver.read((node, now) => node.status(now));
    if (topic === 'links') {
      const links = status.links.map((link) => presentLink(link, this.nameOf));
      return { kind: 'snapshot', links, missed };
    }
    const routes = status.routes.map((route) => presentRoute(route, this.nameOf));
    return { kind: 'snapshot', routes, missed };
  }
}

function concerns(event: NodeEvent, topic: WatchTopic): boolean {
  if (topic === 'events') return true;
  if (topic === 'routes') return event.kind === 'route-changed' || event.kind === 'graph-changed';
  return event.kind === 'link-up' || event.kind === 'link-down';
}
