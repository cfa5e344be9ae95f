/** The side of the simulator that `overlane sim` sees; `simulator-adapter.ts` implements it. */
export interface SimulatorPort {
  /** One outcome a seed, each computed when it is asked for. */
  swarm(options: SwarmRequest): Promise<Iterable<SeedOutcome>>;
  /** What a seed draws, in words. */
  describe(seed: number, nodesMax: number): Promise<readonly string[]>;
}

export interface SwarmRequest {
  readonly firstSeed: number;
  readonly seeds: number;
  readonly nodesMax: number;
  /** Runs every seed twice and compares the traces. */
  readonly isRepeated: boolean;
  /** Every line of the trace, as JSON. */
  readonly onLine: ((line: string) => void) | undefined;
}

/** Durations in microseconds of virtual time, as in the sim room. */
export interface SeedOutcome {
  readonly seed: number;
  readonly violations: readonly SeedViolation[];
  readonly hash: string;
  readonly lastLines: readonly string[];
  readonly duration: number;
  readonly eventsRun: number;
  readonly datagrams: number;
  readonly messagesSent: number;
  readonly messagesReceived: number;
  readonly healedAfter: number | undefined;
}

export interface SeedViolation {
  readonly invariant: string;
  readonly at: number;
  readonly node: string;
  readonly text: string;
}
