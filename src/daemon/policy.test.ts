/** Policy, choice and topology through real daemons: set at the root, followed, explained. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Daemon } from './daemon.ts';
import { loadPolicy, startDaemon } from './index.ts';
import { policyText } from './policy-text.ts';
import { initNetwork, provisionMember } from './provision.ts';

const scratch = mkdtempSync(join(tmpdir(), 'overlane-policy-'));
const daemons = new Map<string, Daemon>();

/** ATL, which holds the root key, DFW and LAX, each linked to both others. */
before(async () => {
  const root = join(scratch, 'ATL');
  initNetwork({ state: root, network: 'test', name: 'ATL', isLab: true });
  for (const name of ['DFW', 'LAX']) provisionMember({ root, state: join(scratch, name), name });
  const portOf = (name: string): string => daemons.get(name)!.host.statusNow().underlay.locals[0]!;
  for (const name of ['ATL', 'DFW', 'LAX']) {
    const state = join(scratch, name);
    const neighbours = [...daemons.keys()].map(
      (other) => `{ name: ${other}, addresses: ["${portOf(other)}"] }`,
    );
    const file = join(state, 'overlane.yaml');
    const text = `listen: ["127.0.0.1:0"]\nlog: { level: error }\nneighbours: [${neighbours.join()}]\n`;
    writeFileSync(file, text);
    daemons.set(name, await startDaemon({ state, config: file, isProcess: false }));
  }
  await until(() => [...daemons.values()].every((d) => d.host.statusNow().routes.length === 2));
  await until(() => routeOf('ATL', 'LAX') === 'LAX' && routeOf('LAX', 'ATL') === 'ATL');
});

after(async () => {
  for (const daemon of daemons.values()) daemon.stop();
  await Promise.all([...daemons.values()].map((daemon) => daemon.ended));
  rmSync(scratch, { recursive: true, force: true });
});

