/**
 * Flow labels and their sequence numbers. (epoch, flow, sequence) names a packet for the life of the
 * network and is the nonce of the end-to-end seal, so no pair may come twice in an epoch: a label that
 * is given back keeps its place in the sequence for its next user, and one whose sequence is used up is
 * retired.
 */
export const FLOW_LABEL_MAX = 65_535;
/** Session set-up, echo and notices of the node itself. */
export const CONTROL_FLOW = 0;
const SEQUENCE_MAX = 0xffff_ffff;

export class FlowLabels {
  /** Next sequence number by label; a label is used once it has an entry. */
  private readonly sequences: number[] = [0];
  private readonly free: number[] = [];
  private readonly labelsMax: number;
  private readonly sequenceMax: number;
  retired = 0;

  constructor(options: { labelsMax?: number; sequenceMax?: number } = {}) {
    this.labelsMax = options.labelsMax ?? FLOW_LABEL_MAX;
    this.sequenceMax = options.sequenceMax ?? SEQUENCE_MAX;
  }

  /** Undefined when every label is taken or retired. */
  allocate(): number | undefined {
    // New labels first: a label's old packets should be long gone before it is used again.
    if (this.sequences.length <= Math.min(this.labelsMax, 1024)) return this.fresh();
    const label = this.free.shift();
    if (label !== undefined) return label;
    return this.sequences.length <= this.labelsMax ? this.fresh() : undefined;
  }

  release(label: number): void {
    if (label !== CONTROL_FLOW && !this.isExhausted(label)) this.free.push(label);
  }

  isExhausted(label: number): boolean {
    return this.sequences[label]! > this.sequenceMax;
  }

  /** Takes the next number of a label that is not exhausted. */
  nextSequence(label: number): number {
    const sequence = this.sequences[label]!;
    this.sequences[label] = sequence + 1;
    if (sequence === this.sequenceMax) this.retired++;
    return sequence;
  }

  private fresh(): number {
    this.sequences.push(0);
    return this.sequences.length - 1;
  }
}
