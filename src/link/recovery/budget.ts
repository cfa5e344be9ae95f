/**
 * Bytes that may be spent on repairs: a share of the bytes protected, and a burst to begin with. What is
 * lost beyond it stays lost; a link that loses that much is not helped by more load.
 */
export class RepairBudget {
  private readonly share: number;
  private readonly most: number;
  private left: number;

  constructor(options: { share: number; burstBytes: number }) {
    this.share = options.share;
    this.most = options.burstBytes;
    this.left = options.burstBytes;
  }

  earn(bytes: number): void {
    this.left = Math.min(this.most, this.left + this.share * bytes);
  }

  /** False, and nothing taken, when there is not so much. */
  spend(bytes: number): boolean {
    if (bytes > this.left) return false;
    this.left -= bytes;
    return true;
  }
}