async function until(holds: () => boolean, ms = 10_000): Promise<void> {
  const limit = performance.now() + ms;
  while (!holds()) {
    assert.ok(performance.now() < limit, `not within ${ms} ms: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const host = (name: string) => daemons.get(name)!.host;
const routeOf = (from: string, to: string): string =>
  host(from)
    .statusNow()
    .routes.find((route) => route.destination === to)
    ?.path.join(' ') ?? 'none';
const version = (name: string): number => host(name).statusNow().manifestVersion;

async function setPolicy(policy: object): Promise<void> {
  const { manifestVersion } = await daemons.get('ATL')!.setPolicy(policy);
  await until(() => [...daemons.keys()].every((name) => version(name) === manifestVersion));
}

test('a general denial moves the routes of every node, and back when it is lifted', async () => {
  await setPolicy({ rules: [{ name: 'not-direct', deny: { links: [['ATL', 'LAX']] } }] });
  await until(() => routeOf('ATL', 'LAX') === 'DFW LAX' && routeOf('LAX', 'ATL') === 'DFW ATL');
  const ping = await host('LAX').ping('ATL');
  assert.equal(ping.outcome, 'reply');
  const [report] = await host('ATL').why('LAX');
  const denied = report?.candidates.find(({ path }) => path.join() === 'LAX');
  assert.equal(denied?.verdict, 'policy not-direct denies link ATL-LAX');
  const check = await host('DFW').checkPolicy('ATL', 'LAX');
  assert.deepEqual(check.path, ['DFW', 'LAX']);
  assert.equal(check.isSingledOut, false);
  assert.equal(check.links.find(({ link }) => link === 'ATL-LAX')?.denial, 'policy not-direct');
  await setPolicy({});
  await until(() => routeOf('ATL', 'LAX') === 'LAX');
  const history = await host('ATL').routeHistory({ node: 'LAX', sinceMs: 60_000 });
  assert.deepEqual(
    history.slice(0, 2).map(({ after }) => after?.join(' ')),
    ['LAX', 'DFW LAX'],
  );
});

test('a denied path is not used even when it is the last', async () => {
  await setPolicy({
    rules: [{ name: 'apart', from: 'ATL', to: 'LAX', deny: { links: [['*', 'LAX']] } }],
  });
  const ping = await host('ATL').ping('LAX', { timeoutMs: 300 });
  assert.equal(ping.outcome, 'unreachable');
  const check = await host('LAX').checkPolicy('ATL', 'LAX');
  assert.equal(check.path, undefined);
  assert.equal(check.isSingledOut, true);
  assert.equal((await host('ATL').ping('DFW')).outcome, 'reply');
  await setPolicy({});
  await until(() => routeOf('ATL', 'LAX') !== 'none');
  assert.equal((await host('ATL').ping('LAX')).outcome, 'reply');
});

test('a flow that policy singles out carries its route, and others go as before', async () => {
  await setPolicy({
    rules: [{ name: 'long-way', from: ['ATL'], to: 'LAX', deny: { links: [['ATL', 'LAX']] } }],
  });
  const trace = await host('ATL').trace('LAX');
  assert.deepEqual(
    trace.hops.map(({ node }) => node),
    ['DFW', 'LAX'],
  );
  assert.deepEqual(trace.explanation.route?.path, ['DFW', 'LAX']);
  assert.equal(routeOf('LAX', 'ATL'), 'ATL');
  // The echo came back on the direct link: rules have a direction.
  await setPolicy({});
});

test('every node refuses what policy denies, whoever chose the path', async () => {
  const outcome = async () => {
    const options = { routing: { via: ['DFW', 'LAX'] }, timeoutMs: 300 };
    return (await host('ATL').ping('LAX', options)).outcome;
  };
  await setPolicy({ rules: [{ name: 'not-direct', deny: { links: [['DFW', 'LAX']] } }] });
  assert.equal(await outcome(), 'unreachable', 'the source knows the rule');
  await setPolicy({});
  const file = join(scratch, 'own-rules.yaml');
  writeFileSync(file, 'rules:\n  - { name: own, deny: { links: [[DFW, LAX]] } }\n');
  const { rules } = await loadPolicy(file);
  host('DFW').setPolicy(rules);
  assert.equal(await outcome(), 'timed-out', "the source does not know another node's own rule");
  assert.ok((host('DFW').statusNow().counters['forwarding.dropped.denied-by-policy'] ?? 0) > 0);
  host('DFW').setPolicy([]);
});

test('a flow by a metric of its own is listed, explained, and works', async () => {
  const atl = host('ATL');
  await using listener = await host('LAX').listen({ port: 7 }, (stream) => stream.pipe(stream));
  assert.equal(listener.address().port, 7);
  const stream = await atl.connect('LAX:7', { routing: { metric: 'hops', hops: 'one' } });
  stream.end('hello');
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  assert.equal(text, 'hello');
  const flow = (await atl.flows()).find(({ metric }) => metric === 'hops');
  assert.deepEqual([flow?.port, flow?.hops, flow?.path], [7, 'one', ['LAX']]);
  const [report] = await atl.why('LAX:7');
  assert.equal(report?.candidates.find(({ isChosen }) => isChosen)?.verdict, 'chosen');
  assert.match(report?.candidates[1]?.verdict ?? '', /worse by 50 %/);
  await assert.rejects(atl.why('999'), { code: 'UNKNOWN_DESTINATION' });
  await assert.rejects(atl.connect('LAX:7', { routing: { metric: 'speed' } }), {
    code: 'BAD_ARGUMENT',
  });
});

test('a link that the topology leaves out is closed and stays closed, and says why', async () => {
  const root = daemons.get('ATL')!;
  const kept = [
    ['ATL', 'DFW'],
    ['DFW', 'LAX'],
  ].map((between) => ({ between, latencyMin: '20ms' }));
  const report = await root.setTopology({ links: kept });
  assert.deepEqual([report.links, report.closed], [2, ['ATL-LAX']]);
  await until(() => routeOf('ATL', 'LAX') === 'DFW LAX' && routeOf('LAX', 'ATL') === 'DFW ATL');
  // Loopback takes less than 20 ms: every report is below its minimum, and counts it.
  await until(() => host('LAX').statusNow().topology?.overruled.length === 4);
  const latencyToAtl = (): number =>
    host('LAX')
      .statusNow()
      .routes.find(({ destination }) => destination === 'ATL')?.latencyMs ?? 0;
  await until(() => latencyToAtl() >= 40);
  const { links } = host('LAX').statusNow();
  const closed = links.find(({ neighbour }) => neighbour === 'ATL');
  assert.match(closed?.reason ?? '', /link not in the topology/);
  const shown = root.topology();
  assert.deepEqual(shown.links, kept);
  assert.deepEqual(shown.present.map(({ between }) => between.join('-')).sort(), [
    'ATL-DFW',
    'DFW-LAX',
  ]);
  await assert.rejects(root.setTopology({ links: [{ between: ['ATL'] }] }), {
    code: 'BAD_ARGUMENT',
  });
  await assert.rejects(daemons.get('LAX')!.setTopology({ links: [] }), { code: 'NOT_AN_ISSUER' });
  await root.setTopology({ links: [] });
  await until(() => routeOf('ATL', 'LAX') === 'LAX' && routeOf('LAX', 'ATL') === 'ATL');
});

test('a policy file is read with the place of every mistake, and written as it is read', async () => {
  const file = join(scratch, 'policy.yaml');
  writeFileSync(
    file,
    'cliques:\n  - { name: i2, members: net=internet2 }\nrules:\n  - name: r\n    lanes: [bulk]\n    deny: { nodes: region=eu }\n',
  );
  const policy = await loadPolicy(file);
  assert.deepEqual(policyText(policy), {
    cliques: [{ name: 'i2', members: ['net=internet2'], confined: false }],
    rules: [{ name: 'r', lanes: ['bulk'], deny: { nodes: ['region=eu'] } }],
  });
  writeFileSync(file, 'rules:\n  - name: r\n    lanes: [bulky]\n    denny: {}\n');
  await assert.rejects(loadPolicy(file), (error: Error) => {
    assert.match(error.message, /:3: rules\[0\]\.lanes\[0\]: no lane "bulky"; did you mean "bulk"/);
    assert.match(error.message, /:4: rules\[0\]: unknown key "denny"; did you mean "deny"/);
    return true;
  });
});
