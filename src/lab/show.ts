/**
 * The lab that people watch: a flow of 100 packets a second across the twelve cities beside its
 * unprotected twin, a story that breaks things, and keys to break them oneself. It reads daemons
 * only through the SDK, as any application would.
 */
import type { DatagramOptions, DatagramSocket, RouteExplanation } from '../host/index.ts';
import { OverlayError } from '../kernel/index.ts';
import { CITIES, CITY_LINKS } from '../sim/index.ts';
import { LabCluster, type LabOptions, type LabPlan } from './cluster.ts';
import { FlowMeter } from './flow-meter.ts';
import { LaneTally } from './lane-tally.ts';
import type { FlowView, HappenedView, LaneView, ScreenState } from './screen.ts';
import { type Act, STORY, STORY_MS, type Stage } from './story.ts';
import type { CapturedNode, TurncoatKind } from './turncoats.ts';
import { turncoatConfig, turncoatText } from './turncoats.ts';

export const SOURCE = 'ATL';
export const DESTINATION = 'LAX';
const INTERVAL_MS = 10;
const PACKET_BYTES = 200;
const PORT = { overlay: 7, twin: 8 } as const;
/** Impairment of a lab link beyond its latency; rates stay as published. */
const QUEUE_BYTES = 128 * 1024;
/** From one daemon that is asked for its counts to the next: each about once a second. */
const ASK_MS = 80;

/** The twelve cities as a plan: one daemon each, links with the latency and rate of the figures. */
export function continentPlan(config: LabPlan['config'] = {}): LabPlan {
  return {
    nodes: CITIES.map((c) => c.name),
    links: CITY_LINKS.map((l) => ({
      a: l.a,
      b: l.b,
      impairments: {
        delayMs: l.latencyMilliseconds,
        rate: l.megabitsPerSecond * 1_000_000,
        queueBytes: QUEUE_BYTES,
      },
    })),
    config,
  };
}

export interface ShowOptions extends LabOptions {
  /** Lane of the measured flow; its twin stays unprotected. Default `default`. */
  readonly lane?: string;
  /** Captured once both flows run; the twin is put on a way through the first of them. */
  readonly turncoats?: readonly CapturedNode[];
}

export interface LabSummary {
  readonly seconds: number;
  /** What the measured flow asked for and what came of it, over all nodes. */
  readonly lane: LaneView;
  readonly overlay: FlowSummary;
  readonly twin: FlowSummary;
  readonly reroutes: number;
  /** What captured nodes do, by name. */
  readonly captured: Readonly<Record<string, string>>;
}

export interface FlowSummary {
  readonly sent: number;
  readonly received: number;
  readonly lost: number;
  readonly longestGapMs: number;
  readonly gapsMs: readonly number[];
}

interface Flow {
  readonly meter: FlowMeter;
  sender: DatagramSocket;
  readonly receiver: DatagramSocket;
  readonly port: number;
  readonly lossBySecond: number[];
  counted: { sent: number; received: number };
}

export class LabShow implements Stage {
  readonly cluster: LabCluster;
  isStoryOn = true;
  private readonly began: number;
  private readonly happened: HappenedView[] = [];
  private readonly impaired = new Map<string, string>();
  private readonly killed = new Set<string>();
  private readonly captured = new Map<string, readonly TurncoatKind[]>();
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly watching = new AbortController();
  private readonly flows: { overlay: Flow; twin: Flow };
  private readonly tally: LaneTally;
  private asked = 0;
  private explanation: RouteExplanation | undefined;
  private twinRoute: readonly string[] | undefined;
  private reroutes = 0;
  private storyBegan = 0;
  private nextAct = 0;
  private isActing = false;
  /** The trouble of the moment, and what had been lost when it came. */
  private trouble: { what: string; overlay: number; twin: number } | undefined;
  private isEnding = false;
  private onHappened: (h: HappenedView) => void = () => undefined;

  private constructor(cluster: LabCluster, flows: { overlay: Flow; twin: Flow }, lane: string) {
    this.tally = new LaneTally({ lane, source: SOURCE });
    this.cluster = cluster;
    this.flows = flows;
    this.began = performance.now();
  }

