/**
 * One object for each remote address heard from, so that the packet path compares by identity and
 * allocates nothing. Bounded, because anybody can send from any address: past the bound the oldest
 * entry goes, which costs only that its next datagram makes a new object.
 */
import { type UnderlayAddress, underlayAddress } from '../kernel/index.ts';

export class AddressCache {
  private readonly entries = new Map<string, UnderlayAddress>();
  private readonly capacity: number;
  private last: UnderlayAddress | undefined;
  /** Entries pushed out since the start. */
  evictions = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get size(): number {
    return this.entries.size;
  }

  intern(host: string, port: number): UnderlayAddress {
    const last = this.last;
    if (last !== undefined && last.port === port && last.host === host) return last;
    const key = `${port} ${host}`;
    let address = this.entries.get(key);
    if (address === undefined) {
      address = underlayAddress(host, port);
      if (this.entries.size >= this.capacity) this.evict();
      this.entries.set(key, address);
    }
    this.last = address;
    return address;
  }

  private evict(): void {
    const oldest = this.entries.keys().next();
    if (oldest.done === true) return;
    this.entries.delete(oldest.value);
    this.evictions++;
  }
}
