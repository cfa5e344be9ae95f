/**
 * Two nodes on this machine for the examples: a network of their own in a temporary directory, made
 * with the same calls that `overlane init`, `invite` and `join` make. In an application there is one
 * node a host, and its state directory stays.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNode, initNetwork, provisionMember } from '../../dist/client/index.js';

/** ATL and LAX, linked, each with more options of `createNode`. `close` ends both and forgets them. */
export async function twoNodes(options = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'overlane-example-'));
  const [first, second] = [join(directory, 'ATL'), join(directory, 'LAX')];
  initNetwork({ state: first, network: 'example', name: 'ATL', isLab: true });
  provisionMember({ root: first, state: second, name: 'LAX' });

  const atl = await createNode({ state: first, listen: ['127.0.0.1:0'], ...options.atl });
  const [address] = (await atl.status()).underlay.locals;
  const neighbours = [{ name: 'ATL', addresses: [address] }];
  const near = { state: second, listen: ['127.0.0.1:0'], neighbours };
  const lax = await createNode({ ...near, ...options.lax });
  await Promise.all([routeTo(atl, 'LAX'), routeTo(lax, 'ATL')]);

  return {
    atl,
    lax,
    async close() {
      await Promise.all([atl.close(), lax.close()]);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Resolves when `node` has a route to the node called `name`. */
async function routeTo(node, name) {
  for await (const update of node.watch('routes', { signal: AbortSignal.timeout(10_000) })) {
    const routes = update.kind === 'snapshot' ? update.routes : [update];
    const found = routes.find((route) => route.destination === name);
    if ((found?.path ?? found?.after ?? []).length > 0) return;
  }
  throw new Error(`no route to ${name}`);
}