  /** Fails with UNKNOWN_LANE, LANE_CANNOT_HOLD. */
  static async start(options: ShowOptions = {}): Promise<LabShow> {
    const { lane = 'default' } = options;
    const cluster = await LabCluster.start(continentPlan(), options);
    try {
      await cluster.routed(SOURCE, DESTINATION);
      await untilHolds(cluster, lane);
      const flows = {
        overlay: await openFlow(cluster, PORT.overlay, { lane, to: DESTINATION }),
        twin: await openFlow(cluster, PORT.twin, { routing: 'pinned' }),
      };
      const show = new LabShow(cluster, flows, lane);
      await show.refresh();
      show.twinRoute = show.explanation?.route?.path;
      show.run();
      for (const turncoat of options.turncoats ?? []) await show.capture(turncoat);
      return show;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** Called with everything that happens, as it happens. */
  onEvent(listener: (h: HappenedView) => void): void {
    this.onHappened = listener;
  }

  get elapsedMs(): number {
    return performance.now() - this.began;
  }

  /** Packets delivered so far on the overlay flow. */
  get delivered(): number {
    return this.flows.overlay.meter.snapshot(this.elapsedMs).received;
  }

  async stop(): Promise<LabSummary> {
    this.isEnding = true;
    for (const timer of this.timers) clearInterval(timer);
    this.watching.abort();
    await Promise.allSettled(CITIES.map(({ name }) => this.refreshLane(name)));
    const summary = this.summary();
    await this.cluster.stop();
    return summary;
  }

  // -- Stage -----------------------------------------------------------------------------------

  route(): readonly string[] {
    const path = this.explanation?.route?.path ?? [];
    return path.length === 0 ? [] : [SOURCE, ...path];
  }

  async cut(a: string, b: string): Promise<void> {
    await this.troubleComes();
    this.impaired.set(linkKey(a, b), 'cut');
    await this.cluster.cut(a, b);
  }

  async degrade(a: string, b: string, loss: number): Promise<void> {
    await this.troubleComes();
    this.impaired.set(linkKey(a, b), `${Math.round(100 * loss)} % loss`);
    await this.cluster.impair(a, b, { loss });
  }

  async heal(): Promise<void> {
    const keys = [...this.impaired.keys()];
    this.impaired.clear();
    for (const key of keys) {
      const [a, b] = key.split('|') as [string, string];
      await this.cluster.heal(a, b);
    }
  }

  async kill(node: string): Promise<void> {
    await this.troubleComes();
    this.killed.add(node);
    await this.cluster.kill(node);
  }

  /** The first one captured gets the twin to pass it, where any way does. */
  async capture({ node, kinds }: CapturedNode): Promise<void> {
    await this.troubleComes();
    if (this.captured.size === 0 && this.twinRoute?.includes(node) !== true) {
      const ways = (this.explanation?.candidates ?? []).map(({ path }) => path);
      const through = ways.find((path) => path.includes(node));
      if (through !== undefined) await this.leadTwin(through);
    }
    this.captured.set(node, kinds);
    await this.cluster.configure(node, { turncoat: turncoatConfig(kinds) });
    this.tell('act', `${node} captured: ${turncoatText(kinds)}`);
  }

  async release(): Promise<void> {
    const nodes = [...this.captured.keys()];
    this.captured.clear();
    for (const node of nodes) await this.cluster.configure(node, { turncoat: undefined });
  }

  async restart(): Promise<void> {
    const restart = async (node: string): Promise<void> => {
      await this.cluster.restart(node);
      this.killed.delete(node);
    };
    await Promise.all([...this.killed].map(restart));
  }

  /**
   * Something is about to break. State: where all was well, the twin is put on the route of the moment
   * and stays there until all is well again: both flows meet the trouble on the same way.
   */
  private async troubleComes(): Promise<void> {
    if (this.impaired.size + this.killed.size + this.captured.size > 0) return;
    await this.refresh();
    const path = this.explanation?.route?.path;
    if (path === undefined || path.join() === this.twinRoute?.join()) return;
    await this.leadTwin(path);
  }

  private async leadTwin(path: readonly string[]): Promise<void> {
    const { twin } = this.flows;
    const former = twin.sender;
    twin.sender = await this.cluster.node(SOURCE).handle.datagram({ routing: { via: path } });
    this.twinRoute = path;
    await former.close();
  }

  // -- What keys do ----------------------------------------------------------------------------

  /** Cuts link number `i` of the route, or heals it when it is impaired. */
  async toggleLink(i: number): Promise<void> {
    const route = this.route();
    const [a, b] = [route[i], route[i + 1]];
    if (a === undefined || b === undefined) return;
    if (this.impaired.delete(linkKey(a, b))) {
      await this.cluster.heal(a, b);
      return this.tell('act', `healed ${a} - ${b}`);
    }
    await this.cut(a, b);
    this.tell('act', `cut ${a} - ${b}`);
  }

  async degradeFirst(): Promise<void> {
    const [a, b] = this.route();
    if (a === undefined || b === undefined) return;
    await this.degrade(a, b, 0.3);
    this.tell('act', `30 % loss on ${a} - ${b}`);
  }

  async killMiddle(): Promise<void> {
    const victim = this.route().length > 2 ? this.route()[1] : undefined;
    if (victim === undefined) return;
    await this.kill(victim);
    this.tell('act', `kill -9 of the daemon at ${victim}`);
  }

  async captureMiddle(): Promise<void> {
    const victim = this.route().length > 2 ? this.route()[1] : undefined;
    if (victim !== undefined) await this.capture({ node: victim, kinds: ['drop'] });
  }

  async healAll(): Promise<void> {
    await this.heal();
    await this.release();
    await this.restart();
    this.tell('act', 'everything healed and running');
  }

  // -- What is shown ---------------------------------------------------------------------------

  screen(isInteractive: boolean): ScreenState {
    const route = this.route();
    const act = this.isStoryOn ? STORY[this.nextAct] : undefined;
    const due = act === undefined ? 0 : (this.storyBegan + act.atMs - this.elapsedMs) / 1_000;
    return {
      elapsedMs: this.elapsedMs,
      cities: CITIES.length,
      links: CITY_LINKS.length,
      source: SOURCE,
      destination: DESTINATION,
      overlay: this.view(this.flows.overlay, this.explanation?.route?.path),
      twin: this.view(this.flows.twin, this.twinRoute),
      lane: this.lane(),
      routeLinks: route.slice(1).map((b, i) => this.linkView(route[i]!, b)),
      candidates: (this.explanation?.candidates ?? []).filter((c) => !c.isChosen),
      happened: this.happened,
      captured: this.capturedTexts(),
      nextAct: act === undefined ? undefined : `${act.title} in ${Math.max(0, Math.ceil(due))} s`,
      isInteractive,
    };
  }

  summary(): LabSummary {
    const now = this.elapsedMs;
    const of = ({ meter }: Flow): FlowSummary => {
      const { sent, received, lost, gaps, silenceMs } = meter.snapshot(now);
      const gapsMs = gaps.map((g) => Math.round(g.lengthMs));
      const open = silenceMs > 1_000 ? [Math.round(silenceMs)] : [];
      return { sent, received, lost, gapsMs, longestGapMs: Math.max(0, ...gapsMs, ...open) };
    };
    return {
      seconds: Math.round(now / 1_000),
      lane: this.lane(),
      overlay: of(this.flows.overlay),
      twin: of(this.flows.twin),
      reroutes: this.reroutes,
      captured: this.capturedTexts(),
    };
  }

  private lane(): LaneView {
    return this.tally.view(this.explanation?.route?.path.length ?? 0);
  }

  private capturedTexts(): Record<string, string> {
    return Object.fromEntries([...this.captured].map(([n, kinds]) => [n, turncoatText(kinds)]));
  }

  private view(flow: Flow, route: readonly string[] | undefined): FlowView {
    return { route, flow: flow.meter.snapshot(this.elapsedMs), lossBySecond: flow.lossBySecond };
  }

  private linkView(a: string, b: string): ScreenState['routeLinks'][number] {
    const planned = CITY_LINKS.find((l) => (l.a === a && l.b === b) || (l.a === b && l.b === a));
    return {
      a,
      b,
      latencyMs: planned?.latencyMilliseconds,
      impairment: this.impaired.get(linkKey(a, b)) ?? '',
    };
  }

  // -- The machinery ---------------------------------------------------------------------------

  private run(): void {
    for (const flow of [this.flows.overlay, this.flows.twin]) this.carry(flow);
    this.timers.push(
      setInterval(() => this.countSecond(), 1_000),
      setInterval(() => this.attempt(this.refresh()), 1_000),
      setInterval(() => this.attempt(this.refreshLane(this.nextAsked())), ASK_MS),
      setInterval(() => this.attempt(this.play()), 250),
    );
    this.attempt(this.watchRoutes());
  }

  /** Sends on absolute time, so that a late timer does not slow the flow down. */
  private carry(flow: Flow): void {
    const to = { node: DESTINATION, port: flow.port };
    const start = this.elapsedMs;
    let sent = 0;
    this.timers.push(
      setInterval(() => {
        const due = Math.floor((this.elapsedMs - start) / INTERVAL_MS);
        for (; sent < due; sent++) {
          const payload = new Uint8Array(PACKET_BYTES);
          new DataView(payload.buffer).setUint32(0, flow.meter.sending(this.elapsedMs));
          flow.sender.send(payload, { to });
        }
      }, INTERVAL_MS / 2),
    );
    flow.receiver.on('message', ({ payload: bytes }) => {
      const sequence = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
      const gap = flow.meter.arrived(sequence, this.elapsedMs);
      if (gap === undefined || flow !== this.flows.overlay) return;
      this.tell('gap', `gap of ${Math.round(gap.lengthMs)} ms, ${gap.missing} packets lost`);
    });
  }

  private countSecond(): void {
    for (const flow of [this.flows.overlay, this.flows.twin]) {
      const { sent, received } = flow.meter.snapshot(this.elapsedMs);
      const outgoing = sent - flow.counted.sent;
      const arrived = received - flow.counted.received;
      flow.counted = { sent, received };
      flow.lossBySecond.push(outgoing === 0 ? 0 : Math.max(0, 1 - arrived / outgoing));
      if (flow.lossBySecond.length > 120) flow.lossBySecond.shift();
    }
  }

  private async refresh(): Promise<void> {
    this.explanation = await this.cluster.node(SOURCE).handle.explain(DESTINATION);
  }

  /**
   * Asks the next daemon what it saw of the flow. One at a time: to ask twelve at once is a burst of
   * work that delays every packet on the machine.
   */
  private async refreshLane(node: string): Promise<void> {
    if (this.killed.has(node)) return;
    const { flows = [] } = await this.cluster.node(node).handle.status();
    this.tally.heard(node, flows);
  }

  private nextAsked(): string {
    const { name } = CITIES[this.asked++ % CITIES.length]!;
    return name;
  }

  /** Reroutes as the source's own daemon tells of them. */
  private async watchRoutes(): Promise<void> {
    const { signal } = this.watching;
    const updates = this.cluster.node(SOURCE).handle.watch('events', { signal });
    for await (const update of updates) {
      if (update.kind !== 'route-changed' || update.destination !== DESTINATION) continue;
      this.reroutes++;
      const after = update.after === undefined ? 'no route' : [SOURCE, ...update.after].join(' > ');
      this.tell('reroute', `${after}, because of ${update.cause}`);
      await this.refresh();
    }
  }

  private async play(): Promise<void> {
    if (!this.isStoryOn || this.isActing) return;
    if (this.elapsedMs >= this.storyBegan + STORY_MS) {
      this.storyBegan += STORY_MS;
      this.nextAct = 0;
    }
    const act: Act | undefined = STORY[this.nextAct];
    if (act === undefined || this.elapsedMs < this.storyBegan + act.atMs) return;
    this.nextAct++;
    this.isActing = true;
    try {
      this.tellLosses();
      const before = this.losses();
      const done = await act.play(this);
      if (done === undefined) return;
      this.tell('act', done);
      if (act.isTrouble) this.trouble = { what: done, ...before };
    } finally {
      this.isActing = false;
    }
  }

  private losses(): { overlay: number; twin: number } {
    const lost = ({ meter }: Flow): number => meter.snapshot(this.elapsedMs).lost;
    return { overlay: lost(this.flows.overlay), twin: lost(this.flows.twin) };
  }

  /** How the two flows came through the trouble that ends now. */
  private tellLosses(): void {
    if (this.trouble === undefined) return;
    const { what, overlay, twin } = this.trouble;
    this.trouble = undefined;
    const now = this.losses();
    this.tell('note', `${what}: overlay lost ${now.overlay - overlay}, twin ${now.twin - twin}`);
  }

  /** What fails because a daemon is down, or because all is ending, is no more than a note. */
  private attempt(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!(error instanceof OverlayError)) throw error;
      if (!this.isEnding) this.tell('note', error.message);
    });
  }

  private tell(kind: HappenedView['kind'], text: string): void {
    const h: HappenedView = { atMs: this.elapsedMs, kind, text };
    this.happened.push(h);
    if (this.happened.length > 200) this.happened.shift();
    this.onHappened(h);
  }
}

/**
 * Links measure themselves while twelve daemons start at once: at first the way seems longer than it
 * is. A lane that cannot hold by the end of this is refused when its flow is opened.
 */
async function untilHolds(cluster: LabCluster, lane: string): Promise<void> {
  const limit = performance.now() + HOLDS_MS;
  for (;;) {
    try {
      await cluster.node(SOURCE).handle.checkLane({ lane }, { to: DESTINATION });
      return;
    } catch (error) {
      const isEarly = error instanceof OverlayError && error.code === 'LANE_CANNOT_HOLD';
      if (!isEarly || performance.now() > limit) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function openFlow(cluster: LabCluster, port: number, flow: DatagramOptions): Promise<Flow> {
  return {
    meter: new FlowMeter({ intervalMs: INTERVAL_MS }),
    sender: await cluster.node(SOURCE).handle.datagram(flow),
    receiver: await cluster.node(DESTINATION).handle.datagram({ port }),
    port,
    lossBySecond: [],
    counted: { sent: 0, received: 0 },
  };
}

const HOLDS_MS = 20_000;
const linkKey = (a: string, b: string): string => (a < b ? `${a}|${b}` : `${b}|${a}`);
