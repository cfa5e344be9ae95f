/**
 * Numbers on the wire that several rooms share. Append-only.
 *
 * A datagram's first byte is version (high nibble, 1) and packet type (low nibble).
 *
 *   0x11 handshake message 1    0x12 handshake message 2    0x13 handshake message 3
 *   0x14 cookie reply           0x15 sealed packet
 *
 * A sealed packet's plaintext is a run of frames. A control frame is type (u8), length (u16), body;
 * a data frame is type (u8) and everything up to the end of the packet. Padding (type 0) ends the run.
 */
export const PACKET_HANDSHAKE_1 = 0x11;
export const PACKET_HANDSHAKE_2 = 0x12;
export const PACKET_HANDSHAKE_3 = 0x13;
export const PACKET_COOKIE = 0x14;
export const PACKET_SEALED = 0x15;

export const FRAME_PADDING = 0x00;
export const FRAME_HELLO = 0x01;
/** Link-state and membership records on their way through the network (`routing/`). */
export const FRAME_FLOOD = 0x02;
export const FRAME_FLOOD_ACK = 0x03;
export const FRAME_SYNC = 0x04;
/** The neighbour leaves in good order: no need to wait for the failure detector. */
export const FRAME_GOODBYE = 0x05;
export const FRAME_ENROL_REQUEST = 0x06;
export const FRAME_ENROL_ANSWER = 0x07;
export const FRAME_MTU_PROBE = 0x08;
export const FRAME_MTU_ACK = 0x09;
/** Trains that measure what a path carries, and what came of them. */
export const FRAME_TRAIN = 0x0a;
export const FRAME_TRAIN_REPORT = 0x0b;
/** Fresh round-trip times of a big mesh, and relays found by them (`routing/relays/`). */
export const FRAME_RELAY_FIGURES = 0x18;
export const FRAME_RELAY_ADVICE = 0x19;
/** Samples of the performance database, to a node that shares it. */
export const FRAME_PERFORMANCE = 0x1a;
export const FRAME_DATA = 0x10;
/** Recovery of lost data frames on a link: 0x20 .. 0x27, see recovery-frames.ts. */
export const FRAME_REPAIR_REQUEST = 0x20;
export const FRAME_REPAIR_DECLINE = 0x21;
export const FRAME_REPAIR = 0x22;
/** Acknowledges packets with frames that must not be lost (`link/reliable/`). */
export const FRAME_RELIABLE_ACK = 0x28;
/** Packets of floods that a node has (`forwarding/`). */
export const FRAME_HAVE = 0x30;
/** What has arrived at its destination, signed by it (`node/deliveries.ts`). */
export const FRAME_DELIVERED = 0x31;
export const FRAME_PARITY = 0x23;

/** Bytes of type and length in front of a control frame's body. */
export const CONTROL_FRAME_HEADER_BYTES = 3;
