/**
 * Traffic that knows what it said. Messages carry who sent them, in which life, in which flow and
 * which number, and bytes that follow from those; streams carry bytes that follow from their number
 * and offset, and the far end answers with as many of its own. What is sent and what arrives goes into
 * the trace, where checkers compare. Flows that a crash broke start again with the node.
 */
import type { Duration, Random } from '../kernel/index.ts';
import { ByteReader, ByteWriter, milliseconds, underlayAddress } from '../kernel/index.ts';
import type { FlowRouting } from '../node/index.ts';
import { STRANGER_PREFIX } from './checkers/index.ts';
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
  readonly routing?: FlowRouting;
}

export interface EchoFlow {
  readonly from: string;
  readonly to: string;
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
export const MESSAGE_BYTES_MIN = 16;

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
    node.listen(TRANSFER_PORT, (stream) =>
      Transfer.serve(this.testbed, this.transfers, node, stream),
    );
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
    const socket = this.sockets.get(message.from);
    if (!node.isRunning || socket === undefined) return;
    const sender = this.testbed.topology.nodes.indexOf(message.from);
    const payload = compose({ ...message, sender, life: node.life });
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
    const read = decompose(payload);
    this.messagesReceived++;
    const sender = this.testbed.topology.nodes[read.sender] ?? '';
    const message = `${read.sender}.${read.life}.${read.flow}.${read.sequence}`;
    const isIntact = read.isIntact && sender === from;
    this.trace(node.name, { kind: 'message-received', message, isIntact, life: node.life });
    if (read.flow === PROBE_FLOW) this.onProbe?.(from, node.name);
  }

  private echo(flow: EchoFlow): void {
    const { from, to } = flow;
    this.testbed.node(from).echo(to, (outcome) => {
      this.trace(from, { kind: 'echo', to, outcome: outcome.kind, rtt: outcome.rtt });
    });
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

/** The flow number of probes. */
const PROBE_FLOW = 0xffff;

/** sender u16, life u16, flow u16, sequence u32, length u32, then bytes that follow from those. */
function compose(m: {
  sender: number;
  life: number;
  flow: number;
  sequence: number;
  bytes: number;
}): Uint8Array {
  const bytes = Math.max(MESSAGE_BYTES_MIN, m.bytes);
  const out = new ByteWriter(bytes).u16(m.sender).u16(m.life).u16(m.flow);
  out.u32(m.sequence).u32(bytes);
  const payload = new Uint8Array(bytes);
  payload.set(out.finish());
  fill(payload, HEADER_BYTES);
  return payload;
}

const HEADER_BYTES = 14;

function decompose(payload: Uint8Array): {
  sender: number;
  life: number;
  flow: number;
  sequence: number;
  isIntact: boolean;
} {
  const reader = new ByteReader(payload);
  const [sender, life, flow] = [reader.u16(), reader.u16(), reader.u16()];
  const sequence = reader.u32();
  const copy = payload.slice();
  fill(copy, HEADER_BYTES);
  const isWhole = reader.u32() === payload.length && reader.ok;
  const isIntact = isWhole && copy.every((byte, i) => byte === payload[i]);
  return { sender, life, flow, sequence, isIntact };
}

function fill(payload: Uint8Array, from: number): void {
  let h = 0;
  for (let i = 0; i < from; i++) h = Math.imul(h ^ payload[i]!, 0x0100_0193) + 1;
  for (let i = from; i < payload.length; i++) payload[i] = h + Math.imul(i, 29) + (i >> 6);
}

const BYTES_LARGE_MAX = 8_000;
const TRANSFER_BYTES_MAX = 400_000;

export function drawWorkload(
  random: Random,
  options: { nodes: readonly string[]; phase: Duration; intensity: number },
): WorkloadPlan {
  const { nodes, phase, intensity } = options;
  const pair = (draw: Random): { from: string; to: string } => {
    const from = draw.pick(nodes);
    const to = draw.pick(nodes.filter((name) => name !== from));
    return { from, to };
  };
  const several = <T>(count: number, label: string, make: (draw: Random) => T): T[] =>
    Array.from({ length: count }, (_, i) => make(random.split(`${label} ${i}`)));
  return {
    messages: several(2 + intensity, 'messages', (draw) => ({
      ...pair(draw),
      start: draw.below(phase / 2) as Duration,
      interval: draw.between(10_000, 200_000) as Duration,
      bytes: draw.chance(0.8) ? draw.between(16, 1_000) : draw.between(1_000, BYTES_LARGE_MAX),
      ...(draw.chance(0.2) ? { routing: { scheme: 'pinned' as const } } : {}),
    })),
    transfers: several(1 + Math.floor(intensity / 2), 'transfers', (draw) => ({
      ...pair(draw),
      start: draw.below(phase * 0.8) as Duration,
      bytes: Math.floor(TRANSFER_BYTES_MAX / 10 ** draw.below(4)),
      replyBytes: Math.floor(TRANSFER_BYTES_MAX / 10 ** draw.below(4)),
    })),
    echoes: several(1 + Math.floor(intensity / 3), 'echoes', (draw) => ({
      ...pair(draw),
      start: draw.below(phase / 2) as Duration,
      interval: draw.between(100_000, 1_000_000) as Duration,
    })),
    strangerInterval: random.split('strangers').chance(0.5) ? milliseconds(40) : milliseconds(0),
  };
}
