/**
 * Whom a record of link state reaches without this node's help, as its links and those of others tell:
 * in a mesh everybody would otherwise hear every record from everybody. A neighbour needs no copy from here
 *
 * - when the origin has a link to it, and so sends it the record until it is acknowledged;
 * - when the origin has no link to this node, but to two others that have links to the neighbour. Those
 *   pass it on by the first rule. Two, so that one of them may just have died.
 *
 * What links there are is what both their ends report. Should more have died than anybody has noticed,
 * neighbours find out when they compare what they hold.
 */
import type { NodeAddress } from '../kernel/index.ts';
import type { ReportsByOrigin } from './graph.ts';

const RELAYS_ENOUGH = 2;

export function isToldElsewhere(
  reports: ReportsByOrigin,
  ends: {
    readonly origin: NodeAddress;
    readonly self: NodeAddress;
    readonly neighbour: NodeAddress;
  },
): boolean {
  const { origin, self, neighbour } = ends;
  // A node is the origin of its own records, and tells everybody.
  if (origin === self) return false;
  if (isLink(reports, origin, neighbour)) return true;
  if (isLink(reports, origin, self)) return false;
  let relays = 0;
  for (const relay of reports.get(origin)?.keys() ?? [])
    if (isLink(reports, origin, relay) && isLink(reports, relay, neighbour)) relays++;
  return relays >= RELAYS_ENOUGH;
}

const isLink = (reports: ReportsByOrigin, a: NodeAddress, b: NodeAddress): boolean =>
  reports.get(a)?.has(b) === true && reports.get(b)?.has(a) === true;
