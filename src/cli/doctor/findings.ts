/**
 * What `overlane doctor` says about the facts it gathered. Pure: facts in, findings out, so that
 * each finding has a test. Every finding that is not `ok` says how to mend it.
 */
import type { LinkStatus, NodeStatus } from '../../host/index.ts';
import { countOf, showBytes, showDay, showMs, showSpan } from '../views/quantities.ts';

export type Severity = 'ok' | 'note' | 'warning' | 'problem';

export interface Finding {
  /** Stable name of the check: `clock`, `socket-buffers`, ... */
  readonly check: string;
  readonly severity: Severity;
  readonly text: string;
  /** What to do; undefined when all is well. */
  readonly fix: string | undefined;
}

/** Underlay sockets ask for this much: a batch from every neighbour fits while the process is busy. */
export const SOCKET_BUFFER_WANTED: number = 4 * 1024 * 1024;
/** Datagrams of this size pass an ordinary path, tunnels over PPPoE and IPv6 included. */
export const MTU_WANTED = 1400;
/** A clock before this day is not set: nothing of ours was built earlier. */
export const CLOCK_FLOOR = '2026-01-01T00:00:00.000Z';
const CLOCK_DRIFT_MS_MAX = 20;

const ok = (check: string, text: string): Finding => ({
  check,
  severity: 'ok',
  text,
  fix: undefined,
});

export function nodeVersionFinding(version: string, floor: string): Finding {
  const numbers = (text: string): number[] => text.split('.').map(Number);
  const [have, want] = [numbers(version), numbers(floor)];
  const difference = have.map((n, i) => n - (want[i] ?? 0)).find((d) => d !== 0) ?? 0;
  if (difference >= 0) return ok('node-version', `Node ${version}`);
  return {
    check: 'node-version',
    severity: 'problem',
    text: `Node ${version} is older than ${floor}`,
    fix: `Install Node ${floor} or later (20, 22 and 24 are tested).`,
  };
}

export interface ClockFacts {
  readonly now: Date;
  /** Wall-clock time that passed minus monotonic time that passed, over the sample. */
  readonly driftMs: number;
  /** Whether the system says its clock follows a time server; undefined where it does not say. */
  readonly isSynchronized: boolean | undefined;
}

export function clockFinding(clock: ClockFacts): Finding {
  const shown = clock.now.toISOString().slice(0, 19).replace('T', ' ');
  const fix =
    'Set the clock and keep it set: systemctl enable --now systemd-timesyncd (or chrony).';
  const at = (severity: Severity, text: string): Finding => ({
    check: 'clock',
    severity,
    text,
    fix,
  });
  if (clock.now.getTime() < Date.parse(CLOCK_FLOOR))
    return at('problem', `the clock says ${shown} UTC, which is in the past`);
  if (Math.abs(clock.driftMs) > CLOCK_DRIFT_MS_MAX)
    return at('warning', `the clock was stepped by ${showMs(clock.driftMs)} while we looked`);
  if (clock.isSynchronized === false)
    return at('warning', 'the clock does not follow a time server');
  const source = clock.isSynchronized === true ? ', synchronized' : '';
  return ok('clock', `${shown} UTC${source}`);
}

export interface BufferFacts {
  /** net.core.rmem_max and wmem_max in bytes; undefined on other systems. */
  readonly receiveMax: number | undefined;
  readonly sendMax: number | undefined;
}

export function socketBufferFinding({ receiveMax, sendMax }: BufferFacts): Finding {
  const check = 'socket-buffers';
  if (receiveMax === undefined || sendMax === undefined)
    return {
      check,
      severity: 'note',
      text: 'the bounds of socket buffers cannot be read on this system',
      fix: `Make sure that UDP sockets may have receive buffers of ${showBytes(SOCKET_BUFFER_WANTED)}.`,
    };
  const low = [
    ...(receiveMax < SOCKET_BUFFER_WANTED ? [['rmem_max', receiveMax] as const] : []),
    ...(sendMax < SOCKET_BUFFER_WANTED ? [['wmem_max', sendMax] as const] : []),
  ];
  if (low.length === 0)
    return ok(check, `up to ${showBytes(receiveMax)} in, ${showBytes(sendMax)} out`);
  const settings = low.map(([name]) => `net.core.${name}=${SOCKET_BUFFER_WANTED}`);
  return {
    check,
    severity: 'warning',
    text: `${low.map(([name, size]) => `${name} is ${showBytes(size)}`).join(', ')}: bursts are lost while the process is busy`,
    fix: `sysctl -w ${settings.join(' ')}  (and the same lines in /etc/sysctl.d/overlane.conf)`,
  };
}

export interface PortFacts {
  readonly address: string;
  /** Error code of trying to open it; undefined when it opened, or when our daemon has it. */
  readonly fault: string | undefined;
  readonly isOurs: boolean;
}

export function portFinding({ address, fault, isOurs }: PortFacts): Finding {
  const check = 'udp-port';
  const port = address.slice(address.lastIndexOf(':') + 1);
  if (isOurs) return ok(check, `${address} is open by our daemon`);
  if (fault === undefined) return ok(check, `${address} is free`);
  const fixes: Readonly<Record<string, string>> = {
    EADDRINUSE: `Another program has it: ss -ulpn 'sport = :${port}' names it. Stop it, or change listen: in the configuration.`,
    EADDRNOTAVAIL: 'No interface of this host has the address: mend listen: in the configuration.',
    EACCES: 'Ports below 1024 need a privilege: choose a higher one in listen:.',
  };
  return {
    check,
    severity: 'problem',
    text: `${address} cannot be opened: ${fault}`,
    fix: fixes[fault] ?? 'Check listen: in the configuration.',
  };
}

