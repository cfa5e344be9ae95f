/**
 * One multicast group of the local network, for datagrams that introduce neighbours. Bound to the group's
 * own address where the system allows it, so that a datagram sent to this host alone is not taken for one
 * to the group; sent with a time to live of 1, so that none leaves the network it is sent on.
 */
import type { Socket } from 'node:dgram';
import { createSocket } from 'node:dgram';

export interface MulticastGroupOptions {
  /** IPv4. */
  readonly group: string;
  readonly port: number;
  /** IPv4 address of the interface; the system chooses when absent. */
  readonly interface: string | undefined;
  /** `host`: the IPv4 address it came from. */
  readonly receive: (bytes: Uint8Array, host: string) => void;
  /** The socket is of no more use. */
  readonly failed: (reason: string) => void;
}

export class MulticastGroup {
  private readonly socket: Socket;
  private readonly options: MulticastGroupOptions;
  private isClosed = false;

  constructor(options: MulticastGroupOptions) {
    this.options = options;
    this.socket = createSocket({ type: 'udp4', reuseAddr: true });
    this.socket.on('error', (error) => this.fail(error));
    this.socket.on('message', (bytes, { address }) => options.receive(bytes, address));
    const address = process.platform === 'win32' ? '0.0.0.0' : options.group;
    this.socket.bind({ address, port: options.port, exclusive: false }, () => this.join());
    this.socket.unref();
  }

  send(bytes: Uint8Array): void {
    if (this.isClosed) return;
    const { port, group } = this.options;
    this.socket.send(bytes, port, group, (error) => {
      if (error !== null) this.fail(error);
    });
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.socket.close();
  }

  private join(): void {
    const { group, interface: chosen } = this.options;
    if (this.isClosed) return;
    try {
      this.socket.addMembership(group, chosen);
      if (chosen !== undefined) this.socket.setMulticastInterface(chosen);
      this.socket.setMulticastTTL(1);
    } catch (error) {
      this.fail(error as Error);
    }
  }

  private fail(error: Error): void {
    if (this.isClosed) return;
    this.close();
    this.options.failed((error as NodeJS.ErrnoException).code ?? error.message);
  }
}
