import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { LoopbackNetwork } from '../../gateway/index.ts';
import type { Datagram, DatagramSocket } from '../../host/index.ts';
import type { ProcessorConfig } from '../config.ts';
import { Processor, type ProcessorBounds } from './processor.ts';
import { ProcessorTable } from './processor-table.ts';

const folder = mkdtempSync(join(tmpdir(), 'overlane-processor-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const LOG = { error() {}, warn() {}, info() {}, debug() {}, trace() {} };
const bounded = { timeout: 20_000 };

let files = 0;
function moduleFile(source: string): string {
  const file = join(folder, `m${files++}.mjs`);
  writeFileSync(file, source);
  return file;
}

async function opened(
  source: string,
  more: { config?: Partial<ProcessorConfig>; bounds?: Partial<ProcessorBounds> } = {},
) {
  const network = new LoopbackNetwork();
  const node = network.node('MID');
  const far = network.node('FAR');
  const inbox = await far.datagram({ port: 7 });
  const sender = await far.datagram({ port: 8 });
  const module = moduleFile(source);
  const config: ProcessorConfig = {
    name: 'p',
    module,
    port: 900,
    lane: undefined,
    from: 'any',
    to: { node: 'FAR', port: 7 },
    flow: {},
    options: { word: 'mixed' },
    ...more.config,
  };
  const url = pathToFileURL(module).href;
  const processor = await Processor.open({
    node,
    log: LOG,
    config,
    module: url,
    bounds: { restartMs: 10, ...more.bounds },
  });
  return { processor, inbox, sender };
}

const text = (datagram: Datagram): string => Buffer.from(datagram.payload).toString();

/** Sends again and again until the condition holds: a thread takes a moment to start. */
async function sendUntil(sender: DatagramSocket, payload: string, isDone: () => boolean) {
  const limit = performance.now() + 15_000;
  while (!isDone()) {
    assert.ok(performance.now() < limit, 'in time');
    sender.send(payload, { to: 'MID:900' });
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('what a module returns goes to `to`, what it sends goes where it says', bounded, async () => {
  const { processor, inbox, sender } = await opened(`
    const text = new TextDecoder();
    export function createProcessor({ node, options, send }) {
      return {
        async message({ payload, from, lane }) {
          send(\`answer in \${lane}\`, from);
          return [\`\${node} \${options.word} \${text.decode(payload)}\`];
        },
        stop() { send('last words'); },
      };
    }`);
  const heard: string[] = [];
  const answers: string[] = [];
  inbox.on('message', (d) => heard.push(text(d)));
  sender.on('message', (d) => answers.push(text(d)));
  await sendUntil(sender, 'hello', () => heard.length > 0 && answers.length > 0);
  assert.equal(heard[0], 'MID mixed hello');
  assert.equal(answers[0], 'answer in default');
  await processor.close();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(heard.at(-1), 'last words');
});

test('a module that throws loses that message, and goes on', bounded, async () => {
  const { processor, inbox, sender } = await opened(`
    let n = 0;
    export const createProcessor = () => ({
      message({ payload }) {
        if (n++ % 2 === 0) throw new Error('not this one');
        return payload;
      },
    });`);
  let heard = 0;
  inbox.on('message', () => heard++);
  await sendUntil(sender, 'x', () => heard >= 3);
  const { errors, dropped, restarts, state, lastError } = processor.report;
  assert.ok(errors >= 3 && dropped['module-error']! >= 3);
  assert.deepEqual([restarts, state], [0, 'running']);
  assert.match(lastError!, /not this one/);
  await processor.close();
});

test(
  'a module whose own timer throws, that exits or is stuck, is started again',
  bounded,
  async () => {
    for (const deed of [
      `setTimeout(() => { throw new Error('from a timer'); }, 1)`,
      'process.exit(0)',
      'for (;;);',
    ]) {
      const { processor, inbox, sender } = await opened(
        `export const createProcessor = () => ({
         message({ payload }) {
           if (new TextDecoder().decode(payload) === 'do it') { ${deed}; return; }
           return payload;
         },
       });`,
        { bounds: { stuckMs: 100 } },
      );
      await sendUntil(sender, 'do it', () => processor.report.restarts > 0);
      const heard = once(inbox, 'message');
      let isBack = false;
      void heard.then(() => {
        isBack = true;
      });
      await sendUntil(sender, 'again', () => isBack);
      assert.equal(processor.report.state, 'running', deed);
      await processor.close();
    }
  },
);

test(
  'what it may not take, has no room for, or has nowhere to send is dropped and counted',
  bounded,
  async () => {
    const waits = `export const createProcessor = () => ({ message: () => new Promise(() => {}) });`;
    const busy = await opened(waits, { bounds: { messagesMax: 2 } });
    await sendUntil(busy.sender, 'x', () => (busy.processor.report.dropped['busy'] ?? 0) > 3);
    assert.equal(busy.processor.report.underWay, 2);
    await busy.processor.close();

    const stranger = await opened(waits, { config: { from: ['SEA'] } });
    await sendUntil(
      stranger.sender,
      'x',
      () => stranger.processor.report.dropped['not-allowed'] === 1,
    );
    await stranger.processor.close();
    const other = await opened(waits, { config: { lane: 'voice' } });
    await sendUntil(other.sender, 'x', () => other.processor.report.dropped['other-lane'] === 1);
    await other.processor.close();

    const echo = `export const createProcessor = () => ({ message: ({ payload }) => payload });`;
    const lost = await opened(echo, { config: { to: undefined } });
    await sendUntil(
      lost.sender,
      'x',
      () => (lost.processor.report.dropped['nowhere-to-send'] ?? 0) > 0,
    );
    await lost.processor.close();
  },
);

test(
  'a table opens, keeps and closes what the config says, and tells of what cannot be used',
  bounded,
  async () => {
    const network = new LoopbackNetwork();
    const node = network.node('MID');
    const echo = moduleFile(
      `export const createProcessor = () => ({ message: (m) => m.payload });`,
    );
    const none = moduleFile('export const nothing = 1;');
    const entry = (port: number, module: string): ProcessorConfig => ({
      name: `p${port}`,
      module,
      port,
      lane: undefined,
      from: 'any',
      to: undefined,
      flow: {},
      options: undefined,
    });
    const table = new ProcessorTable({ node, log: LOG, configFile: join(folder, 'overlane.yaml') });
    await table.configure([entry(900, echo), entry(901, none), entry(902, './not-there.mjs')]);
    assert.deepEqual([...node.datagrams.keys()], [900, 901, 902]);
    const kept = node.datagrams.get(900);
    const limit = performance.now() + 15_000;
    const failed = () => table.reports().filter(({ lastError }) => lastError !== undefined);
    while (failed().length < 2 && performance.now() < limit)
      await new Promise((resolve) => setImmediate(resolve));
    const errors = failed().map(({ lastError }) => lastError!);
    assert.match(errors[0]!, /does not export a function createProcessor/);
    assert.match(errors[1]!, /not-there\.mjs/);
    assert.ok(table.counters()['processors.errors']! >= 2);
    await table.configure([entry(900, echo)]);
    assert.deepEqual([...node.datagrams.entries()], [[900, kept]]);
    await table.close();
    assert.equal(node.datagrams.size, 0);
  },
);
