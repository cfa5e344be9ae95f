/**
 * Time as a parameter. Nothing in a pure room asks what time it is: the driver says so with every
 * input. An `Instant` is a monotonic count of microseconds from an origin that only its own node
 * knows; two nodes' instants are never compared. A `WallTime` is microseconds since the Unix epoch
 * and is used only where people's clocks matter: validity of certificates and tokens.
 */

declare const instantBrand: unique symbol;
declare const durationBrand: unique symbol;
declare const wallBrand: unique symbol;

/** Integer microseconds on one node's monotonic clock. */
export type Instant = number & { readonly [instantBrand]: true };
/** Integer microseconds between two instants. */
export type Duration = number & { readonly [durationBrand]: true };
/** Integer microseconds since 1970-01-01T00:00:00Z. */
export type WallTime = number & { readonly [wallBrand]: true };

export const instant = (microseconds: number): Instant => Math.round(microseconds) as Instant;
export const wallTime = (microseconds: number): WallTime => Math.round(microseconds) as WallTime;
export const microseconds = (n: number): Duration => Math.round(n) as Duration;
export const milliseconds = (n: number): Duration => Math.round(n * 1_000) as Duration;
export const seconds = (n: number): Duration => Math.round(n * 1_000_000) as Duration;

export const later = (from: Instant, by: Duration): Instant => (from + by) as Instant;
/** How long from `start` to `end`; negative when `end` comes first. */
export const between = (start: Instant, end: Instant): Duration => (end - start) as Duration;
export const inMilliseconds = (d: Duration): number => d / 1_000;
export const inSeconds = (d: Duration): number => d / 1_000_000;
export const wallLater = (from: WallTime, by: Duration): WallTime => (from + by) as WallTime;

/** The sooner of two optional instants: how a parent core reports its children's next timeout. */
export function soonest(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return a < b ? a : b;
}
