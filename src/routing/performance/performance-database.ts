/**
 * What paths were measured to be like, by whoever measured: the node of its links, an application of
 * anything it has a name for ("time to fetch this object from that mirror"). Samples are kept under
 * (from, to, metric), summarised when asked. It is soft state, after the performance database of resilient
 * overlay networks (SOSP 2001): nothing depends on it being there, it starts empty, forgets what is
 * old, and when it is full the path that was silent longest makes room.
 *
 * `from` and `to` are names of members or whatever else the application measures between. A metric's
 * unit is its application's; less is better unless it asks for the most.
 */
import type { Counters, Duration, Instant } from '../../kernel/index.ts';
import { between, seconds } from '../../kernel/index.ts';

export interface PerformanceLimits {
  readonly pathsMax: number;
  /** Samples kept of one path and metric; the oldest go. */
  readonly samplesMax: number;
  /** Characters in each of `from`, `to` and `metric`. */
  readonly nameLengthMax: number;
  readonly sampleLife: Duration;
}

export const PERFORMANCE_LIMITS: PerformanceLimits = {
  pathsMax: 4096,
  samplesMax: 64,
  nameLengthMax: 128,
  sampleLife: seconds(3_600),
};

export interface PerformanceSample {
  readonly from: string;
  readonly to: string;
  readonly metric: string;
  readonly value: number;
}

export interface PerformanceFilter {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly metric?: string | undefined;
}

export interface PerformanceSummary {
  readonly from: string;
  readonly to: string;
  readonly metric: string;
  readonly count: number;
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  readonly median: number;
  readonly last: number;
  readonly stdev: number;
  /** Since the last sample. */
  readonly age: Duration;
}

interface Kept {
  readonly value: number;
  readonly at: Instant;
}

interface PathRecord {
  readonly from: string;
  readonly to: string;
  readonly metric: string;
  readonly samples: Kept[];
}

export class PerformanceDatabase {
  private readonly limits: PerformanceLimits;
  private readonly counters: Counters;
  /** In order of their last sample, the longest silent first. */
  private readonly paths = new Map<string, PathRecord>();

  constructor(options: {
    readonly limits?: Partial<PerformanceLimits>;
    readonly counters: Counters;
  }) {
    this.limits = { ...PERFORMANCE_LIMITS, ...options.limits };
    this.counters = options.counters;
  }

  get size(): number {
    return this.paths.size;
  }

  /** `at`: when it was measured. False for what is no sample: a name too long, no finite value, too old. */
  report(sample: PerformanceSample, now: Instant, at: Instant = now): boolean {
    const { from, to, metric, value } = sample;
    const isSound = [from, to, metric].every((name) => this.isName(name)) && Number.isFinite(value);
    if (!isSound || between(at, now) >= this.limits.sampleLife) {
      this.counters.add('performance-sample-refused');
      return false;
    }
    const key = keyOf(sample);
    const record = this.paths.get(key) ?? { from, to, metric, samples: [] };
    this.paths.delete(key);
    this.paths.set(key, record);
    insert(record.samples, { value, at });
    if (record.samples.length > this.limits.samplesMax) record.samples.shift();
    if (this.paths.size > this.limits.pathsMax) {
      this.counters.add('performance-paths-full');
      this.paths.delete(this.paths.keys().next().value!);
    }
    return true;
  }

  /** Everything known that matches, by metric, from and to. */
  query(filter: PerformanceFilter, now: Instant): PerformanceSummary[] {
    const rows: PerformanceSummary[] = [];
    for (const record of this.paths.values()) {
      const row = isMatch(record, filter) ? this.summary(record, now) : undefined;
      if (row !== undefined) rows.push(row);
    }
    const order = (row: PerformanceSummary): string => `${row.metric}\0${row.from}\0${row.to}`;
    return rows.sort((x, y) => (order(x) < order(y) ? -1 : 1));
  }

  /** Of the paths that match, the one with the least median, or the greatest; of equals the first. */
  best(
    filter: PerformanceFilter & { readonly metric: string; readonly most?: boolean | undefined },
    now: Instant,
  ): PerformanceSummary | undefined {
    const sign = filter.most === true ? -1 : 1;
    let best: PerformanceSummary | undefined;
    for (const row of this.query(filter, now))
      if (best === undefined || sign * row.median < sign * best.median) best = row;
    return best;
  }

  /** The median of one path; undefined where nothing is known. For routes by an application's metric. */
  value(path: Omit<PerformanceSample, 'value'>, now: Instant): number | undefined {
    const record = this.paths.get(keyOf(path));
    return record === undefined ? undefined : this.summary(record, now)?.median;
  }

  /** Forgets what is too old. */
  sweep(now: Instant): void {
    for (const [key, { samples }] of this.paths) {
      if (between(samples.at(-1)!.at, now) < this.limits.sampleLife) return;
      this.paths.delete(key);
    }
  }

  private summary(
    { from, to, metric, samples }: PathRecord,
    now: Instant,
  ): PerformanceSummary | undefined {
    const fresh = samples.filter(({ at }) => between(at, now) < this.limits.sampleLife);
    const last = fresh.at(-1);
    if (last === undefined) return undefined;
    const sorted = fresh.map(({ value }) => value).sort((x, y) => x - y);
    const count = sorted.length;
    const mean = sorted.reduce((sum, x) => sum + x / count, 0);
    const variance = sorted.reduce((sum, x) => sum + (x - mean) ** 2 / count, 0);
    return {
      from,
      to,
      metric,
      count,
      mean,
      min: sorted[0]!,
      max: sorted[count - 1]!,
      median: (sorted[(count - 1) >> 1]! + sorted[count >> 1]!) / 2,
      last: last.value,
      stdev: Math.sqrt(variance),
      age: between(last.at, now),
    };
  }

  private isName(name: string): boolean {
    const { nameLengthMax } = this.limits;
    return name.length > 0 && name.length <= nameLengthMax && !name.includes('\0');
  }
}

const keyOf = ({ from, to, metric }: Omit<PerformanceSample, 'value'>): string =>
  `${from}\0${to}\0${metric}`;

const isMatch = (record: PathRecord, filter: PerformanceFilter): boolean =>
  (filter.from === undefined || filter.from === record.from) &&
  (filter.to === undefined || filter.to === record.to) &&
  (filter.metric === undefined || filter.metric === record.metric);

/** Shared samples may come late; mostly it is the end. */
function insert(samples: Kept[], sample: Kept): void {
  let place = samples.length;
  while (place > 0 && samples[place - 1]!.at > sample.at) place--;
  samples.splice(place, 0, sample);
}
