/**
 * A member that does not behave: the real link layer of the project on a UDP port of its own, with
 * whatever certificate it is given, and hands on what it sends. Nothing in it checks what it is told
 * to do; whether it gets anywhere is for the daemon under attack to say.
 */
import { Random, readU32, underlayAddress, wallTime } from '../../dist/kernel/index.js';
import { LinkLayer } from '../../dist/link/index.js';
import {
  createMember,
  createNetwork,
  restoreIdentity,
  TrustStore,
} from '../../dist/security/index.js';
import { nodeCrypto, nodeEntropy, systemClock, UdpUnderlay } from '../../dist/underlay/index.js';
import {
  encodeFlood,
  FRAME_FLOOD,
  PACKET_SEALED,
  RECORD_CERTIFICATE,
} from '../../dist/wire/index.js';
import { until } from './bounded.mjs';

const TICK_MS = 5;
const KEPT = 64;

export const crypto = nodeCrypto();
export const entropy = nodeEntropy();

/** A certificate for a new identity, and who it makes of it. `rootSeed` signs. */
export function certify({
  rootSeed,
  networkId,
  name,
  fromMs = Date.now(),
  lifetimeMs = 3_600_000,
}) {
  const wall = wallTime(fromMs * 1_000);
  const network = { rootSeed, networkId };
  const lifetime = lifetimeMs * 1_000;
  const made = createMember({ crypto, entropy, network, name, wall, lifetime });
  if (!made.ok) throw new Error(made.reason);
  const { chain, ...seeds } = made.value.identity;
  return { identity: restoreIdentity({ crypto, ...seeds }), name, chain };
}

/** A network of somebody else. */
export function foreignNetwork() {
  return createNetwork({ crypto, entropy, name: 'other', isLab: true });
}

export const trustOf = ({ rootKeys, manifest }) => new TrustStore({ crypto, rootKeys, manifest });

export class Rogue {
  /** Sealed datagrams as they left, the last ones. */
  sent = [];
  /** Handshake messages as they left, the first ones. */
  handshakes = [];
  refusals = [];
  isUp = false;

  /** `membership`: root keys and manifest to believe in. `target`: `host:port` of the victim. */
  static async open(t, { identity, name, chain, membership, target, epoch = 1 }) {
    const rogue = new Rogue();
    const host = target.slice(0, target.lastIndexOf(':'));
    const port = Number(target.slice(target.lastIndexOf(':') + 1));
    rogue.remote = underlayAddress(host, port);
    rogue.clock = systemClock();
    rogue.underlay = await UdpUnderlay.open({ locals: [{ host, port: 0 }] });
    Object.assign(rogue, { identity, chain, membership });
    rogue.layer = rogue.#layer({ name, chain, membership, epoch });
    rogue.layer.setWallClock(rogue.clock.now(), rogue.clock.wall());
    rogue.underlay.start((batch) => {
      rogue.layer.receive(batch, rogue.clock.now());
      rogue.layer.flush(rogue.clock.now());
    });
    rogue.timer = setInterval(() => {
      rogue.layer.timeout(rogue.clock.now());
      rogue.layer.flush(rogue.clock.now());
    }, TICK_MS);
    t.after(() => rogue.close());
    return rogue;
  }

  async close() {
    clearInterval(this.timer);
    await this.underlay.close();
  }

  get local() {
    return this.underlay.locals[0];
  }

  async linked() {
    await until('the link is up', () => this.isUp);
  }

  /** Sends a routing frame as it is; false when the link does not take it. */
  control(frameType, body) {
    const now = this.clock.now();
    const isTaken = this.layer.sendControl(this.neighbour, frameType, body, now);
    this.layer.flush(now);
    return isTaken;
  }

  /** Lets the network know its certificate, as a member's routing would. */
  announce() {
    const member = trustOf(this.membership).verifyChain(this.chain, this.clock.wall()).value;
    const record = {
      type: RECORD_CERTIFICATE,
      part: 0,
      origin: member.address,
      epoch: Math.floor(member.notBefore / 1e6),
      sequence: readU32(member.serial, 0),
      age: 0,
      body: this.chain,
    };
    return this.control(FRAME_FLOOD, encodeFlood(record));
  }

  #layer({ name, chain, membership, epoch }) {
    const { identity } = this;
    const self = {
      address: identity.address,
      name,
      identityKey: identity.identityPublicKey,
      agreementKey: identity.agreementPublicKey,
      roles: [],
      labels: {},
      notBefore: wallTime(0),
      notAfter: Number.MAX_SAFE_INTEGER,
      serial: new Uint8Array(16),
      chain,
    };
    const options = {
      identity: { ...identity, chain },
      trust: trustOf(membership),
      self,
      epoch,
      crypto,
      entropy,
      random: new Random(readU32(entropy.bytes(4), 0)),
      neighbours: [{ remotes: [this.remote] }],
      sink: this.#sink(),
    };
    return new LinkLayer(options, this.clock.now());
  }

  #sink() {
    const nothing = () => undefined;
    return {
      transmit: (batch) => {
        for (let i = 0; i < batch.count; i++) this.#keep(batch.view(i).slice());
        this.underlay.send(batch);
      },
      data: nothing,
      control: nothing,
      linkUp: (neighbour) => {
        this.neighbour = neighbour;
        this.isUp = true;
      },
      linkDown: (_neighbour, reason) => {
        this.isUp = false;
        this.refusals.push(reason);
      },
      linkMetrics: nothing,
      enrolRequest: nothing,
      refused: (_what, reason) => this.refusals.push(reason),
    };
  }

  #keep(bytes) {
    if (bytes[0] !== PACKET_SEALED) {
      if (this.handshakes.length < KEPT) this.handshakes.push(bytes);
      return;
    }
    this.sent.push(bytes);
    if (this.sent.length > KEPT) this.sent.shift();
  }
}
