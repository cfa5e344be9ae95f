/** What a flow asks for, in the fields of a request: one set of names for every route that opens one. */

import { ROUTING_WORDS } from '../forwarding/index.ts';
import type { FlowChoice, RoutingChoice } from '../host/index.ts';
import { Fields } from './fields.ts';

export const FLOW_FIELDS = [
  'lane',
  'routing',
  'recovery',
  'deadline',
  'priority',
  'requests',
  'retransmissions',
  'playout',
  'signed',
  'rate',
] as const;

/** The words themselves are judged where they are resolved, so that every entry says the same. */
export function flowFields(fields: Fields): FlowChoice {
  const choice: Record<string, unknown> = { routing: routingField(fields) };
  for (const name of ['lane', 'recovery', 'deadline', 'playout', 'rate'] as const)
    choice[name] = fields.optionalText(name);
  for (const name of ['priority', 'requests', 'retransmissions'] as const)
    choice[name] = fields.optionalNumber(name, { min: 0, max: 15, isWhole: true });
  choice['signed'] = fields.optionalFlag('signed');
  return Object.fromEntries(
    Object.entries(choice).filter(([, value]) => value !== undefined),
  ) as FlowChoice;
}

/** A word, `{ via: [names] }`, `{ disjoint: paths }` or `{ metric, hops, spread }`. */
function routingField(fields: Fields): RoutingChoice | undefined {
  if (!fields.has('routing')) return undefined;
  const value = fields.value('routing');
  if (typeof value !== 'object') return fields.choice('routing', ROUTING_WORDS);
  const inner = new Fields(value, ['via', 'disjoint', 'metric', 'hops', 'spread']);
  if (inner.has('metric')) {
    const hops = inner.has('hops') ? inner.choice('hops', ['any', 'one']) : undefined;
    const spread = inner.optionalFlag('spread');
    return {
      metric: inner.text('metric'),
      ...(hops === undefined ? {} : { hops }),
      ...(spread === undefined ? {} : { spread }),
    };
  }
  if (inner.has('disjoint'))
    return { disjoint: inner.number('disjoint', { min: 1, max: 8, isWhole: true }) };
  return { via: inner.texts('via', 16) };
}
