/**
 * Holds what nodes report of links against the manifest's maximal topology with minimal weights: a
 * report of a link that may not exist is ignored, a latency below the link's minimum counts as the
 * minimum. Every node does it with every record, and with its own, so that all compute the same.
 *
 * A neighbour whose certificate has not come has no name yet, so its report passes. It is of no
 * consequence: a link counts when both ends report it, and the other end's is taken only after the
 * certificate.
 */
import type { Counters, Duration, NodeAddress } from '../kernel/index.ts';
import type { Member, PermittedLinks } from '../security/index.ts';
import type { LinkReport } from '../wire/index.ts';

/** A report that does not count as it was made. */
export interface OverruledReport {
  readonly reporter: NodeAddress;
  readonly neighbour: NodeAddress;
  readonly claimed: Duration;
  /** Which counts instead; undefined: the link may not exist. */
  readonly latencyMin: Duration | undefined;
}

export interface LinkClaimsOptions {
  /** As the manifest of the moment has it. */
  readonly permitted: () => PermittedLinks;
  readonly memberAt: (address: NodeAddress) => Member | undefined;
  /** Whether another member has the better claim to its name. */
  readonly isNameTaken: (member: Member) => boolean;
  readonly counters: Counters;
}

export class LinkClaims {
  private readonly options: LinkClaimsOptions;

  constructor(options: LinkClaimsOptions) {
    this.options = options;
  }

  /** Whether every report counts as it is made. */
  get isOpen(): boolean {
    return this.options.permitted().count === undefined;
  }

  /** The report as it counts; undefined: not at all. */
  admit(reporter: NodeAddress, report: LinkReport): LinkReport | undefined {
    const overruled = this.overruled(reporter, report);
    if (overruled === undefined) return report;
    const { latencyMin } = overruled;
    const { counters } = this.options;
    counters.add(latencyMin === undefined ? 'link-not-permitted' : 'latency-below-minimum');
    return latencyMin === undefined ? undefined : { ...report, latency: latencyMin };
  }

  /** What is wrong with the report; undefined: nothing. */
  overruled(reporter: NodeAddress, report: LinkReport): OverruledReport | undefined {
    if (this.isOpen) return undefined;
    const { memberAt, isNameTaken, permitted } = this.options;
    const { neighbour, latency: claimed } = report;
    const ends = [memberAt(reporter), memberAt(neighbour)] as const;
    if (ends[0] === undefined || ends[1] === undefined) return undefined;
    const least = ends.some((end) => isNameTaken(end!))
      ? undefined
      : permitted().latencyMin(ends[0].name, ends[1].name);
    if (least !== undefined && claimed >= least) return undefined;
    return { reporter, neighbour, claimed, latencyMin: least };
  }
}
