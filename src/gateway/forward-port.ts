/**
 * Ports of ordinary programs carried over the overlay. A *forward* listens at this site and leads to
 * an overlay port of another node; an *expose* rule takes an overlay port of this node to an address
 * near it. There is no protocol between the two: a TCP connection is one overlay stream, a UDP
 * client is one overlay datagram socket, so SDK programs can be at either end.
 *
 * Nothing is exposed by default; a rule names the members that may use it.
 */
import type { FlowChoice } from '../host/index.ts';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface ForwardOptions {
  /** Port 0 takes any free one. */
  readonly listen: HostPort;
  /** Member name and overlay port it leads to. */
  readonly to: string;
  readonly port: number;
  /** What its flows ask for. Default: the lane `default`. */
  readonly flow?: FlowChoice;
  /** TCP: connections at a time. Default 512; further ones are closed, counted. */
  readonly connectionsMax?: number;
  /** UDP: clients at a time. Default 256; the longest silent gives way, counted. */
  readonly clientsMax?: number;
  /** UDP: a client silent for this long is forgotten. Default 60000. */
  readonly idleMs?: number;
}

export interface ExposeOptions {
  /** Overlay port. */
  readonly port: number;
  readonly to: HostPort;
  /** Member names that may use it. */
  readonly from: readonly string[] | 'any';
  /**
   * UDP: what answers ask for. Default: the lane `default`. A TCP stream is answered as its opener asked.
   */
  readonly flow?: FlowChoice;
  readonly connectionsMax?: number;
  readonly clientsMax?: number;
  readonly idleMs?: number;
}

export const CONNECTIONS_MAX_DEFAULT = 512;
export const CLIENTS_MAX_DEFAULT = 256;
export const IDLE_MS_DEFAULT = 60_000;

/** Counts of one forward or expose rule. `In` is from the overlay, `out` is into it. */
export class PortCounters {
  /** TCP connections or UDP clients at the moment. */
  connections = 0;
  connectionsTotal = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** What was turned away or lost, by reason. */
  readonly refusals: Record<string, number> = {};

  refuse(reason: string): void {
    this.refusals[reason] = (this.refusals[reason] ?? 0) + 1;
  }
}

/** A forward or an expose rule in force. */
export interface OpenPort {
  /** A forward's `listen` with the port it got; an expose rule's overlay port. */
  readonly local: HostPort;
  readonly counters: PortCounters;
  /** Takes nothing new; what is open goes on. */
  drain(): void;
  /** Ends it and every connection through it. */
  close(): Promise<void>;
}

export const isAllowed = (from: ExposeOptions['from'], member: string): boolean =>
  from === 'any' || from.includes(member);
