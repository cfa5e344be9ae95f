/**
 * TUN interfaces (Linux, root): the kernel hands over IP packets that it routes into one, and takes
 * those written to it as received. Packets are bare: no offload, no header in front.
 */
import { close, constants, openSync, read, writeSync } from 'node:fs';
import { promisify } from 'node:util';

const TUNSETIFF = 0x4004_54ca;
const IFF_TUN_NO_PI = 0x1001;
const IFNAME_BYTES = 16;
const IFREQ_BYTES = 40;
const PACKET_BYTES_MAX = 65_535;

export class Tun {
  /** `onPacket` gets a view that is valid until it returns. */
  static async open(name, onPacket) {
    const { default: koffi } = await import('koffi');
    const ioctl = koffi.load(null).func('int ioctl(int fd, unsigned long request, void *argument)');
    const fd = openSync('/dev/net/tun', constants.O_RDWR);
    const request = Buffer.alloc(IFREQ_BYTES);
    request.write(name, 0, IFNAME_BYTES - 1, 'latin1');
    request.writeUInt16LE(IFF_TUN_NO_PI, IFNAME_BYTES);
    if (ioctl(fd, TUNSETIFF, request) !== 0)
      throw new Error(`TUNSETIFF for ${name} failed: needs root and the tun module`);
    const tun = new Tun(fd);
    tun.reading = tun.readAll(onPacket);
    return tun;
  }

  constructor(fd) {
    this.fd = fd;
    this.isClosed = false;
    this.rejected = 0;
  }

  /** What the interface does not take (it is full, or down) is lost, as on a wire. */
  write(packet) {
    if (this.isClosed) return;
    try {
      writeSync(this.fd, packet);
    } catch {
      this.rejected++;
    }
  }

  /**
   * `remove` deletes the interface, which ends the read that is under way, with one error or another
   * (EBADFD, EFAULT where it was waiting for a packet). The descriptor is given back after it.
   */
  async close(remove) {
    this.isClosed = true;
    remove();
    await this.reading;
    await promisify(close)(this.fd);
  }

  async readAll(onPacket) {
    const packet = Buffer.alloc(PACKET_BYTES_MAX);
    for (;;) {
      const bytes = await new Promise((resolve, reject) => {
        read(this.fd, packet, 0, packet.length, null, (error, count) => {
          if (error === null) resolve(count);
          else if (this.isClosed) resolve(0);
          else reject(error);
        });
      });
      if (bytes === 0) return;
      onPacket(packet.subarray(0, bytes));
    }
  }
}
