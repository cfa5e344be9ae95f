/**
 * Ports of one kind (datagram or stream listener) on a node: 1 .. 65535, ephemeral ones from 49152 up
 * as IANA divides them (RFC 6335). Ephemeral ports are handed out in turn, so that one just closed is
 * not at once somebody else's.
 */
import type { Random } from '../kernel/index.ts';

export const PORT_MAX = 65_535;
export const EPHEMERAL_FIRST = 49_152;

export class PortTable<T> {
  private readonly owners = new Map<number, T>();
  private readonly capacity: number;
  private nextEphemeral: number;

  constructor(options: { capacity: number; random: Random }) {
    this.capacity = options.capacity;
    this.nextEphemeral = options.random.between(EPHEMERAL_FIRST, PORT_MAX);
  }

  get size(): number {
    return this.owners.size;
  }

  owner(port: number): T | undefined {
    return this.owners.get(port);
  }

  /** Finds the port to use: `wanted`, or a free ephemeral one. The caller then `bind`s it. */
  choose(wanted: number | undefined): number | 'port-in-use' | 'limit-reached' | 'bad-argument' {
    if (this.owners.size >= this.capacity) return 'limit-reached';
    if (wanted !== undefined) {
      if (!Number.isInteger(wanted) || wanted < 1 || wanted > PORT_MAX) return 'bad-argument';
      return this.owners.has(wanted) ? 'port-in-use' : wanted;
    }
    for (let tries = EPHEMERAL_FIRST; tries <= PORT_MAX; tries++) {
      const port = this.nextEphemeral;
      this.nextEphemeral = port === PORT_MAX ? EPHEMERAL_FIRST : port + 1;
      if (!this.owners.has(port)) return port;
    }
    return 'limit-reached';
  }

  bind(port: number, owner: T): void {
    this.owners.set(port, owner);
  }

  release(port: number): void {
    this.owners.delete(port);
  }
}
