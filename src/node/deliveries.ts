/**
 * Acknowledgements end to end of one node, for packets that must not be lost and that their source has put
 * on certain links: it keeps what it sends until the destination has signed that it came
 * (`forwarding/unacknowledged.ts`), signs what comes to itself (`forwarding/arrivals.ts`), and passes on what
 * others signed, once, to every neighbour: whoever still keeps copies lets them go.
 *
 * Whose word counts: a destination's, about packets to itself, that is new. A signature costs some 120 us
 * to check, so each destination may say so much in a second, and a neighbour that brings forgeries is not
 * listened to for a while.
 *
 * Counters, under `forwarding.`: `delivered.signed`, `.passed-on`, `.malformed`, `.not-a-member`,
 * `.rate-limited`, `.bad-signature`; `dropped.unacknowledged`, `not-kept`.
 */
import type { EndToEndPath, FairOutlet } from '../forwarding/index.ts';
import { Arrivals, DeliveredFlows, DuplicateWindow, Unacknowledged } from '../forwarding/index.ts';
import type { Counters, Crypto, Instant, NodeAddress, Signer } from '../kernel/index.ts';
import { TokenBucket } from '../kernel/index.ts';
import type { Member } from '../security/index.ts';
import type { DataHeader, Delivered, DeliveredFlow } from '../wire/index.ts';
import {
  decodeDelivered,
  deliveredSigningInput,
  encodeDelivered,
  FRAME_DELIVERED,
  FRAME_HAVE,
  RECOVERY_FAIR_RELIABLE,
  SIGNATURE_BYTES,
} from '../wire/index.ts';
import type { NodeOptions } from './contract.ts';

const PER_DESTINATION = { perSecond: 40, burst: 40 };
const NUMBERS_BITS = 128;
const FORGERIES = { perSecond: 2, burst: 10 };

export interface DeliveriesParts {
  readonly self: NodeAddress;
  readonly networkId: Uint8Array;
  readonly counters: Counters;
  readonly memberAt: (address: NodeAddress) => Member | undefined;
  readonly outlet: FairOutlet;
  readonly repeat: (frame: Uint8Array, lap: number, now: Instant) => void;
  readonly drained: () => void;
}

interface OwnFlow {
  readonly destination: NodeAddress;
  readonly flow: number;
  readonly service: { readonly recovery: number };
}

interface Destination {
  epoch: number;
  /** Those heard: two of one moment may come in either order. */
  readonly numbers: DuplicateWindow;
  readonly rate: TokenBucket;
}

export class NodeDeliveries implements EndToEndPath {
  readonly unacknowledged: Unacknowledged;
  private readonly options: DeliveriesParts;
  private readonly epoch: number;
  private readonly crypto: Crypto;
  private readonly signer: Signer;
  private readonly arrivals = new Arrivals();
  private readonly delivered = new DeliveredFlows();
  /** Members only: bounded with them. */
  private readonly destinations = new Map<NodeAddress, Destination>();
  private readonly forgeries = new Map<NodeAddress, TokenBucket>();
  private nextNumber = 0;

  constructor({ epoch, crypto, identity }: NodeOptions, options: DeliveriesParts) {
    this.options = options;
    this.epoch = epoch;
    this.crypto = crypto;
    this.signer = crypto.signer(identity.signingSeed);
    const { counters } = options;
    this.unacknowledged = new Unacknowledged({
      repeat: (frame, lap, now) => {
        counters.add('packets-repeated');
        options.repeat(frame, lap, now);
      },
      expired: () => counters.add('dropped.unacknowledged'),
      unkept: () => counters.add('not-kept'),
      drained: () => options.drained(),
    });
  }

  sent(header: Readonly<DataHeader>, head: Uint8Array, payload: Uint8Array, now: Instant): void {
    this.unacknowledged.keep(header, head, payload, now);
  }

  arrived(header: Readonly<DataHeader>, window: DuplicateWindow, now: Instant): void {
    this.arrivals.arrived(header, window, now);
  }

  hasArrived(header: Readonly<DataHeader>): boolean {
    return this.delivered.has(header);
  }

