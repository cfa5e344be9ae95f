/** Endpoints as people write them: `NAME:port`. Shared with the remote handle. */
import { OverlayError } from '../kernel/index.ts';
import { DATAGRAM_BYTES_MAX, type Endpoint, type EndpointParts } from './api.ts';
import { failure } from './failure.ts';

/** Takes either form. Throws BAD_ARGUMENT. The port is after the last colon. */
export function parseEndpoint(endpoint: Endpoint): EndpointParts {
  if (typeof endpoint !== 'string') {
    checkPort(endpoint.port);
    return { node: endpoint.node, port: endpoint.port };
  }
  const colon = endpoint.lastIndexOf(':');
  const digits = endpoint.slice(colon + 1);
  if (colon < 1 || !/^\d{1,5}$/.test(digits))
    throw new OverlayError('BAD_ARGUMENT', `not NAME:port: ${endpoint}`, { details: { endpoint } });
  const port = Number(digits);
  checkPort(port);
  return { node: endpoint.slice(0, colon), port };
}

export const formatEndpoint = (parts: EndpointParts): string => `${parts.node}:${parts.port}`;

/** Throws BAD_ARGUMENT unless `port` is an overlay port, 1..65535. */
export function checkPort(port: number): void {
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return;
  throw new OverlayError('BAD_ARGUMENT', `a port is from 1 to 65535, not ${port}`, {
    details: { port },
  });
}

/** Throws MESSAGE_TOO_BIG. */
export function checkDatagramSize(bytes: number): void {
  if (bytes <= DATAGRAM_BYTES_MAX) return;
  const bytesMax = DATAGRAM_BYTES_MAX;
  throw failure('MESSAGE_TOO_BIG', undefined, { details: { bytes, bytesMax } });
}

/** Parsed destinations kept, so that sending to a few places does not parse each time. */
const ENDPOINTS_MAX = 256;

export class EndpointMemo {
  private readonly known = new Map<string, EndpointParts>();

  /** As `parseEndpoint`. The same text gives the same object. */
  parse(endpoint: Endpoint): EndpointParts {
    if (typeof endpoint !== 'string') return parseEndpoint(endpoint);
    let parts = this.known.get(endpoint);
    if (parts === undefined) {
      parts = parseEndpoint(endpoint);
      if (this.known.size >= ENDPOINTS_MAX) this.known.clear();
      this.known.set(endpoint, parts);
    }
    return parts;
  }
}
