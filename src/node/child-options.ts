/** What a node's options mean to each of its children; what is not stated keeps the child's default. */
import type { LinkLimits, LinkTimers } from '../link/index.ts';
import type { RoutingLimits, RoutingTimers } from '../routing/index.ts';
import type { SocketLimits } from '../sockets/index.ts';
import type { NodeLimits, NodeTimers } from './contract.ts';
import type { ProbingOptions } from './probing.ts';
import { probingShares } from './probing.ts';

type Stated<T> = { -readonly [K in keyof T]?: T[K] };

export function linkTimers(
  timers: Partial<NodeTimers> = {},
  probing: Partial<ProbingOptions> = {},
): Partial<LinkTimers> {
  const stated: Stated<LinkTimers> = {};
  if (timers.helloInterval !== undefined) stated.helloInterval = timers.helloInterval;
  if (timers.deadAfterMax !== undefined) stated.deadAfterMax = timers.deadAfterMax;
  if (timers.rekeyAfter !== undefined) stated.rekeyAfter = timers.rekeyAfter;
  if (probing.helloIntervalMax !== undefined) stated.helloIntervalMax = probing.helloIntervalMax;
  return stated;
}

export function linkLimits(
  limits: Partial<NodeLimits> = {},
  probing: Partial<ProbingOptions> = {},
): Partial<LinkLimits> {
  const stated: Stated<LinkLimits> = {};
  if (probing.budget !== undefined) stated.helloBudget = probingShares(probing.budget).hellos;
  if (limits.neighboursMax !== undefined) stated.neighboursMax = limits.neighboursMax;
  if (limits.pendingHandshakesMax !== undefined)
    stated.pendingHandshakesMax = limits.pendingHandshakesMax;
  if (limits.outgoingBatchPackets !== undefined)
    stated.outgoingBatchPackets = limits.outgoingBatchPackets;
  return stated;
}

export function routingTimers(timers: Partial<NodeTimers> = {}): Partial<RoutingTimers> {
  return timers.refreshInterval === undefined ? {} : { refreshInterval: timers.refreshInterval };
}

export function routingLimits(limits: Partial<NodeLimits> = {}): Partial<RoutingLimits> {
  return limits.membersMax === undefined ? {} : { membersMax: limits.membersMax };
}

export function socketLimits(limits: Partial<NodeLimits> = {}): Partial<SocketLimits> {
  const stated: Stated<SocketLimits> = {};
  if (limits.socketsMax !== undefined) stated.socketsMax = limits.socketsMax;
  if (limits.streamsMax !== undefined) stated.streamsMax = limits.streamsMax;
  return stated;
}