export function linkFindings(links: readonly LinkStatus[]): Finding[] {
  if (links.length === 0)
    return [
      {
        check: 'reachability',
        severity: 'warning',
        text: 'this node has no links',
        fix: 'Name neighbours in the configuration, or give an invite to another host.',
      },
    ];
  return links.flatMap((link) => [reachabilityFinding(link), ...mtuFinding(link)]);
}

function reachabilityFinding(link: LinkStatus): Finding {
  const who = `${link.neighbour ?? 'the neighbour'} at ${link.remote}`;
  const check = 'reachability';
  if (link.state === 'up') return ok(check, `${who}: ${showMs(link.rttMs)}`);
  const reason = link.reason === undefined ? '' : `, ${link.reason}`;
  if (link.state === 'suspect')
    return {
      check,
      severity: 'warning',
      text: `${who}: nothing heard for a moment${reason}`,
      fix: 'If this stays, look for loss on the way: mtr, or overlane status in some seconds.',
    };
  return {
    check,
    severity: 'problem',
    text: `${who}: ${link.state} for ${showSpan(link.sinceMs)}${reason}`,
    fix: `Is its daemon up (overlane status there)? Does a firewall pass UDP to ${link.remote}, both ways?`,
  };
}

function mtuFinding(link: LinkStatus): Finding[] {
  if (link.state !== 'up') return [];
  const who = link.neighbour ?? link.remote;
  if (link.mtu >= MTU_WANTED) return [ok('mtu', `${who}: ${link.mtu} bytes pass`)];
  return [
    {
      check: 'mtu',
      severity: 'note',
      text: `${who}: datagrams of only ${link.mtu} bytes pass`,
      fix: 'It works with less throughput. A tunnel on the way (VPN, PPPoE) takes the rest.',
    },
  ];
}

export function memberFinding(status: NodeStatus): Finding {
  const others = status.members.filter((m) => m.name !== status.name);
  const lost = others.filter((m) => !m.isReachable).map((m) => m.name);
  if (lost.length === 0)
    return ok('routes', `${countOf(others.length, 'other node')}, all reachable`);
  return {
    check: 'routes',
    severity: 'warning',
    text: `${lost.length} of ${countOf(others.length, 'other node')} unreachable: ${lost.sort().join(', ')}`,
    fix: 'Are they up? overlane status NODE says what is missing on the way.',
  };
}

export function certificateFinding(ends: string, now: Date): Finding {
  const check = 'certificate';
  const days = (Date.parse(ends) - now.getTime()) / 86_400_000;
  if (days >= 30) return ok(check, `ends ${showDay(ends, now)}`);
  const fix =
    days < 0
      ? 'Join again with a new invite: overlane invite on a member, overlane join TOKEN here.'
      : 'It renews itself when the issuer is reachable: see that the inviting node is up.';
  const severity: Severity = days < 7 ? 'problem' : 'warning';
  const verb = days < 0 ? 'ended' : 'ends';
  return { check, severity, text: `${verb} ${showDay(ends, now)}`, fix };
}

export interface ModeFacts {
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  readonly isDirectory: boolean;
  readonly isOwn: boolean;
}

/** Keys are for nobody else: directories 0700, files 0600, owned by who runs the daemon. */
export function permissionFindings(files: readonly ModeFacts[]): Finding[] {
  const check = 'state-permissions';
  if (files.length === 0)
    return [
      {
        check,
        severity: 'note',
        text: 'there is no state directory yet',
        fix: 'overlane init makes a network, overlane join TOKEN joins one.',
      },
    ];
  const bad = files.filter((f) => !f.isOwn || (f.mode & 0o077) !== 0);
  if (bad.length === 0)
    return [ok(check, `${files.length} files of the state directory are private`)];
  return bad.map((f) => ({
    check,
    severity: 'problem' as const,
    text: f.isOwn
      ? `${f.path} is open to others (${f.mode.toString(8).padStart(4, '0')})`
      : `${f.path} belongs to another user`,
    fix: f.isOwn
      ? `chmod ${f.isDirectory ? '700' : '600'} ${f.path}`
      : `chown "$(id -u)" ${f.path}, or run as the user who owns it`,
  }));
}

export function daemonFinding(isRunning: boolean, socket: string): Finding {
  if (isRunning) return ok('daemon', `answers on ${socket}`);
  return {
    check: 'daemon',
    severity: 'warning',
    text: `no daemon answers on ${socket}`,
    fix: 'Start it with overlane up. What only a running daemon knows was not checked.',
  };
}

export function underlayFinding({ underlay }: NodeStatus): Finding {
  const buffers = `${showBytes(underlay.receiveBufferBytes)} in, ${showBytes(underlay.sendBufferBytes)} out`;
  const { kind, reason, crypto } = underlay;
  const sealing = `${crypto.kind} crypto (${crypto.reason})`;
  const text = `${kind} (${reason}), ${sealing}, on ${underlay.locals.join(', ')}, buffers ${buffers}`;
  if (!underlay.isFallback && !crypto.isFallback) return ok('underlay', text);
  return {
    check: 'underlay',
    severity: 'note',
    text,
    fix: 'It works at less speed. On Linux npm install --include=optional brings the fast one; underlay: portable in the configuration ends this note.',
  };
}

const RANK: Readonly<Record<Severity, number>> = { ok: 0, note: 1, warning: 2, problem: 3 };

export const worst = (findings: readonly Finding[]): Severity =>
  findings.reduce<Severity>((w, f) => (RANK[f.severity] > RANK[w] ? f.severity : w), 'ok');
