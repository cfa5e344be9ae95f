/**
 * What is remembered of each packet that was sent and is to be acknowledged: a ring of typed arrays by
 * packet number, so that thousands in flight cost no objects. Numbers run without gaps. `oldest` is the
 * oldest remembered, `firstUnresolved` the oldest neither acknowledged nor given up; both only rise.
 */
export const PACKET_IN_FLIGHT = 1;
export const PACKET_ACKED = 2;
export const PACKET_LOST = 3;

export const PACKET_APP_LIMITED = 1;
export const PACKET_CARRIES_FIN = 2;

const CAPACITY_MIN = 256;

export class SentPackets {
  /** First byte and number of stream bytes carried. */
  offset: Float64Array = new Float64Array(CAPACITY_MIN);
  length: Uint32Array = new Uint32Array(CAPACITY_MIN);
  /** Bytes counted as in flight. */
  size: Uint32Array = new Uint32Array(CAPACITY_MIN);
  sentAt: Float64Array = new Float64Array(CAPACITY_MIN);
  /** State of the rate sampler when it was sent. */
  delivered: Float64Array = new Float64Array(CAPACITY_MIN);
  deliveredAt: Float64Array = new Float64Array(CAPACITY_MIN);
  firstSentAt: Float64Array = new Float64Array(CAPACITY_MIN);
  state: Uint8Array = new Uint8Array(CAPACITY_MIN);
  flags: Uint8Array = new Uint8Array(CAPACITY_MIN);

  oldest = 0;
  firstUnresolved = 0;
  next = 0;
  private mask = CAPACITY_MIN - 1;
  private readonly capacityMax: number;

  constructor(capacityMax: number) {
    this.capacityMax = capacityMax;
  }

  get isFull(): boolean {
    return this.next - this.oldest >= this.capacityMax;
  }

  /** Index into the arrays; only for `oldest` <= number < `next`. */
  slot(number: number): number {
    return number % (this.mask + 1);
  }

  isRemembered(number: number): boolean {
    return number >= this.oldest && number < this.next;
  }

  /** Takes the next number; the caller fills its slot. */
  push(): number {
    if (this.next - this.oldest > this.mask) this.grow();
    const number = this.next++;
    const slot = this.slot(number);
    this.state[slot] = PACKET_IN_FLIGHT;
    this.flags[slot] = 0;
    return number;
  }

  /** Steps over resolved packets and returns the oldest that is not, or `next`. */
  advance(): number {
    let n = this.firstUnresolved;
    while (n < this.next && this.state[this.slot(n)] !== PACKET_IN_FLIGHT) n++;
    this.firstUnresolved = n;
    return n;
  }

  /**
   * Forgets resolved packets sent before `horizon`: an acknowledgement that late says nothing any more.
   * When the ring is at its bound the oldest resolved ones go whatever their age.
   */
  forget(horizon: number): void {
    const unresolved = this.advance();
    const floor = this.next - this.capacityMax / 2;
    while (
      this.oldest < unresolved &&
      (this.oldest < floor ||
        this.state[this.slot(this.oldest)] === PACKET_ACKED ||
        this.sentAt[this.slot(this.oldest)]! < horizon)
    )
      this.oldest++;
  }

  private grow(): void {
    const capacity = (this.mask + 1) * 2;
    const move = <A extends Float64Array | Uint32Array | Uint8Array>(from: A, to: A): A => {
      for (let n = this.oldest; n < this.next; n++) to[n % capacity] = from[this.slot(n)]!;
      return to;
    };
    this.offset = move(this.offset, new Float64Array(capacity));
    this.length = move(this.length, new Uint32Array(capacity));
    this.size = move(this.size, new Uint32Array(capacity));
    this.sentAt = move(this.sentAt, new Float64Array(capacity));
    this.delivered = move(this.delivered, new Float64Array(capacity));
    this.deliveredAt = move(this.deliveredAt, new Float64Array(capacity));
    this.firstSentAt = move(this.firstSentAt, new Float64Array(capacity));
    this.state = move(this.state, new Uint8Array(capacity));
    this.flags = move(this.flags, new Uint8Array(capacity));
    this.mask = capacity - 1;
  }
}
