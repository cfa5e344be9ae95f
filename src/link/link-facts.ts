/** What a scheduler above the links asks of them: how much fits, how much has been sent. */
import type { Duration, NodeAddress } from '../kernel/index.ts';
import { SEALED_OVERHEAD_BYTES } from '../wire/index.ts';
import type { Link } from './link.ts';
import type { LinkMetrics } from './metrics-damper.ts';

const UDP_IPV4_BYTES = 28;

export class LinkFacts {
  private readonly links: ReadonlyMap<NodeAddress, Link>;

  constructor(links: ReadonlyMap<NodeAddress, Link>) {
    this.links = links;
  }

  /** The link to a neighbour, when packets may be sent on it. */
  linkTo(neighbour: NodeAddress): Link | undefined {
    const link = this.links.get(neighbour);
    return link?.isUsable === true ? link : undefined;
  }

  /** Last told to routing; undefined when the link is not up. */
  metrics(neighbour: NodeAddress): LinkMetrics | undefined {
    return this.linkTo(neighbour)?.metrics;
  }

  /** One way over a link that is up, as measured; 0 for any other. */
  latency(neighbour: NodeAddress): Duration {
    return ((this.linkTo(neighbour)?.path.rtt.rtt ?? 0) >>> 1) as Duration;
  }

  /** Largest data frame that a link which is up takes; 0 for any other. */
  frameBytesMax(neighbour: NodeAddress): number {
    const link = this.linkTo(neighbour);
    return link === undefined ? 0 : link.mtu - SEALED_OVERHEAD_BYTES;
  }

  /** All that a link has put on the wire since it opened, headers of UDP and IPv4 included. */
  wireBytes(neighbour: NodeAddress): number {
    const link = this.links.get(neighbour);
    return link === undefined ? 0 : link.bytesOut + UDP_IPV4_BYTES * link.packetsOut;
  }

  /** Name of a neighbour that there is a link to, as its certificate says. */
  nameOf(neighbour: NodeAddress): string | undefined {
    return this.links.get(neighbour)?.member.name;
  }
}
