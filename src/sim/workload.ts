/**
 * Traffic that knows what it said. Messages carry who sent them, in which life, in which flow and
 * which number, and bytes that follow from those; streams carry bytes that follow from their number
 * and offset, and the far end answers with as many of its own. What is sent and what arrives goes into
 * the trace, where checkers compare. Flows that a crash broke start again with the node.
 */
import type { Duration, Random } from '../kernel/index.ts';
import { underlayAddress } from '../kernel/index.ts';
import type { EchoOutcome, FlowRouting } from '../node/index.ts';
import { STRANGER_PREFIX } from './checkers/index.ts';
import { composeMessage, readMessage } from './message.ts';
import type { Testbed } from './testbed.ts';
import type { TestbedNode, TestbedSocket } from './testbed-node.ts';
import type { TransferPlan } from './transfer.ts';
import { TRANSFER_PORT, Transfer } from './transfer.ts';

export interface MessageFlow {
  readonly from: string;
  readonly to: string;
  readonly start: Duration;
  readonly interval: Duration;
  readonly bytes: number;
  /** Default: the best route at each moment. */
  readonly routing?: MessageRouting;
}

/** `wander`: an explicit route, drawn among the links, that need not be short. */
export type MessageRouting = 'pinned' | { readonly wander: readonly string[] };

export interface EchoFlow {
  readonly from: string;
  readonly to: string;
  readonly hopLimit?: number;
  readonly start: Duration;
  readonly interval: Duration;
}

export interface WorkloadPlan {
  readonly messages: readonly MessageFlow[];
  readonly transfers: readonly TransferPlan[];
  readonly echoes: readonly EchoFlow[];
  /** Garbage and overheard datagrams from addresses that belong to nobody, this often; 0: none. */
  readonly strangerInterval: Duration;
}

const MESSAGE_PORT = 5_000;
/** The flow number of probes. */
const PROBE_FLOW = 0xffff;

export class Workload {
  private readonly testbed: Testbed;
  private readonly plan: WorkloadPlan;
  private readonly random: Random;
  private readonly sockets = new Map<string, TestbedSocket>();
  readonly transfers: Transfer[];
  private isOn = true;
  messagesSent = 0;
  messagesReceived = 0;
  private onProbe: ((from: string, to: string) => void) | undefined;
  private probes = 0;

  constructor(testbed: Testbed, plan: WorkloadPlan) {
    this.testbed = testbed;
    this.plan = plan;
    this.random = testbed.random.split('workload');
    this.transfers = plan.transfers.map((transfer, i) => new Transfer(testbed, transfer, i));
  }

  start(): void {
    const { testbed, plan } = this;
    for (const node of testbed.nodes) node.onStart(() => this.setUp(node));
    plan.messages.forEach((flow, i) => {
      this.repeat(flow, (n) => this.send({ ...flow, flow: i, sequence: n }));
    });
    for (const flow of plan.echoes) this.repeat(flow, () => this.echo(flow));
    for (const transfer of this.transfers) transfer.start();
    if (plan.strangerInterval > 0) this.annoy(plan.strangerInterval);
  }

  /** No new messages; transfers that have begun go on. */
  stop(): void {
    this.isOn = false;
  }

  /** One message outside the plan; `onArrival` hears of every such message that arrives. */
  probe(from: string, to: string, onArrival: (from: string, to: string) => void): void {
    this.onProbe = onArrival;
    this.send({ from, to, bytes: 64, flow: PROBE_FLOW, sequence: this.probes++ });
  }

  private setUp(node: TestbedNode): void {
    const socket = node.tryBind({
      port: MESSAGE_PORT,
      onMessage: (message) => this.receive(node, message.payload, message.from),
    });
    if (socket.ok) this.sockets.set(node.name, socket.value);
    this.plan.messages.forEach(({ from, routing }, i) => {
      if (from !== node.name || routing === undefined) return;
      const own = node.tryBind({ routing: this.routingOf(routing) });
      if (own.ok) this.sockets.set(`${from} ${i}`, own.value);
    });
    node.listen(TRANSFER_PORT, (stream) =>
      Transfer.serve(this.testbed, this.transfers, node, stream),
    );
  }

