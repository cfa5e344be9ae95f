import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ForwardRequest } from '../daemon/index.ts';
import type { PingResult } from '../host/index.ts';
import { OverlayError } from '../kernel/index.ts';
import { COMMANDS } from './application.ts';
import { schemaOf } from './command.ts';
import { ERROR_CATALOGUE } from './error-catalogue.ts';
import { EXIT } from './exit-codes.ts';
import { FAKE_EXPLANATION, FAKE_STATUS, runFake } from './fake-context.ts';

const statusDaemon = {
  status: () => Promise.resolve(FAKE_STATUS),
  explain: () => Promise.resolve(FAKE_EXPLANATION),
};

describe('every command', () => {
  for (const command of COMMANDS)
    test(`overlane ${command.path} --help shows its examples`, async () => {
      const run = await runFake([...command.path.split(' '), '--help'], {});
      assert.equal(run.exit, EXIT.ok, run.err);
      assert.match(run.out, /EXAMPLES/);
      assert.match(run.out, /--json/);
      for (const example of command.examples) assert.ok(run.out.includes(example.line));
    });

  test('examples are of the command they stand under', () => {
    for (const command of COMMANDS)
      for (const { line } of command.examples)
        assert.ok(line.includes(`overlane ${command.path}`), `${command.path}: ${line}`);
  });

  test('schemas are unique and versioned', () => {
    const schemas = COMMANDS.map(schemaOf);
    assert.equal(new Set(schemas).size, schemas.length);
    for (const schema of schemas) assert.match(schema, /^overlane\.[a-z-]+\/\d+$/);
  });
});