  /** Whether an own flow is to wait: for its pair's window, where it has one. */
  isFull(packet: OwnFlow, now: Instant): boolean {
    const { self, outlet } = this.options;
    const { recovery } = packet.service;
    const { destination, flow } = packet;
    if (destination === self) return false;
    if (recovery === RECOVERY_FAIR_RELIABLE && this.unacknowledged.tracks(destination, flow))
      return this.unacknowledged.isFull(destination, flow);
    return outlet.isFull(self, packet, recovery, now);
  }

  /** A control frame of a neighbour; false: it is not about copies or their arrival. */
  frame(
    from: NodeAddress,
    type: number,
    slab: Uint8Array,
    at: number,
    end: number,
    now: Instant,
  ): boolean {
    if (type === FRAME_HAVE) this.options.outlet.receiveHave(from, slab, at, end, now);
    else if (type === FRAME_DELIVERED) this.receive(from, slab.slice(at, end), now);
    else return false;
    return true;
  }

  nextTimeout(): Instant | undefined {
    const next = Math.min(this.arrivals.nextTimeout(), this.unacknowledged.nextTimeout());
    return next < Number.POSITIVE_INFINITY ? (Math.ceil(next) as Instant) : undefined;
  }

  timeout(now: Instant): void {
    const flows = this.arrivals.take(now);
    if (flows !== undefined) this.say(flows, now);
    this.unacknowledged.timeout(now);
  }

  /** A neighbour brings what a destination has signed. */
  private receive(from: NodeAddress, body: Uint8Array, now: Instant): void {
    const { options } = this;
    const { counters, networkId } = options;
    const signed = decodeDelivered(body);
    if (signed === undefined) return counters.add('delivered.malformed');
    const { delivered, content, signature } = signed;
    const { destination } = delivered;
    const member = options.memberAt(destination);
    if (destination === options.self || this.isOld(delivered)) return;
    if (member === undefined) return counters.add('delivered.not-a-member');
    const known = this.of(destination);
    const forgeries = this.forgeriesOf(from);
    if (known.rate.availableAt() > now || forgeries.availableAt() > now)
      return counters.add('delivered.rate-limited');
    if (
      !this.crypto.verify(member.identityKey, deliveredSigningInput(networkId, content), signature)
    ) {
      forgeries.take(now);
      return counters.add('delivered.bad-signature');
    }
    known.rate.take(now);
    if (delivered.epoch !== known.epoch) known.numbers.reset();
    known.epoch = delivered.epoch;
    if (!known.numbers.admit(delivered.number)) return;
    this.apply(delivered, now);
    counters.add('delivered.passed-on');
    options.outlet.tellAll(FRAME_DELIVERED, body, from, now);
  }

  /** Signs what has come here and tells every neighbour. */
  private say(flows: readonly DeliveredFlow[], now: Instant): void {
    const { epoch, signer } = this;
    const { self: destination, networkId, counters, outlet } = this.options;
    const content = encodeDelivered({ destination, epoch, number: this.nextNumber++, flows });
    const body = new Uint8Array(content.length + SIGNATURE_BYTES);
    body.set(content);
    body.set(signer.sign(deliveredSigningInput(networkId, content)), content.length);
    counters.add('delivered.signed');
    outlet.tellAll(FRAME_DELIVERED, body, 0, now);
  }

  private isOld({ destination, epoch, number }: Delivered): boolean {
    const known = this.destinations.get(destination);
    if (known === undefined || epoch > known.epoch) return false;
    return epoch < known.epoch || known.numbers.has(number);
  }

  private apply({ destination, flows }: Delivered, now: Instant): void {
    const { epoch } = this;
    const { self, outlet } = this.options;
    for (const flow of flows) {
      if (flow.source === self && flow.epoch === epoch)
        this.unacknowledged.acknowledged(destination, flow, now);
      this.delivered.learn(destination, flow);
      outlet.delivered(destination, flow, now);
    }
  }

  private of(address: NodeAddress): Destination {
    const known = this.destinations.get(address);
    if (known !== undefined) return known;
    const numbers = new DuplicateWindow(NUMBERS_BITS);
    const made = { epoch: -1, numbers, rate: new TokenBucket(PER_DESTINATION) };
    this.destinations.set(address, made);
    return made;
  }

  private forgeriesOf(neighbour: NodeAddress): TokenBucket {
    const known = this.forgeries.get(neighbour);
    if (known !== undefined) return known;
    const made = new TokenBucket(FORGERIES);
    this.forgeries.set(neighbour, made);
    return made;
  }
}
