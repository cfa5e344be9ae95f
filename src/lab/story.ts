/**
 * The lab's script: what happens to the network while somebody watches. Each act looks at the route
 * of the moment and strikes there, so that it always shows something.
 */

/** What acts may do; the running lab implements it. */
export interface Stage {
  /** Nodes of the overlay flow's route, source first. Fewer than two: no route. */
  route(): readonly string[];
  cut(a: string, b: string): Promise<void>;
  degrade(a: string, b: string, loss: number): Promise<void>;
  heal(): Promise<void>;
  kill(node: string): Promise<void>;
  restart(): Promise<void>;
}

export interface Act {
  /** Since the flow began. */
  readonly atMs: number;
  readonly title: string;
  /** It ends with the next act, and then is told what it cost. */
  readonly isTrouble: boolean;
  play(stage: Stage): Promise<string | undefined>;
}

/** One round of the story; it begins again `STORY_MS` after it began. */
export const STORY_MS = 75_000;

export const STORY: readonly Act[] = [
  {
    atMs: 8_000,
    title: 'cut the last link of the route',
    isTrouble: true,
    async play(stage) {
      const last = hopsOf(stage).at(-1);
      if (last === undefined) return undefined;
      await stage.cut(...last);
      return `cut ${last[0]} - ${last[1]}`;
    },
  },
  {
    atMs: 20_000,
    title: 'heal it',
    isTrouble: false,
    async play(stage) {
      await stage.heal();
      return 'all links healed';
    },
  },
  {
    atMs: 32_000,
    title: '30 % loss on the first link of the route',
    isTrouble: true,
    async play(stage) {
      const first = hopsOf(stage)[0];
      if (first === undefined) return undefined;
      await stage.degrade(...first, 0.3);
      return `30 % loss on ${first[0]} - ${first[1]}`;
    },
  },
  {
    atMs: 44_000,
    title: 'heal it',
    isTrouble: false,
    async play(stage) {
      await stage.heal();
      return 'all links healed';
    },
  },
  {
    atMs: 54_000,
    title: 'kill -9 a forwarding daemon',
    isTrouble: true,
    async play(stage) {
      const route = stage.route();
      const victim = route.length > 2 ? route[1] : undefined;
      if (victim === undefined) return undefined;
      await stage.kill(victim);
      return `kill -9 of the daemon at ${victim}`;
    },
  },
  {
    atMs: 64_000,
    title: 'start it again',
    isTrouble: false,
    async play(stage) {
      await stage.restart();
      return 'killed daemons started again';
    },
  },
];

function hopsOf(stage: Stage): [string, string][] {
  const route = stage.route();
  return route.slice(1).map((node, i) => [route[i]!, node]);
}
