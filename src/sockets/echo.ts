/**
 * Echo and notices: the node's ping and traceroute. Requests and replies are sealed hop by hop only, so
 * that a node can be asked before any session stands. A reply is as long as its request; replies and
 * notices are rate limited, and nothing is ever said about a notice.
 */

import type { Counters, Entropy, Instant, NodeAddress, Result } from '../kernel/index.ts';
import { fail, microseconds, ok, readU32, TokenBucket } from '../kernel/index.ts';
import type { DataHeader, EchoRequest, NodeControl } from '../wire/index.ts';
import {
  CONTROL_ECHO_REQUEST,
  decodeNodeControl,
  ECHO_PADDING_BYTES_MAX,
  encodeNodeControl,
  HOP_LIMIT_DEFAULT,
  KIND_NODE_CONTROL,
  SERVICE_DEFAULT,
} from '../wire/index.ts';
import { FlowRoutes, routingFault } from './flow-routes.ts';
import type {
  FlowOptions,
  FlowPath,
  PacketOutcome,
  PacketOutlet,
  SocketRefusal,
  SocketSink,
} from './socket-types.ts';
import { answerPath, bestPath } from './socket-types.ts';

export interface EchoLimits {
  /** Requests without an answer yet. Overflow: the oldest is forgotten. */
  readonly echoesMax: number;
  /** Replies a second, and notices a second. Overflow: not sent. */
  readonly repliesPerSecond: number;
  readonly noticesPerSecond: number;
}

export interface EchoOptions {
  readonly limits: EchoLimits;
  readonly network: PacketOutlet;
  readonly entropy: Entropy;
  readonly sink: SocketSink;
  readonly counters: Counters;
  /** Sends on the control flow with a sequence number taken by `nextSequence`. */
  readonly sendControl: (
    path: FlowPath,
    sequence: number,
    hopLimit: number,
    payload: Uint8Array,
    now: Instant,
  ) => PacketOutcome;
  readonly nextSequence: () => number;
}

interface PendingEcho {
  readonly id: number;
  readonly to: NodeAddress;
  readonly token: number;
  readonly sentAt: Instant;
}

export class Echo {
  private readonly options: EchoOptions;
  /** By sequence number on the control flow, which is also the echo's identifier. */
  private readonly pending = new Map<number, PendingEcho>();
  private readonly replies: TokenBucket;
  private readonly notices: TokenBucket;

  constructor(options: EchoOptions) {
    this.options = options;
    const { repliesPerSecond, noticesPerSecond } = options.limits;
    this.replies = new TokenBucket({ perSecond: repliesPerSecond, burst: repliesPerSecond });
    this.notices = new TokenBucket({ perSecond: noticesPerSecond, burst: noticesPerSecond });
  }

  request(
    id: number,
    to: NodeAddress,
    options: FlowOptions & { hopLimit?: number; payloadBytes?: number },
    now: Instant,
  ): Result<void, SocketRefusal> {
    const hopLimit = options.hopLimit ?? HOP_LIMIT_DEFAULT;
    const paddingBytes = options.payloadBytes ?? 0;
    if (!isWithin(hopLimit, 1, 255) || !isWithin(paddingBytes, 0, ECHO_PADDING_BYTES_MAX))
      return fail('bad-argument');
    const fault = routingFault(options);
    if (fault !== undefined) return fail(fault);
    const routes = new FlowRoutes(options.routing, this.options.network, options);
    const route = routes.routeTo(to);
    routes.release();
    if (route === undefined) return fail('unreachable');
    const identifier = this.options.nextSequence();
    const token = readU32(this.options.entropy.bytes(4), 0);
    const request: NodeControl = { kind: 'echo-request', identifier, token, paddingBytes };
    const { lane = 0, service = SERVICE_DEFAULT } = options;
    const path: FlowPath = { destination: to, lane, service, route };
    const payload = encodeNodeControl(request);
    const outcome = this.options.sendControl(path, identifier, hopLimit, payload, now);
    if (outcome !== 'sent') return fail(outcome === 'too-big' ? 'bad-argument' : 'unreachable');
    this.remember(identifier, { id, to, token, sentAt: now });
    return ok(undefined);
  }

  /** A packet of kind NODE CONTROL for this node. */
  receive(header: DataHeader, bytes: Uint8Array, at: number, end: number, now: Instant): void {
    const message = decodeNodeControl(bytes, at, end);
    if (message === undefined) return this.options.counters.add('echo.malformed');
    if (message.kind === 'echo-request') return this.reply(header, message, now);
    if (message.kind === 'echo-reply') {
      const asked = this.pending.get(message.identifier);
      if (asked === undefined || asked.token !== message.token || asked.to !== header.source)
        return this.options.counters.add('echo.unexpected');
      return this.report('reply', message.identifier, asked, header.source, now);
    }
    this.options.counters.add(`notice.heard.${message.kind}`);
    if (message.droppedKind !== KIND_NODE_CONTROL || message.flow !== 0) return;
    const asked = this.pending.get(message.sequence);
    if (asked === undefined || asked.to !== message.destination)
      return this.options.counters.add('echo.unexpected');
    this.report(message.kind, message.sequence, asked, header.source, now);
  }

  /** This node dropped a passing packet whose source should hear of it. */
  notice(
    kind: 'hop-limit-exceeded' | 'unreachable',
    header: DataHeader,
    bytes: Uint8Array,
    at: number,
    end: number,
    now: Instant,
  ): void {
    const { counters } = this.options;
    const isAnswer =
      header.kind === KIND_NODE_CONTROL && (at >= end || bytes[at] !== CONTROL_ECHO_REQUEST);
    if (isAnswer) return;
    if (!this.notices.take(now)) return counters.add('notice.rate-limited');
    counters.add(`notice.sent.${kind}`);
    const notice: NodeControl = {
      kind,
      droppedKind: header.kind,
      flow: header.flow,
      sequence: header.sequence,
      destination: header.destination,
    };
    this.answer(bestPath(header.source), notice, now);
  }

  private reply(header: DataHeader, request: EchoRequest, now: Instant): void {
    if (!this.replies.take(now)) return this.options.counters.add('echo.rate-limited');
    this.answer(answerPath(header), { ...request, kind: 'echo-reply' }, now);
  }

  private answer(path: FlowPath, message: NodeControl, now: Instant): void {
    const { nextSequence, sendControl } = this.options;
    sendControl(path, nextSequence(), HOP_LIMIT_DEFAULT, encodeNodeControl(message), now);
  }

  private report(
    kind: 'reply' | 'hop-limit-exceeded' | 'unreachable',
    identifier: number,
    asked: PendingEcho,
    from: NodeAddress,
    now: Instant,
  ): void {
    this.pending.delete(identifier);
    this.options.sink.echo(asked.id, { kind, from, rtt: microseconds(now - asked.sentAt) });
  }

  private remember(identifier: number, echo: PendingEcho): void {
    if (this.pending.size >= this.options.limits.echoesMax)
      for (const oldest of this.pending.keys()) {
        this.pending.delete(oldest);
        this.options.counters.add('echo.forgotten');
        break;
      }
    this.pending.set(identifier, echo);
  }
}

const isWithin = (n: number, low: number, high: number): boolean =>
  Number.isInteger(n) && n >= low && n <= high;
