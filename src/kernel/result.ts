/** The outcome of an operation whose failure is ordinary: a value with a reason, never a throw. */
export type Result<T, E = string> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: E };

export const ok = <T>(value: T): { readonly ok: true; readonly value: T } => ({ ok: true, value });
export const fail = <E>(reason: E): { readonly ok: false; readonly reason: E } => ({
  ok: false,
  reason,
});
