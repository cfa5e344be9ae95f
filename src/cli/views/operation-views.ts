/** Views of what commands changed: reload, log levels, impairments, forwards. */
import type {
  ExposeReport,
  ForwardReport,
  InviteStatus,
  LinkImpairment,
  LogLevels,
  ReloadReport,
} from '../../daemon/index.ts';
import { showFlow } from './lanes-view.ts';
import type { Paint } from './paint.ts';
import { countOf, showBytes, showMs, showShare } from './quantities.ts';
import { type Cell, facts, table } from './table.ts';

export function reloadView({ changes }: ReloadReport, paint: Paint): string {
  if (changes.length === 0) return 'nothing changed';
  const rows = changes.map((change): Cell[] => [
    change.key,
    showValue(change.before),
    showValue(change.after),
    change.effect === 'now'
      ? { text: 'in force', style: 'green' }
      : { text: 'needs a restart', style: 'yellow' },
  ]);
  const waiting = changes.filter((c) => c.effect === 'restart').length;
  const list = table({ paint, columns: ['KEY', 'BEFORE', 'AFTER', 'EFFECT'], rows });
  if (waiting === 0) return list;
  const verb = waiting === 1 ? 'waits' : 'wait';
  return `${list}\n\n${countOf(waiting, 'change')} ${verb} for a restart: overlane down, overlane up`;
}

/** Short values as they are, long ones cut. */
function showValue(value: unknown): string {
  if (value === undefined || value === null) return '-';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > 48 ? `${text.slice(0, 45)}...` : text;
}

export function logLevelsView({ level, subsystems }: LogLevels, paint: Paint): string {
  const differing = Object.entries(subsystems)
    .filter(([, own]) => own !== level)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return facts([[differing.length === 0 ? 'all' : 'others', level], ...differing], paint);
}

const IMPAIRMENTS = {
  cut: () => 'cut',
  delayMs: (v: number) => `delay ${showMs(v)}`,
  jitterMs: (v: number) => `jitter ${showMs(v)}`,
  loss: (v: number) => `loss ${showShare(v)}`,
  burst: (v: number) => `burst ${showShare(v)}`,
  burstTimeMs: (v: number) => `drawn each ${showMs(v)}`,
  rate: (v: number) => `rate ${v / 1e6} Mbit/s`,
  queueBytes: (v: number) => `queue ${showBytes(v)}`,
  reorder: (v: number) => `reorder ${showShare(v)}`,
  duplicate: (v: number) => `duplicate ${showShare(v)}`,
  mtu: (v: number) => `mtu ${v}`,
} as const;

export function impairmentsView(links: readonly LinkImpairment[], paint: Paint): string {
  const rows = links.map(({ neighbour, remote, impairments }): Cell[] => {
    const parts = Object.entries(IMPAIRMENTS).flatMap(([key, show]) => {
      const value = impairments[key as keyof typeof impairments];
      // A queue stands before a bottleneck: without one it means nothing.
      if (key === 'queueBytes' && (impairments.rate ?? 0) === 0) return [];
      return value === undefined || value === false || value === 0 ? [] : [show(value as number)];
    });
    const style = impairments.cut === true ? 'red' : 'yellow';
    const to = remote === undefined ? neighbour : `${neighbour} at ${remote}`;
    return [to, parts.length === 0 ? 'none' : { text: parts.join(', '), style }];
  });
  return `${paint('bold', 'IMPAIRED')}\n${table({ paint, columns: ['TO', 'BY'], rows })}`;
}

export function forwardsView(forwards: readonly ForwardReport[], paint: Paint): string {
  if (forwards.length === 0) return 'no forwards: add one with overlane forward add';
  const rows = forwards.map((f): Cell[] => [
    f.id,
    f.protocol,
    f.isOpen ? f.listen : { text: `${f.listen} (not open)`, style: 'red' },
    `${f.to}:${f.port}`,
    showFlow(f.flow),
    ...traffic(f),
  ]);
  return table({
    paint,
    columns: ['ID', 'PROTOCOL', 'HERE', 'THERE', 'LANE', ...TRAFFIC],
    rows,
  });
}

export function exposesView(exposes: readonly ExposeReport[], paint: Paint): string {
  if (exposes.length === 0) return 'nothing is exposed: add a rule with overlane expose add';
  const rows = exposes.map((e): Cell[] => [
    e.id,
    e.protocol,
    String(e.port),
    e.isOpen ? e.to : { text: `${e.to} (not open)`, style: 'red' },
    e.from === 'any' ? { text: 'any', style: 'yellow' } : e.from.join(', '),
    showFlow(e.flow),
    ...traffic(e),
  ]);
  return table({
    paint,
    columns: ['ID', 'PROTOCOL', '>PORT', 'TO', 'FOR', 'ANSWERS IN', ...TRAFFIC],
    rows,
  });
}

export function invitesView(invites: readonly InviteStatus[], paint: Paint): string {
  if (invites.length === 0) return 'no invites';
  const rows = invites.map((i): Cell[] => [
    i.id,
    i.name ?? 'any',
    i.expires.slice(0, 19).replace('T', ' '),
    i.usedBy === undefined ? 'open' : { text: `used by ${i.usedBy}`, style: 'dim' },
  ]);
  return table({ paint, columns: ['ID', 'FOR', 'EXPIRES (UTC)', 'STATE'], rows });
}

const TRAFFIC = ['>OPEN', '>EVER', '>SENT', '>RECEIVED', 'REFUSED'];

/** Cells for what both kinds of port count. */
function traffic(port: Omit<ForwardReport, 'listen' | 'lane' | 'flow' | 'to'>): Cell[] {
  const refused = Object.entries(port.refusals).filter(([, count]) => count > 0);
  const text = refused.map(([reason, count]) => `${count} ${reason}`).join(', ');
  return [
    String(port.connections),
    String(port.connectionsTotal),
    showBytes(port.bytesOut),
    showBytes(port.bytesIn),
    text === '' ? '' : { text, style: 'yellow' },
  ];
}
