/** A path through daemons in a row with the same bad hops between them: `forward` in, `expose` out. */
import { LabCluster } from '../../dist/lab/index.js';

const OVERLAY_PORT = 5_004;

/** `hops`: how many, each of `delayMs`, sound at first. `to`: the UDP port of the viewer. */
export async function openOverlayPath({ hops, delayMs, lane, to }) {
  const nodes = Array.from({ length: hops + 1 }, (_, i) => `N${i}`);
  const links = nodes.slice(1).map((b, i) => ({ a: nodes[i], b, impairments: { delayMs } }));
  const cluster = await LabCluster.start({ nodes, links });
  const [source, destination] = [nodes[0], nodes[hops]];
  try {
    await cluster.routed(source, destination);
    const exposed = { protocol: 'udp', port: OVERLAY_PORT, to: `127.0.0.1:${to}`, from: 'any' };
    await cluster.node(destination).handle.addExpose(exposed);
    const { listen } = await cluster.node(source).handle.addForward({
      protocol: 'udp',
      listen: '127.0.0.1:0',
      to: destination,
      port: OVERLAY_PORT,
      lane,
    });
    return {
      port: Number(listen.split(':')[1]),
      /** Makes every hop lose, both ways: `loss`, `burst`, `burstTimeMs`. */
      impair: (change) => Promise.all(links.map(({ a, b }) => cluster.impair(a, b, change))),
      sent: () => sentBy(cluster, nodes),
      close: () => cluster.stop(),
    };
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

/** What went out on all links so far, both ways: UDP payload. */
async function sentBy(cluster, nodes) {
  const statuses = await Promise.all(nodes.map((name) => cluster.node(name).handle.status()));
  const links = statuses.flatMap((status) => status.links);
  return {
    packets: links.reduce((sum, link) => sum + link.packetsOut, 0),
    bytes: links.reduce((sum, link) => sum + link.bytesOut, 0),
  };
}
