import { concatBytes } from '../kernel/index.ts';
import type { EnrolAnswerPart, EnrolAnswerText } from '../wire/index.ts';
import { decodeEnrolAnswerText } from '../wire/index.ts';

/** Puts an enrolment answer together from its parts, in any order; copies are ignored. */
export class EnrolAnswerAssembly {
  private pieces: (Uint8Array | undefined)[] = [];
  private missing = 0;

  /** The answer once it is whole; `malformed` when what came together is not one. */
  add(part: EnrolAnswerPart): EnrolAnswerText | 'malformed' | undefined {
    if (this.pieces.length !== part.parts) {
      this.pieces = new Array(part.parts).fill(undefined);
      this.missing = part.parts;
    }
    if (this.pieces[part.part] === undefined) this.missing--;
    this.pieces[part.part] = part.piece;
    if (this.missing > 0) return undefined;
    const text = concatBytes(...this.pieces.map((piece) => piece ?? new Uint8Array(0)));
    this.pieces = [];
    return decodeEnrolAnswerText(text) ?? 'malformed';
  }
}
