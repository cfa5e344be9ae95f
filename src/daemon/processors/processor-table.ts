/**
 * The processors in force, as the config says. One whose port cannot be opened does not keep the
 * daemon from running: it is logged, told by the status, and tried again.
 */
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { OverlayNodeHandle } from '../../host/index.ts';
import { OverlayError } from '../../kernel/index.ts';
import type { ProcessorConfig } from '../config.ts';
import type { ProcessorReport } from '../control-api.ts';
import type { Logger } from '../log.ts';
import { Processor } from './processor.ts';

interface Entry {
  readonly config: ProcessorConfig;
  processor: Processor | undefined;
  error: string | undefined;
  retry: NodeJS.Timeout | undefined;
  isRemoved: boolean;
}

const RETRY_MS = 5_000;

export class ProcessorTable {
  private readonly node: OverlayNodeHandle;
  private readonly log: Logger;
  private readonly base: string;
  /** By overlay port. */
  private readonly entries = new Map<number, Entry>();

  /** `configFile`: modules are named relative to it; absent: to the working directory. */
  constructor(options: { node: OverlayNodeHandle; log: Logger; configFile: string | undefined }) {
    this.node = options.node;
    this.log = options.log;
    this.base = options.configFile === undefined ? process.cwd() : dirname(options.configFile);
  }

  /** Makes what the config says the truth. A module's file is read again when its entry changes. */
  async configure(configs: readonly ProcessorConfig[]): Promise<void> {
    const wanted = new Map(configs.map((config) => [config.port, config]));
    for (const [port, entry] of [...this.entries]) {
      if (JSON.stringify(wanted.get(port)) === JSON.stringify(entry.config)) wanted.delete(port);
      else await this.drop(port, entry);
    }
    for (const [port, config] of wanted) {
      const fresh = { processor: undefined, error: undefined, retry: undefined };
      const entry: Entry = { config, ...fresh, isRemoved: false };
      this.entries.set(port, entry);
      await this.open(entry);
    }
  }

  reports(): ProcessorReport[] {
    return [...this.entries.values()].map(({ config, processor, error }) => {
      if (processor !== undefined) return processor.report;
      const { name, module, port, lane, from, to, flow } = config;
      const counts = { received: 0, sent: 0, errors: 0, restarts: 0, underWay: 0, dropped: {} };
      const target = to === undefined ? undefined : `${to.node}:${to.port}`;
      const rest = { to: target, flow, state: 'failed' as const, ...counts, lastError: error };
      return { name, module, port, match: { lane, from }, ...rest };
    });
  }

  /** For the node's status: sums over all processors, drops by reason. */
  counters(): Record<string, number> {
    const sums: Record<string, number> = {};
    const add = (name: string, by: number): void => {
      sums[`processors.${name}`] = (sums[`processors.${name}`] ?? 0) + by;
    };
    for (const report of this.reports()) {
      add('received', report.received);
      add('sent', report.sent);
      add('errors', report.errors);
      add('restarts', report.restarts);
      for (const [reason, count] of Object.entries(report.dropped)) add(`dropped.${reason}`, count);
    }
    return sums;
  }

  async close(): Promise<void> {
    await Promise.all([...this.entries].map(([port, entry]) => this.drop(port, entry)));
  }

  private async open(entry: Entry): Promise<void> {
    if (entry.isRemoved) return;
    const { config } = entry;
    const module = pathToFileURL(resolve(this.base, config.module)).href;
    try {
      const processor = await Processor.open({ node: this.node, log: this.log, config, module });
      entry.processor = processor;
      entry.error = undefined;
      if (entry.isRemoved) await processor.close();
    } catch (error) {
      if (!(error instanceof OverlayError)) throw error;
      entry.error = `${error.code}: ${error.message}`;
      this.log.error({ processor: config.name, code: error.code }, error.message);
      entry.retry = setTimeout(() => void this.open(entry), RETRY_MS).unref();
    }
  }

  private async drop(port: number, entry: Entry): Promise<void> {
    entry.isRemoved = true;
    clearTimeout(entry.retry);
    this.entries.delete(port);
    await entry.processor?.close();
  }
}
