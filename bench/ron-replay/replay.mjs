/**
 * The shipped measuring and relay finding of every node of a full mesh, driven through recorded matrices.
 *
 * Shipped code: `helloPace` (how often), `RttEstimator` (what is measured), the hello's and the relay frames' codecs
 * (what it costs), `RelayExchange` (summarising, telling, finding, choosing). The harness has the events: hellos
 * leave at their pace, travel half the recorded round trip of their moment and are lost where the matrix has no
 * figure; a sample is half the figure of the moment its hello left and half that of the moment its echo did; figures
 * and advice take the same way and the same time. Nobody sees a matrix before its time has come.
 */
import { Counters, Random } from '../../dist/kernel/index.js';
import { HELLO_DATAGRAM_BYTES, helloPace } from '../../dist/link/hello-pace.js';
import { RttEstimator } from '../../dist/link/rtt-estimator.js';
import { HELLO_INTERVAL_MIN, PROBING, probingShares } from '../../dist/node/probing.js';
import { RelayExchange } from '../../dist/routing/index.js';
import { SEALED_OVERHEAD_BYTES } from '../../dist/wire/index.js';

const UDP_IP_BYTES = 28;
const FRAME_HEADER_BYTES = 3;
/** Virtual time is cut into slots of this length; the recordings have a resolution of 10 ms. */
const SLOT = 5_000;
const RING = 8192;
/** A hello's figure is dropped when so many intervals, and this, have passed without an echo. */
const SILENT_INTERVALS = 2.5;
const SILENT_EXTRA = 1_000_000;

/** `onInstant(matrix, choose)` is called at drawn moments; `choose(i, j)` is the relay's number or -1. */
export function replay(
  { matrices, matrixUs, budget, instantsPerMatrix, seed = 1, options = {} },
  onInstant,
) {
  const { n } = matrices[0];
  const random = new Random(seed);
  const shares = probingShares(budget);
  const interval = helloPace({
    links: n - 1,
    budget: shares.hellos,
    intervalMin: HELLO_INTERVAL_MIN,
    intervalMax: PROBING.helloIntervalMax,
  });
  const world = new World({
    matrices,
    matrixUs,
    n,
    interval,
    budget: shares.relays,
    random,
    options,
  });
  const instants = drawInstants(matrices.length, matrixUs, instantsPerMatrix, random);
  const choose = (i, j) => {
    const choice = world.nodes[i].relayFor(j + 1);
    return choice === undefined ? -1 : choice.relay - 1;
  };
  for (const at of instants) {
    world.runTo(at);
    onInstant(Math.min(matrices.length - 1, Math.floor(at / matrixUs)), choose);
  }
  world.runTo(matrices.length * matrixUs);
  const seconds = (matrices.length * matrixUs) / 1e6;
  return {
    intervalMs: interval / 1e3,
    roundMs: world.nodes[0].state().round / 1e3,
    bitsPerSecond: (8 * world.bytes) / n / seconds,
    helloBits: (8 * world.helloBytes) / n / seconds,
    counters: world.counters.snapshot?.() ?? {},
  };
}

function drawInstants(count, matrixUs, each, random) {
  const instants = [];
  for (let m = 1; m < count; m++)
    for (let k = 0; k < each; k++)
      instants.push(Math.floor((m + (k + random.fraction()) / each) * matrixUs));
  return instants;
}

class World {
  constructor({ matrices, matrixUs, n, interval, budget, random, options }) {
    Object.assign(this, { matrices, matrixUs, n, interval, random });
    this.now = 0;
    this.bytes = 0;
    this.helloBytes = 0;
    this.slots = Array.from({ length: RING }, () => []);
    this.slot = 0;
    this.estimators = Array.from({ length: n * n }, () => new RttEstimator());
    this.sampleAt = new Float64Array(n * n).fill(-1e12);
    this.told = new Float64Array(n * n).fill(-1);
    // Of the newest hello heard by j from i, at [j * n + i]: when it left and half of its forward figure.
    this.heardSent = new Float64Array(n * n).fill(-1);
    this.heardForth = new Float64Array(n * n);
    this.counters = new Counters();
    const members = Array.from({ length: n }, (_, i) => i + 1);
    this.nodes = members.map((self) => {
      const node = new RelayExchange({
        self,
        random: random.split(`node ${self}`),
        counters: this.counters,
        budget,
        options,
        sendFrame: (to, type, body) => this.sendFrame(self - 1, to - 1, type, body),
      });
      node.setMembers(members, 0);
      this.planRound(self - 1, node);
      return node;
    });
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) if (i !== j) this.at(random.fraction() * interval, i * n + j);
  }

  /** Events: a number is a hello due on that directed link; a function is anything else. */
  at(time, event) {
    const slot = Math.max(this.slot + 1, Math.ceil(time / SLOT));
    if (slot - this.slot >= RING)
      return this.at(this.slot * SLOT + (RING - 1) * SLOT, () => this.at(time, event));
    this.slots[slot % RING].push(event);
  }

  runTo(time) {
    while ((this.slot + 1) * SLOT <= time) {
      this.slot++;
      this.now = this.slot * SLOT;
      const events = this.slots[this.slot % RING];
      for (let k = 0; k < events.length; k++) {
        const event = events[k];
        if (typeof event === 'number') this.hello(event);
        else event();
      }
      events.length = 0;
    }
  }

  figure(link) {
    const m = Math.min(this.matrices.length - 1, Math.floor(this.now / this.matrixUs));
    return this.matrices[m].rtt[link];
  }

  hello(link) {
    const { n } = this;
    const i = Math.floor(link / n);
    const j = link % n;
    this.at(this.now + this.interval * (0.95 + 0.1 * this.random.fraction()), link);
    this.bytes += HELLO_DATAGRAM_BYTES;
    this.helloBytes += HELLO_DATAGRAM_BYTES;
    if (this.now - this.sampleAt[link] > SILENT_INTERVALS * this.interval + SILENT_EXTRA) {
      this.nodes[i].figures(j + 1, undefined, undefined);
      this.sampleAt[link] = -1e12;
    }
    const forth = this.figure(link);
    if (forth === 0) return;
    const back = j * n + i;
    const sent = this.now;
    const measured = this.sampleAt[link] > 0 ? this.estimators[link].latest : -1;
    // What this hello echoes, and the second half of the round trip of the one it echoes.
    const echoForth = this.heardSent[link] < 0 ? 0 : this.heardForth[link];
    const echoBack = echoForth === 0 ? 0 : this.figure(back) / 2;
    this.heardSent[link] = -1;
    this.at(sent + forth / 2, () => {
      this.heardSent[back] = sent;
      this.heardForth[back] = forth / 2;
      this.told[back] = measured;
      if (echoBack > 0) {
        this.estimators[back].sample(echoForth + echoBack, this.now);
        this.sampleAt[back] = this.now;
      }
      if (this.sampleAt[back] > 0) {
        const inward = this.told[back] < 0 ? undefined : this.told[back];
        this.nodes[j].figures(i + 1, this.estimators[back].latest, inward);
      }
    });
  }

  sendFrame(i, j, type, body) {
    this.bytes += UDP_IP_BYTES + SEALED_OVERHEAD_BYTES + FRAME_HEADER_BYTES + body.length;
    const rtt = this.figure(i * this.n + j);
    if (rtt === 0) return true;
    this.at(this.now + rtt / 2, () =>
      this.nodes[j].frame(i + 1, type, body, 0, body.length, this.now),
    );
    return true;
  }

  planRound(i, node) {
    this.at(node.nextTimeout(), () => {
      node.timeout(this.now);
      this.planRound(i, node);
    });
  }
}
