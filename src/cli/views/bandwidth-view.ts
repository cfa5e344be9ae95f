/** What links carry, and rates that flows have reserved, as tables. */
import type { LinkBandwidthStatus, NodeStatus, ReservationStatus } from '../../host/index.ts';
import type { Paint } from './paint.ts';
import { showRate } from './quantities.ts';
import { table } from './table.ts';

export function bandwidthView(links: readonly LinkBandwidthStatus[], paint: Paint): string {
  const rows = [...links]
    .sort((a, b) => (a.neighbour < b.neighbour ? -1 : 1))
    .map((link) => [
      link.neighbour,
      showRate(link.capacityBitsPerSecond),
      link.capacityFrom,
      showRate(link.usedBitsPerSecond),
      showRate(link.usedInBitsPerSecond),
      showRate(link.reservedBitsPerSecond),
      link.capacityBitsPerSecond === 0 ? '-' : showRate(link.reservableBitsPerSecond),
      link.capacityBitsPerSecond === 0 ? '-' : showRate(link.availableBitsPerSecond),
      String(link.refusedReservations),
    ]);
  const rates = ['>CAPACITY', 'AS', '>SENT', '>RECEIVED', '>RESERVED', '>FREE', '>LEFT'];
  const columns = ['TO', ...rates, '>REFUSED'];
  return `${paint('bold', 'BANDWIDTH')}\n${table({ paint, columns, rows })}`;
}

/** Who has reserved what on links of this node. */
export function reservedView(reserved: NonNullable<NodeStatus['reserved']>, paint: Paint): string {
  const rows = reserved.map(({ neighbour, member, bitsPerSecond }) => [
    neighbour,
    member,
    showRate(bitsPerSecond),
  ]);
  return `${paint('bold', 'RESERVED')}\n${table({ paint, columns: ['TO', 'BY', '>RATE'], rows })}`;
}

/** A flow's rate, as a line below its route. */
export function reservationLine(reservation: ReservationStatus, paint: Paint): string {
  const { bitsPerSecond, state, links, reason } = reservation;
  const held = paint(state === 'held' ? 'green' : 'yellow', state);
  const over = links.map(({ link, isHeld }) => (isHeld ? link : `${link} (no)`)).join(', ');
  const because = reason === undefined ? '' : `: ${reason}`;
  return `  ${showRate(bitsPerSecond)} reserved, ${held}${over === '' ? '' : `, on ${over}`}${because}`;
}

export function reservationsView(reservations: readonly ReservationStatus[], paint: Paint): string {
  const rows = reservations.map(({ destination, bitsPerSecond, state, links, reason }) => [
    destination,
    showRate(bitsPerSecond),
    { text: state, style: state === 'held' ? ('green' as const) : ('yellow' as const) },
    links.map(({ link, isHeld }) => (isHeld ? link : `${link} (no)`)).join(', '),
    reason ?? '',
  ]);
  const columns = ['TO', '>RATE', 'STATE', 'LINKS', 'BECAUSE'];
  return `${paint('bold', 'RESERVATIONS')}\n${table({ paint, columns, rows })}`;
}
