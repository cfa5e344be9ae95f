/**
 * Just enough of MPEG transport streams (ISO/IEC 13818-1, section 2.4.3) to see what a network did
 * to one: the continuity counter of every PID, and the places where a decoder can begin.
 *
 *    0               1               2               3
 *   +---------------+---------------+---------------+---------------+
 *   | sync 0x47     |e|u|p|   PID (13)              |scr|afc| counter|
 *   +---------------+---------------+---------------+---------------+
 *   | afc bit 1: adaptation field: length, then flags: bit 7 discontinuity, bit 6 random access
 *
 * The counter rises by one with every packet that has a payload (afc bit 0). One repetition of a
 * packet is allowed; after a discontinuity flag any value is.
 */
export const TS_PACKET_BYTES = 188;
const SYNC = 0x47;
const PID_NULL = 0x1fff;
const PID_PROGRAMMES = 0;
/** Where ffmpeg puts the programme map unless told otherwise. */
const PID_PROGRAMME_MAP = 0x1000;

export class TransportStreamRecorder {
  packets = 0;
  datagrams = 0;
  malformed = 0;
  /** { pid, expected, got, fromMs, toMs }: between which arrivals something was amiss. */
  continuityErrors = [];
  /** { pid, packet, atMs }: packets, counted from 0, where a decoder of that PID can begin. */
  entries = [];
  #counters = new Map();
  /** The first packet with each table that a decoder needs before anything else. */
  #tables = new Map();

  #chunks = [];

  push(datagram, atMs) {
    this.datagrams++;
    if (datagram.length % TS_PACKET_BYTES !== 0) {
      this.malformed++;
      return;
    }
    this.#chunks.push(datagram);
    for (let at = 0; at < datagram.length; at += TS_PACKET_BYTES)
      this.#packet(datagram.subarray(at, at + TS_PACKET_BYTES), atMs);
  }

  /** Everything that came, in the order in which it came. */
  recording() {
    return Buffer.concat(this.#chunks);
  }

  /** Packets `from` to `to`, the second not included, behind the tables that a decoder needs. */
  excerpt(from, to) {
    const packets = this.recording().subarray(from * TS_PACKET_BYTES, to * TS_PACKET_BYTES);
    return Buffer.concat([...this.#tables.values(), packets]);
  }

  #packet(packet, atMs) {
    const number = this.packets++;
    if (packet[0] !== SYNC) {
      this.malformed++;
      return;
    }
    const pid = ((packet[1] & 0x1f) << 8) | packet[2];
    if ((pid === PID_PROGRAMMES || pid === PID_PROGRAMME_MAP) && !this.#tables.has(pid))
      this.#tables.set(pid, Buffer.from(packet));
    const hasPayload = (packet[3] & 0x10) !== 0;
    const flags = (packet[3] & 0x20) !== 0 && packet[4] > 0 ? packet[5] : 0;
    if ((flags & 0x40) !== 0) this.entries.push({ pid, packet: number, atMs });
    if (pid === PID_NULL || !hasPayload) return;
    const got = packet[3] & 0x0f;
    const last = this.#counters.get(pid);
    this.#counters.set(pid, { got, atMs });
    if (last === undefined || (flags & 0x80) !== 0 || got === last.got) return;
    const expected = (last.got + 1) & 0x0f;
    if (got !== expected)
      this.continuityErrors.push({ pid, expected, got, fromMs: last.atMs, toMs: atMs });
  }
}
