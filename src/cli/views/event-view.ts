import type { NodeEvent } from '../../host/index.ts';
import type { Paint } from './paint.ts';
import { showPath, showRate, showSpan } from './quantities.ts';

/** One event on one line: when, what, why. */
export function eventLine(event: NodeEvent, paint: Paint): string {
  return `${paint('dim', event.at.slice(11, 23))}  ${eventText(event, paint)}`;
}

function eventText(event: NodeEvent, paint: Paint): string {
  switch (event.kind) {
    case 'link-up':
      return `${paint('green', 'link up')}    ${event.neighbour} at ${event.remote}`;
    case 'link-down':
      return `${paint('red', 'link down')}  ${event.neighbour}: ${event.reason}, silent for ${showSpan(event.silenceMs)}`;
    case 'path-changed':
      return `${paint('yellow', 'path')}       ${event.neighbour} by ${event.remote} now, because of ${event.reason}`;
    case 'provider': {
      const who = event.neighbours.join(', ');
      return event.isTrouble
        ? `${paint('red', 'provider')}   address ${event.local} of this node is silent towards ${who}`
        : `${paint('green', 'provider')}   address ${event.local} of this node is heard again`;
    }
    case 'route-changed': {
      const after = event.after === undefined ? 'unreachable' : showPath(event.after);
      const before = event.before === undefined ? 'unreachable' : showPath(event.before);
      return `${paint('yellow', 'route')}      ${event.destination}: ${before} -> ${paint('bold', after)}, because ${event.cause}`;
    }
    case 'graph-changed':
      return `${paint('yellow', 'graph')}      ${event.destination} in ${event.deadlineMs} ms: ${event.before} -> ${paint('bold', event.after)}, ${event.edges} links, because ${event.cause}`;
    case 'reservation': {
      const what = `${showRate(event.bitsPerSecond)} to ${event.destination}`;
      const colour = event.state === 'held' ? 'green' : 'red';
      const why = event.reason === undefined ? '' : `: ${event.reason}`;
      return `${paint(colour, 'rate')}       ${what} ${event.state}${why}`;
    }
    case 'member':
      return `${paint('cyan', 'member')}     ${event.name} (${event.address})`;
    case 'member-gone':
      return `${paint('red', 'gone')}       ${event.name} (${event.address}): ${event.reason}`;
    case 'manifest':
      return `${paint('cyan', 'manifest')}   version ${event.version}`;
    case 'refused':
      return `${paint('red', 'refused')}    ${event.what} from ${event.remote}: ${event.reason}`;
  }
}
