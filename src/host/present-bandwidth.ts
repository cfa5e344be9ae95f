/** What links carry and what of it is reserved, as people and programs outside read it. */
import { formatRate } from '../kernel/index.ts';
import type * as core from '../node/index.ts';
import type * as api from './api.ts';
import type { NameOf } from './present.ts';

export function presentBandwidth(
  { links, reservations, granted }: NonNullable<core.NodeStatus['bandwidth']>,
  nameOf: NameOf,
): Pick<api.NodeStatus, 'bandwidth' | 'reservations' | 'reserved'> {
  return {
    bandwidth: links.map((link) => ({
      neighbour: nameOf(link.neighbour),
      capacityBitsPerSecond: link.capacity,
      capacityFrom: link.source,
      usedBitsPerSecond: link.used,
      usedInBitsPerSecond: link.usedIn,
      reservedBitsPerSecond: link.reserved,
      reservableBitsPerSecond: link.reservable,
      refusedReservations: link.refused,
      availableBitsPerSecond: link.available,
    })),
    reservations: reservations.map((one) => presentFlowReservation(one, nameOf)),
    reserved: granted.map(({ source, neighbour, rate }) => ({
      member: nameOf(source),
      neighbour: nameOf(neighbour),
      bitsPerSecond: rate,
    })),
  };
}

/** The rate of one flow of this node, and the links it is reserved on. */
export const presentFlowReservation = (
  { destination, rate, state, short, links }: core.FlowReservation,
  nameOf: NameOf,
): api.ReservationStatus => ({
  destination: nameOf(destination),
  bitsPerSecond: rate,
  state,
  links: links.map(({ isHeld, ...link }) => ({ link: linkName(link, nameOf), isHeld })),
  reason: short === undefined ? undefined : shortWords(short, rate, nameOf),
});

export const presentReservation = (
  { destination, rate, state, short }: core.ReservationNews,
  nameOf: NameOf,
): Omit<api.ReservationEvent, 'at'> => ({
  kind: 'reservation',
  destination: nameOf(destination),
  bitsPerSecond: rate,
  state,
  reason: short === undefined ? undefined : shortWords(short, rate, nameOf),
});

/** Why a rate is not to be had, with the link that is short and what is; and how many ways were asked. */
export function shortWords(short: core.ShortLink, rate: number, nameOf: NameOf): string {
  const words = linkWords(short, rate, nameOf);
  return short.ways === 1 ? words : `${words}; none of ${short.ways} ways has more`;
}

function linkWords(short: core.ShortLink, rate: number, nameOf: NameOf): string {
  const { verdict, available, capacity } = short;
  const link = `the link ${linkName(short, nameOf)}`;
  const wanted = formatRate(rate);
  const rest = `${formatRate(available)} of ${formatRate(capacity)}`;
  const least = available >= LEAST_WORTH ? `; a rate of ${formatDown(available)} can` : '';
  switch (verdict) {
    case 'no-room':
      return `${wanted} are more than is left on ${link}: ${rest}${least}`;
    case 'member-limit':
      return `${wanted} are more than one member may reserve on ${link}: ${rest}${least}`;
    case 'no-link':
      return `${link} is down at its own end`;
    case 'table-full':
      return `${nameOf(short.from)} holds as many reservations as it may`;
    case 'pending':
      return `${link} is still being measured`;
    case 'no-route':
      return `there is no route to ${nameOf(short.to)}`;
    default:
      return `${nameOf(short.from)} did not answer for ${link}`;
  }
}

/** Below this nothing is offered. */
const LEAST_WORTH = 1_000;

/** Never more than there is: what is told can be asked for. */
function formatDown(bits: number): string {
  const unit = 10 ** Math.max(3, Math.floor(Math.log10(bits)) - 1);
  return formatRate(Math.floor(bits / unit) * unit);
}

const linkName = (
  { from, to }: { from: core.ShortLink['from']; to: core.ShortLink['to'] },
  nameOf: NameOf,
): string => `${nameOf(from)}-${nameOf(to)}`;