describe('the command line', () => {
  test('help without a command lists all of them', async () => {
    const run = await runFake(['--help'], {});
    for (const command of COMMANDS) assert.ok(run.out.includes(command.path.split(' ')[0]!));
  });

  test('an unknown command is a usage error with the nearest one', async () => {
    const run = await runFake(['statsu'], {});
    assert.equal(run.exit, EXIT.usage);
    assert.match(run.err, /status/);
  });

  test('a flag that nothing has is a usage error, however it is written', async () => {
    for (const flag of ['--x', '--x=3', '--xyz', '--_a', '-x', '-xy', '-9', '--9']) {
      for (const command of COMMANDS) {
        const run = await runFake([...command.path.split(' '), flag], {});
        assert.equal(run.exit, EXIT.usage, `overlane ${command.path} ${flag}: ${run.err}`);
        assert.ok(run.err.includes(flag.startsWith('--') ? flag.slice(0, 3) : flag[1]!), run.err);
      }
    }
    const escaped = await runFake(['status', '--', '--x'], {});
    assert.equal(escaped.exit, EXIT.noDaemon, 'after -- it is an argument');
  });

  test('an argument that does not parse is a usage error in one line', async () => {
    const run = await runFake(['ping', 'LAX', '--count', 'many'], { daemon: {} });
    assert.equal(run.exit, EXIT.usage);
    assert.match(run.err, /whole number from 1/);
    assert.doesNotMatch(run.err, /\n {4}at /);
  });

  test('no daemon is exit code 3, with the code and what to do', async () => {
    const run = await runFake(['status'], {});
    assert.equal(run.exit, EXIT.noDaemon);
    assert.match(run.err, /^error DAEMON_UNREACHABLE: /);
    assert.match(run.err, /overlane explain DAEMON_UNREACHABLE/);
    assert.equal(run.out, '');
  });

  test('under --json an error is a document with a schema', async () => {
    const run = await runFake(['status', '--json'], {});
    const { schema, code } = JSON.parse(run.out);
    assert.deepEqual([schema, code, run.err], ['overlane.error/1', 'DAEMON_UNREACHABLE', '']);
  });

  test('a defect of ours is exit code 70 with a trace', async () => {
    const status = () => Promise.reject(new TypeError('x is undefined'));
    const run = await runFake(['status'], { daemon: { status } });
    assert.equal(run.exit, EXIT.internal);
    assert.match(run.err, /defect in overlane/);
  });

  test('status prints a screen, and the same as data', async () => {
    const text = await runFake(['status'], { daemon: statusDaemon });
    assert.match(text.out, /^ATL {2}3f2a91c0/);
    const run = await runFake(['status', '--json'], { daemon: statusDaemon });
    const data = JSON.parse(run.out);
    assert.equal(data.schema, 'overlane.status/1');
    assert.equal(data.status.links.length, 2);
    assert.equal(data.explanations.length, 2);
  });

  test('status NODE without a route ends with 1', async () => {
    const explain = () => Promise.resolve({ destination: 'WAS', route: undefined, candidates: [] });
    const run = await runFake(['status', 'WAS'], { daemon: { ...statusDaemon, explain } });
    assert.equal(run.exit, EXIT.negative);
  });

  test('ping ends with 1 when nothing came back', async () => {
    const silent = { ping: () => Promise.resolve<PingResult>({ outcome: 'timed-out' }) };
    const run = await runFake(['ping', 'LAX', '-c', '2'], { daemon: silent });
    assert.equal(run.exit, EXIT.negative);
    assert.match(run.out, /2 sent, 0 received/);
  });

  test('a lane on the command line reaches the daemon, and a forward says it again', async () => {
    const asked: unknown[] = [];
    const addForward = (request: ForwardRequest) => {
      asked.push(request);
      return Promise.reject(new OverlayError('UNKNOWN_LANE', 'there is no lane "vidoe"'));
    };
    const words = ['forward', 'add', 'udp', '5004', 'LAX:5004', '--lane', 'vidoe'];
    const run = await runFake([...words, '--deadline', '130ms'], { daemon: { addForward } });
    assert.notEqual(run.exit, EXIT.ok);
    assert.match(run.err, /UNKNOWN_LANE/);
    assert.deepEqual(asked, [
      {
        protocol: 'udp',
        listen: '127.0.0.1:5004',
        to: 'LAX',
        port: 5004,
        lane: 'vidoe',
        deadline: '130ms',
      },
    ]);
    const bad = await runFake([...words, '--deadline', '130'], { daemon: { addForward } });
    assert.equal(bad.exit, EXIT.usage);
    const both = await runFake(['ping', 'LAX', '--pinned', '--routing', 'best'], { daemon: {} });
    assert.match(both.err, /contradict/);
  });

  test('link set sends only what was named, in the units of the API', async () => {
    const calls: unknown[] = [];
    const impair = (neighbour: string, change: object | 'none') => {
      calls.push([neighbour, change]);
      return Promise.resolve({ neighbour, impairments: {} });
    };
    const words = ['link', 'set', 'DFW', '--delay', '20ms', '--loss', '30%', '--no-cut'];
    const run = await runFake([...words, '--rate', '20Mbit'], { daemon: { impair } });
    assert.equal(run.exit, EXIT.ok, run.err);
    assert.deepEqual(calls, [['DFW', { delayMs: 20, rate: 20e6, loss: 0.3, cut: false }]]);
    const none = await runFake(['link', 'set', 'DFW'], { daemon: { impair } });
    assert.equal(none.exit, EXIT.usage);
  });

  test('invite puts only the token on standard output', async () => {
    const invite = () =>
      Promise.resolve({ token: 'ovl1_x', name: 'LAX', expires: 'soon', addresses: ['h:1'] });
    const run = await runFake(['invite', 'LAX', '--label', 'site=west'], { daemon: { invite } });
    assert.equal(run.out, 'ovl1_x\n');
    assert.match(run.err, /overlane join TOKEN/);
  });

  test('join reads the token from standard input', async () => {
    let token = '';
    const join = (options: { token: string }) => {
      token = options.token;
      return Promise.reject(new OverlayError('TIMED_OUT', 'no answer'));
    };
    const run = await runFake(['join', '-'], { stdin: 'ovl1_x\n', daemons: { join } });
    assert.equal(token, 'ovl1_x');
    assert.equal(run.exit, EXIT.failed);
  });

  test('forward add opens ports only to this host unless told otherwise', async () => {
    const calls: unknown[] = [];
    const addForward = (options: object) => {
      calls.push(options);
      return Promise.reject(new OverlayError('PORT_IN_USE', 'x'));
    };
    await runFake(['forward', 'add', 'tcp', '8080', 'LAX:80'], { daemon: { addForward } });
    assert.deepEqual(calls, [{ protocol: 'tcp', listen: '127.0.0.1:8080', to: 'LAX', port: 80 }]);
    const bad = await runFake(['forward', 'add', 'sctp', '1', 'LAX:80'], { daemon: {} });
    assert.equal(bad.exit, EXIT.usage);
  });

  test('explain knows every code in either spelling and offers the nearest', async () => {
    for (const code of Object.keys(ERROR_CATALOGUE)) {
      const run = await runFake(['explain', code], {});
      assert.equal(run.exit, EXIT.ok);
      assert.ok(run.out.startsWith(code));
    }
    const lower = await runFake(['explain', 'not_yet_valid'], {});
    assert.match(lower.out, /^not-yet-valid\n/);
    const wrong = await runFake(['explain', 'UNREACHABEL'], {});
    assert.equal(wrong.exit, EXIT.usage);
    assert.match(wrong.err, /did you mean UNREACHABLE\?/);
  });
});

describe('completion', () => {
  test('proposes commands, options and live node names', async () => {
    const words = async (...given: string[]): Promise<string[]> => {
      const run = await runFake(['__complete', ...given], { daemon: statusDaemon });
      return run.out.split('\n').map((line) => line.split('\t')[0]!);
    };
    assert.ok((await words('st')).includes('status'));
    assert.ok((await words('ping', '--co')).includes('--count'));
    assert.deepEqual(
      (await words('ping', '')).filter((w) => /^[A-Z]/.test(w)),
      ['ATL', 'DFW', 'LAX', 'WAS'],
    );
    assert.ok((await words('link', 'set', '')).includes('DFW'));
  });

  test('without a daemon it proposes what it can', async () => {
    const run = await runFake(['__complete', 'ping', ''], {});
    assert.equal(run.exit, EXIT.ok);
    const lanes = await runFake(['__complete', 'ping', 'LAX', '--lane', 'v'], {});
    const proposed = lanes.out.split('\n').map((line) => line.split('\t')[0]);
    assert.ok(proposed.includes('voice') && proposed.includes('video'), lanes.out);
    const words = await runFake(['__complete', 'forward', 'add', '--recovery', ''], {});
    assert.match(words.out, /^realtime\t/m);
  });
});
