/** `overlane lanes`: what each lane is made of, and with a node whether it holds. */
import type { FlowChoice, LaneReport } from '../../host/index.ts';
import type { Paint } from './paint.ts';
import { showMs } from './quantities.ts';
import { type Cell, table } from './table.ts';

export function lanesView(
  lanes: readonly LaneReport[],
  to: string | undefined,
  paint: Paint,
): string {
  const columns = [
    'LANE',
    '>NO',
    'ROUTING',
    'RECOVERY',
    '>DEADLINE',
    '>PRIORITY',
    'PLAYOUT',
    'SIGNED',
  ];
  const rows = lanes.map((lane): Cell[] => [
    lane.name,
    String(lane.number),
    lane.routing === 'disjoint' ? `disjoint ${lane.paths}` : lane.routing,
    lane.recovery,
    lane.deadlineMs === 0 ? '-' : showMs(lane.deadlineMs),
    String(lane.priority),
    lane.playout,
    lane.signed ? 'yes' : '-',
    ...(to === undefined ? [] : [holds(lane)]),
  ]);
  const latency = lanes[0]?.latencyMs;
  const away =
    to === undefined
      ? ''
      : latency === undefined
        ? `\n${to}: no measured way`
        : `\n${to} is ${showMs(latency)} away by the fastest way known`;
  const head = to === undefined ? columns : [...columns, `TO ${to}`];
  const short = lanes.flatMap(({ name, shortfall }) =>
    shortfall === undefined ? [] : [`\n${name}: ${shortfall}`],
  );
  return `${table({ paint, columns: head, rows })}${away}${short.join('')}`;
}

const holds = (lane: LaneReport): Cell =>
  lane.refusal === undefined ? 'can hold' : { text: 'cannot hold', style: 'red' };

/** `video`, or `video, deadline 130ms`: a choice in a cell. */
export function showFlow(choice: FlowChoice): string {
  const { lane = 'default', routing, ...parts } = choice;
  const way =
    routing === undefined
      ? []
      : typeof routing === 'string'
        ? [routing]
        : 'via' in routing
          ? [`via ${routing.via.join(' ')}`]
          : 'metric' in routing
            ? [routing.spread === true ? `${routing.metric}, spread` : routing.metric]
            : [`${routing.disjoint} disjoint`];
  const said = Object.entries(parts).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name} ${value}`],
  );
  return [lane, ...way, ...said].join(', ');
}
