/** Endpoints as people write them: `NAME:port`. Shared with the remote handle. */
import { OverlayError } from '../kernel/index.ts';
import type { Endpoint, EndpointParts } from './api.ts';

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