  private routingOf(routing: MessageRouting): FlowRouting {
    if (routing === 'pinned') return { scheme: 'pinned' };
    const route = routing.wander.map((name) => this.testbed.addressOf(name));
    return { scheme: 'explicit', route };
  }

  private repeat(flow: { start: Duration; interval: Duration }, run: (n: number) => void): void {
    let n = 0;
    this.testbed.after(flow.start, () =>
      this.testbed.every(flow.interval, () => {
        if (this.isOn) run(n++);
        return this.isOn;
      }),
    );
  }

  private send(message: {
    from: string;
    to: string;
    bytes: number;
    flow: number;
    sequence: number;
  }): void {
    const node = this.testbed.node(message.from);
    const { from } = message;
    const socket = this.sockets.get(`${from} ${message.flow}`) ?? this.sockets.get(from);
    if (!node.isRunning || socket === undefined) return;
    const sender = this.testbed.topology.nodes.indexOf(message.from);
    const payload = composeMessage({ ...message, sender, life: node.life });
    const id = `${sender}.${node.life}.${message.flow}.${message.sequence}`;
    // Before the call: with a link of no latency it could arrive within it.
    this.trace(node.name, {
      kind: 'message-sent',
      message: id,
      to: message.to,
      outcome: 'offered',
    });
    const outcome = socket.send(payload, { to: message.to, port: MESSAGE_PORT });
    if (outcome === 'sent' || outcome === 'queued') this.messagesSent++;
  }

  private receive(node: TestbedNode, payload: Uint8Array, from: string): void {
    const read = readMessage(payload);
    this.messagesReceived++;
    const sender = this.testbed.topology.nodes[read.sender] ?? '';
    const message = `${read.sender}.${read.life}.${read.flow}.${read.sequence}`;
    const isIntact = read.isIntact && sender === from;
    this.trace(node.name, { kind: 'message-received', message, isIntact, life: node.life });
    if (read.flow === PROBE_FLOW) this.onProbe?.(from, node.name);
  }

  private echo(flow: EchoFlow): void {
    const { from, to, hopLimit } = flow;
    const onOutcome = (outcome: EchoOutcome): void =>
      this.trace(from, { kind: 'echo', to, outcome: outcome.kind, rtt: outcome.rtt });
    this.testbed.node(from).echo(to, onOutcome, hopLimit === undefined ? {} : { hopLimit });
  }

  /** Strangers send noise that looks like ours, and what they have overheard. */
  private annoy(interval: Duration): void {
    const { testbed } = this;
    const random = this.random.split('strangers');
    testbed.network.isOverheard = true;
    testbed.every(interval, () => {
      const overheard = testbed.network.overheard;
      const isOld = overheard.length > 0 && random.chance(0.5);
      const bytes = isOld ? random.pick(overheard).slice() : random.bytes(random.between(1, 1_400));
      if (!isOld) bytes[0] = 0x10 | random.between(1, 6);
      else if (random.chance(0.3)) bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
      const remote = underlayAddress(STRANGER_PREFIX + random.between(1, 20), random.between(1, 5));
      testbed.network.inject(random.pick(testbed.topology.nodes), remote, bytes);
      return this.isOn;
    });
  }

  private trace(node: string, event: WorkloadEvent): void {
    this.testbed.trace.record({ at: this.testbed.now, node, ...event });
  }
}

type WorkloadEvent =
  | { kind: 'message-sent'; message: string; to: string; outcome: string }
  | { kind: 'message-received'; message: string; isIntact: boolean; life: number }
  | { kind: 'echo'; to: string; outcome: string; rtt: number };
