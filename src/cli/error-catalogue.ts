/**
 * Every error code a caller can meet: what it means and what to do. `overlane explain CODE`,
 * docs/errors.md and the hint under a failed command are made from here; a test holds the list
 * against the codes that the source throws. Codes are append-only.
 */

import { REFUSAL_REASONS, type RefusalReason } from './refusal-reasons.ts';

export type ErrorArea = 'usage' | 'daemon' | 'configuration' | 'operation' | 'refusal';

export interface CatalogueEntry {
  readonly area: ErrorArea;
  readonly meaning: string;
  /** What a person can do about it, as an instruction. */
  readonly remedy: string;
  /** Whether the same call may work later without anybody changing anything. */
  readonly isRetryable?: boolean;
}

export const ERROR_CATALOGUE = {
  ABORTED: {
    area: 'operation',
    meaning: "The caller's AbortSignal was aborted, or the command was interrupted.",
    remedy: 'Nothing to do: somebody asked for it.',
  },
  BAD_ARGUMENT: {
    area: 'usage',
    meaning: 'An argument cannot mean anything: a malformed endpoint, a port out of range.',
    remedy: 'Write endpoints as NAME:port, with a port from 1 to 65535.',
  },
  BAD_IDENTITY: {
    area: 'configuration',
    meaning: 'The keys, the certificate or the manifest given at the start do not belong together.',
    remedy:
      'Run overlane doctor. If files of the state directory were mixed, restore them from a backup or join again.',
  },
  CLOSED: {
    area: 'operation',
    meaning: 'The socket, server or node was closed before the call.',
    remedy: 'Open a new one.',
  },
  LANE_CANNOT_HOLD: {
    area: 'operation',
    meaning:
      'The deadline of the lane is not longer than the fastest way known to that destination takes.',
    remedy:
      'Take the lane that the message names, or a longer deadline; overlane lanes NODE shows which can hold.',
  },
  LIMIT_REACHED: {
    area: 'operation',
    meaning: 'A bound of this node is reached: sockets, streams, flows, connections.',
    remedy: 'Close what is not needed, or raise the bound under limits: in the configuration.',
    isRetryable: true,
  },
  MESSAGE_TOO_BIG: {
    area: 'operation',
    meaning: 'A datagram is longer than the 65,000 bytes a datagram socket takes.',
    remedy: 'Send it in parts, or use a stream.',
  },
  NODE_STOPPED: {
    area: 'operation',
    meaning: 'The node stopped while this was open.',
    remedy: 'Start it again with overlane up; its log says why it stopped.',
  },
  NOT_A_LAB: {
    area: 'operation',
    meaning:
      'Impairments, or a captured node, were asked for in a network that is not marked as a lab.',
    remedy:
      'Impair links and capture nodes only in a network made with overlane init --lab; a real one cannot be turned into one.',
  },
  PEER_RESTARTED: {
    area: 'operation',
    meaning: 'The other node was started again; its ends of all streams are gone.',
    remedy: 'Connect again.',
    isRetryable: true,
  },
  PORT_IN_USE: {
    area: 'operation',
    meaning: 'Another socket of this node has the overlay port.',
    remedy: 'Choose another port or leave it out; overlane status --sockets lists those in use.',
  },
  PROFILE_RUNNING: {
    area: 'operation',
    meaning: 'A processor profile of the daemon is being taken already; there is one at a time.',
    remedy: 'Wait until it has ended.',
    isRetryable: true,
  },
  RATE_NOT_AVAILABLE: {
    area: 'operation',
    meaning:
      'A flow asked for a rate, and on each way that was asked a link has less to give away, or gives one member less, or its node did not answer.',
    remedy:
      'Ask for the rate that the message says can be had, close flows that reserve what they do not use, or raise capacity or reservations of the node named.',
    isRetryable: true,
  },
  REFUSED: {
    area: 'operation',
    meaning: 'The other node has no listener on this port, or turned the stream away.',
    remedy: 'Check the port, and that the program or expose: rule behind it is running there.',
    isRetryable: true,
  },
  RESET: {
    area: 'operation',
    meaning: 'The other end gave the stream up before it was finished.',
    remedy: 'See the log of the program at the other end.',
    isRetryable: true,
  },
  STREAM_ABORTED: {
    area: 'operation',
    meaning: 'This side gave the stream up.',
    remedy: 'Nothing to do: the local program destroyed it.',
  },
  TIMED_OUT: {
    area: 'operation',
    meaning: 'Nothing came back within the time allowed.',
    remedy: 'Run overlane trace NODE to see how far packets get.',
    isRetryable: true,
  },
  FAST_UNDERLAY_UNAVAILABLE: {
    area: 'configuration',
    meaning: 'The configuration says underlay: fast, and that one cannot be had here.',
    remedy:
      'The text says why. It needs Linux and the optional package koffi (npm install --include=optional). underlay: auto takes the portable one instead.',
  },
  UNDERLAY_BIND_FAILED: {
    area: 'configuration',
    meaning: 'A UDP address of listen: cannot be opened.',
    remedy:
      'EADDRINUSE: another program has the port, ss -ulpn names it. EADDRNOTAVAIL: this host has no such address.',
  },
  UNKNOWN_DESTINATION: {
    area: 'operation',
    meaning: 'No member of this name is known here.',
    remedy:
      'Check the spelling with overlane status; a node that joined a moment ago may not be known yet.',
    isRetryable: true,
  },
  UNREACHABLE: {
    area: 'operation',
    meaning: 'The member is known, and there is no route to it at the moment.',
    remedy: 'Run overlane status NODE for the reason; the route returns by itself with the links.',
    isRetryable: true,
  },
  CONFIG_INVALID: {
    area: 'configuration',
    meaning: 'The configuration file has mistakes; each is named with its line.',
    remedy: 'Mend the lines named, then run overlane config check.',
  },
  CONFIG_UNREADABLE: {
    area: 'configuration',
    meaning: 'The configuration file cannot be read.',
    remedy: 'Check the path and its permissions.',
  },
  DAEMON_UNREACHABLE: {
    area: 'daemon',
    meaning: 'No daemon answers on the control socket.',
    remedy: 'Start it with overlane up, or name its socket with --socket.',
    isRetryable: true,
  },
  CONTROL_SOCKET_FAILED: {
    area: 'configuration',
    meaning: 'The daemon cannot open its control socket.',
    remedy:
      'Is its directory there and writable, and the path shorter than 100 bytes? See control:.',
  },
  CONTROL_SOCKET_IN_USE: {
    area: 'configuration',
    meaning: 'Another daemon answers on this control socket.',
    remedy: 'Stop it with overlane down, or give this one another socket under control:.',
  },
  METHOD_NOT_ALLOWED: {
    area: 'operation',
    meaning: 'The control API has this path, and not with this HTTP method.',
    remedy: 'See the method in the reference of the control API.',
  },
  NO_SUCH_ROUTE: {
    area: 'operation',
    meaning: 'The control API has no such path.',
    remedy: 'Check the path and the version in it; an older daemon may lack what is newer.',
  },
  NO_SUCH_STREAM: {
    area: 'operation',
    meaning: 'A stream that was announced is gone: nobody fetched it in time, or it was reset.',
    remedy: 'Fetch streams as soon as they are announced.',
  },
  NO_SUCH_FORWARD: {
    area: 'operation',
    meaning: 'There is no forward or exposed port with this id.',
    remedy: 'See the ids with overlane forward list and overlane expose list.',
  },
  FORWARD_EXISTS: {
    area: 'operation',
    meaning: 'There is a forward or exposed port on this port already.',
    remedy: 'Remove it first, or take another port.',
  },
  NOT_AN_ISSUER: {
    area: 'operation',
    meaning: 'This node cannot sign certificates or manifests: it has no root key.',
    remedy: 'Run it on the host where overlane init was run.',
  },
  REQUEST_TOO_BIG: {
    area: 'operation',
    meaning: 'A request to the control API is longer than any sensible one.',
    remedy: 'Send less: the bound is far above every request of ours.',
  },
  ALREADY_MEMBER: {
    area: 'configuration',
    meaning: 'The state directory belongs to a member of a network already.',
    remedy: 'Start it with overlane up, or give the new node another directory with --state.',
  },
  ANSWER_TOO_LONG: {
    area: 'operation',
    meaning: 'An issuer answered a renewal with more than a certificate and a manifest can be.',
    remedy: 'The issuer is broken or of another version: see its log. The old certificate holds.',
    isRetryable: true,
  },
  BAD_NAME: {
    area: 'usage',
    meaning: 'The name cannot be that of a network or a node.',
    remedy: 'Use letters, digits and hyphens, at most 32.',
  },
  JOIN_REFUSED: {
    area: 'operation',
    meaning: 'The inviting node refused; details.reason says why.',
    remedy: 'See overlane explain with that reason; a new invite mends most of them.',
  },
  JOIN_TIMED_OUT: {
    area: 'operation',
    meaning: 'The inviting node did not answer on any address in the invite.',
    remedy: 'Is its daemon up? Does a firewall pass UDP to those addresses? See advertise: there.',
    isRetryable: true,
  },
  MEMBER_UNKNOWN: {
    area: 'operation',
    meaning: 'A node asked for a renewal and is no member that this issuer knows.',
    remedy: 'If it should be a member, invite it again.',
  },
  NAME_MISMATCH: {
    area: 'operation',
    meaning: 'The token is for another name.',
    remedy: 'Leave --name out: the invite says the name.',
  },
  NAME_NEEDED: {
    area: 'operation',
    meaning: 'The token is for any name, and none was chosen.',
    remedy: 'Choose one: overlane join TOKEN --name NAME.',
  },
  IDENTITY_REVOKED: {
    area: 'operation',
    meaning:
      'The keys of this state directory were revoked; no certificate for them is valid again.',
    remedy: 'Join with another state directory, which gets keys of its own.',
  },
  NAME_TAKEN: {
    area: 'operation',
    meaning: 'A member of this name exists.',
    remedy: 'Choose another, or revoke the member if it is gone for good.',
  },
  NOT_A_MEMBER: {
    area: 'configuration',
    meaning: 'The state directory belongs to no network yet.',
    remedy: 'Make a network with overlane init, or join one with overlane join TOKEN.',
  },
  NO_ADDRESS: {
    area: 'configuration',
    meaning: 'No address is known under which other hosts could reach this node.',
    remedy: 'Write them under advertise: in the configuration.',
  },
  START_FAILED: {
    area: 'configuration',
    meaning: 'The daemon was started in the background and ended, or did not answer in time.',
    remedy: 'The last lines of its log are in the message; overlane doctor looks for causes.',
  },
  TOKEN_EXPIRED: {
    area: 'operation',
    meaning: 'The token is past its end.',
    remedy: 'Ask for a new one; overlane invite --expires says how long it lives.',
  },
  TOKEN_INVALID: {
    area: 'usage',
    meaning: 'What was given is no token, is damaged, or is of a later version.',
    remedy: 'Copy it again, whole and in one line: it begins with ovl1_.',
  },
  TOKEN_UNKNOWN: {
    area: 'operation',
    meaning: 'The inviting node did not give this token out.',
    remedy: 'Was its state directory restored from before the invite? Ask for a new one.',
  },
  TOKEN_USED: {
    area: 'operation',
    meaning: 'The token was used already, by another host.',
    remedy:
      'Ask for a new one. If nobody of yours used it, revoke that node: overlane invite --list.',
  },
  DAEMON_PROTOCOL: {
    area: 'operation',
    meaning: 'The daemon answered something that this program does not understand.',
    remedy:
      'Daemon and command are of different versions, as a rule: restart the daemon after an update.',
  },
  EPOCH_EXHAUSTED: {
    area: 'configuration',
    meaning: 'This identity was started 2^32 times and has no incarnation number left.',
    remedy: 'Join again with a new invite: the node gets new keys.',
  },
  FORWARD_LISTEN_FAILED: {
    area: 'operation',
    meaning: 'A forward cannot open its TCP or UDP port on this host.',
    remedy:
      'Another program has the port (ss -tulpn names it), or the address is not of this host.',
  },
  MANIFEST_INVALID: {
    area: 'configuration',
    meaning: "The network's manifest does not stand up: not signed by a root key of the network.",
    remedy: 'Restore the state directory from a backup, or join again with a new invite.',
  },
  STATE_DAMAGED: {
    area: 'configuration',
    meaning: 'A file of the state directory is not as it was written.',
    remedy: 'Restore it from a backup, or join again with a new invite.',
  },
  STATE_LOCKED: {
    area: 'configuration',
    meaning: 'Another daemon runs on this state directory.',
    remedy: 'Stop it with overlane down, or give each node a state directory of its own.',
  },
  STATE_MISSING: {
    area: 'configuration',
    meaning: 'There is no state directory at this place.',
    remedy:
      'Make a network with overlane init, join one with overlane join, or name it with --state.',
  },
  STATE_NOT_OURS: {
    area: 'configuration',
    meaning: 'The state directory, or a file in it, belongs to another user.',
    remedy: 'Run as that user, or give the directory to this one with chown -R.',
  },
  STATE_NOT_WRITTEN: {
    area: 'configuration',
    meaning: 'A file of the state directory cannot be written.',
    remedy: 'Is the disk full, or mounted read-only? Nothing was lost: files are replaced whole.',
    isRetryable: true,
  },
  STATE_TOO_OPEN: {
    area: 'configuration',
    meaning: 'Other users of this host can reach the keys in the state directory.',
    remedy: 'Run the chmod that the message names, and think about who may have read them.',
  },
  TOO_MANY_INVITES: {
    area: 'operation',
    meaning: 'So many invites are open that no further one is given out.',
    remedy: 'Wait until some are used or expire; give shorter lives with --expires.',
    isRetryable: true,
  },
  USAGE: {
    area: 'usage',
    meaning: 'Options contradict each other, or a value is not of the kind asked for.',
    remedy: 'See the command with --help.',
  },
  UNKNOWN_LANE: {
    area: 'usage',
    meaning: 'There is no lane of this name: neither a named one nor one under lanes: here.',
    remedy:
      'overlane lanes lists those that there are; own lanes go under lanes: in the configuration.',
  },
  UNKNOWN_CODE: {
    area: 'usage',
    meaning: 'There is no error code or refusal reason of this name.',
    remedy: 'overlane explain without a code lists all of them.',
  },
  INTERNAL: {
    area: 'operation',
    meaning: 'A defect in overlane: something happened that must not.',
    remedy: 'Report it, with the trace.',
  },
} as const;

export type ErrorCode = keyof typeof ERROR_CATALOGUE;

/**
 * Entry of an error code or a refusal reason. Reasons come with a prefix that says what was refused:
 * `certificate-expired`, `manifest-bad-signature`.
 */
export function catalogueEntry(code: string): CatalogueEntry | undefined {
  const errors: Readonly<Record<string, CatalogueEntry>> = ERROR_CATALOGUE;
  if (Object.hasOwn(errors, code)) return errors[code];
  const reasons: Readonly<Record<string, RefusalReason>> = REFUSAL_REASONS;
  const reason = [code, code.replace(/^(certificate|manifest)-/, '')].find((r) =>
    Object.hasOwn(reasons, r),
  );
  return reason === undefined ? undefined : { area: 'refusal', ...reasons[reason]! };
}
