/**
 * Signals to a daemon. SIGTERM: it withdraws, its neighbours route around it at once, without waiting
 * for their failure detectors, and it ends with 0. SIGHUP: it reads its configuration again and says
 * what changed.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { pause, until } from './support/bounded.mjs';
import { found } from './support/founded.mjs';
import { MeasuredFlow } from './support/measured-flow.mjs';
import { routeOf, startLab } from './support/overlane.mjs';

/** The least silence after which a failure detector calls a neighbour dead. */
const DETECTOR_MS = 425;

test('SIGTERM to a forwarding daemon reroutes at once and ends it with 0', async (t) => {
  const ms = (delayMs) => ({ delayMs });
  const links = [
    { a: 'ATL', b: 'DFW', impairments: ms(3) },
    { a: 'DFW', b: 'LAX', impairments: ms(3) },
    { a: 'ATL', b: 'DEN', impairments: ms(8) },
    { a: 'DEN', b: 'LAX', impairments: ms(8) },
  ];
  const cluster = await startLab(t, { nodes: ['ATL', 'DFW', 'DEN', 'LAX'], links });
  await until(
    'DFW forwards',
    async () => (await routeOf(cluster, 'ATL', 'LAX')).join() === 'ATL,DFW,LAX',
  );
  const flow = await MeasuredFlow.start(cluster, { from: 'ATL', to: 'LAX', port: 7 });
  t.after(() => flow.stop());
  await until('the flow arrives', () => flow.received > 100);
  const watching = new AbortController();
  t.after(() => watching.abort());
  const heard = { links: [], routes: [] };
  void follow(cluster.node('ATL').handle.watch('events', { signal: watching.signal }), heard);
  await pause(300);

  const { child } = cluster.node('DFW');
  const gone = once(child, 'exit');
  const struckMs = performance.now();
  child.kill('SIGTERM');
  const route = await until('ATL has another route', () => heard.routes[0]);
  const [code, signal] = await gone;
  const endedMs = performance.now() - struckMs;
  assert.deepEqual([code, signal], [0, null]);
  assert.deepEqual(route.after, ['DEN', 'LAX']);
  const down = await until('ATL has lost its link', () => heard.links[0]);
  assert.equal(down.neighbour, 'DFW');
  assert.equal(down.reason, 'neighbour left');
  assert.ok(down.silenceMs < DETECTOR_MS, `silent for ${down.silenceMs} ms`);
  const sentMs = performance.now();
  await until('the flow was judged', () => performance.now() > sentMs + 1_200);
  const { sent, lost } = flow.lossBetween(struckMs, sentMs);
  const gaps = flow.gapsBetween(struckMs, sentMs).map((gap) => Math.round(gap.lengthMs));
  t.diagnostic(
    `rerouted after ${Math.round(route.atMs - struckMs)} ms, ended after ${Math.round(endedMs)} ms, flow lost ${lost} of ${sent}, gaps ${gaps.join(', ') || 'none'}`,
  );
  for (const gap of gaps) assert.ok(gap < DETECTOR_MS, `a gap of ${gap} ms`);
});

test('SIGTERM ends a daemon without links with 0, and its socket with it', async (t) => {
  const { founder } = await found(t, ['ATL']);
  const { code, stderr } = await founder.end();
  assert.deepEqual([code, stderr], [0, '']);
  const messages = logOf(founder).map(({ msg, message }) => msg ?? message);
  assert.ok(messages.includes('withdrawing'), messages.join(', '));
});

test('SIGHUP says what changed, and keeps what runs when the file is wrong', async (t) => {
  const { founder } = await found(t, ['ATL']);
  const hang = () => founder.process.child.kill('SIGHUP');
  founder.configure({ log: { level: 'debug' }, acceptLinks: 'configured' });
  hang();
  const line = await until('the reload is logged', () =>
    logOf(founder).find(({ changes }) => changes !== undefined),
  );
  assert.deepEqual(line.changes, ['acceptLinks', 'log.level']);
  assert.equal((await founder.handle.logLevels()).level, 'debug');
  const { changes } = await founder.handle.reload();
  assert.deepEqual(
    changes.map(({ key, effect }) => [key, effect]),
    [['acceptLinks', 'restart']],
  );

  founder.configure({ logs: { level: 'warn' } });
  hang();
  const refusal = await until('the mistake is logged', () =>
    logOf(founder).find(({ code }) => code === 'CONFIG_INVALID'),
  );
  assert.match(JSON.stringify(refusal), /did you mean \\?\\?\\?"log/);
  assert.equal((await founder.handle.logLevels()).level, 'debug');
  assert.equal(founder.process.child.exitCode, null);
});

async function follow(updates, heard) {
  try {
    for await (const update of updates) {
      const atMs = performance.now();
      if (update.kind === 'link-down') heard.links.push({ ...update, atMs });
      if (update.kind === 'route-changed' && update.destination === 'LAX')
        heard.routes.push({ ...update, atMs });
    }
  } catch {
    // The lab is over.
  }
}

const logOf = (daemon) =>
  daemon.process.output.stdout
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
