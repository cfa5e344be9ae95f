import { networkInterfaces } from 'node:os';
import { formatHostPort, parseHostPort } from './units.ts';

/**
 * Where others may reach this node, best first, for invites: what the config advertises, otherwise
 * what is listened on, with all addresses of this host in the place of "any".
 */
export function ownAddresses(
  advertised: readonly string[],
  locals: readonly string[],
  interfaces: ReturnType<typeof networkInterfaces> = networkInterfaces(),
): string[] {
  if (advertised.length > 0) return [...advertised];
  const found = new Set<string>();
  for (const local of locals) {
    const parts = parseHostPort(local);
    if (parts === undefined) continue;
    const family = parts.host === '0.0.0.0' ? 'IPv4' : parts.host === '::' ? 'IPv6' : undefined;
    if (family === undefined) {
      found.add(local);
      continue;
    }
    for (const entry of Object.values(interfaces).flat()) {
      // A link-local address means nothing without its interface (RFC 4007).
      const isUsable = entry?.family === family && !entry.internal && !entry.scopeid;
      if (isUsable) found.add(formatHostPort({ host: entry.address, port: parts.port }));
    }
  }
  return [...found];
}
