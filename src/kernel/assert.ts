/** A broken invariant of ours: the daemon exits and says so, the simulator fails the seed. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** Throws `InvariantError`; for our own bugs only, never for what a peer or a person sent. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}
