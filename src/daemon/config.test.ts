import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { type Config, formatConfigProblem } from './config.ts';
import { diffConfig } from './config-diff.ts';
import { parseConfig } from './load-config.ts';

async function sound(text: string): Promise<Config> {
  const parsed = await parseConfig(text, 'overlane.yaml');
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.reason.map(formatConfigProblem).join('\n'));
  return parsed.value;
}

async function problems(text: string): Promise<string[]> {
  const parsed = await parseConfig(text, 'overlane.yaml');
  assert.ok(!parsed.ok, 'this config should have been refused');
  return parsed.reason.map(formatConfigProblem);
}

test('an empty file is a config with every default', async () => {
  const config = await sound('');
  assert.deepEqual(config.listen, [{ host: '0.0.0.0', port: 7420 }]);
  assert.equal(config.acceptLinks, 'members');
  assert.equal(config.neighbours, undefined);
  assert.equal(config.drain, 1_000_000);
  assert.equal(config.controlMode, 0o600);
  assert.deepEqual(config.expose, [], 'nothing is exposed by default');
});

test('values with units come out in the unit of their type', async () => {
  const config = await sound(`
listen: ["127.0.0.1:7001", "[::1]:7001"]
neighbours:
  - name: DFW
    addresses: ["dfw.example.net:7420"]
    local: 1
timers: { hello: 50ms, deadAfter: 800ms }
log: { level: warn, subsystems: { link: debug } }
forwards:
  - { protocol: tcp, listen: "127.0.0.1:8080", to: LAX, port: 80 }
expose:
  - { protocol: udp, port: 5000, to: "localhost:5004", from: [ATL], idle: 2m }
impairments:
  - { neighbour: DFW, delay: 10.5ms, loss: 1.5%, rate: 20Mbit, queue: 256KiB, cut: true }
`);
  assert.deepEqual(config.timers, { hello: 50_000, deadAfter: 800_000 });
  assert.equal(config.expose[0]?.idle, 120_000_000);
  assert.deepEqual(config.forwards[0]?.flow, {});
  assert.deepEqual(config.impairments[0], {
    neighbour: 'DFW',
    impairments: {
      delayMs: 10.5,
      jitterMs: undefined,
      burstTimeMs: undefined,
      queueBytes: 262_144,
      loss: 0.015,
      rate: 20e6,
      cut: true,
    },
  });
});

test('own lanes and lanes of forwards are resolved, and what is wrong with them is told', async () => {
  const forward = 'protocol: udp, listen: "127.0.0.1:5004", to: LAX, port: 5004';
  const own = 'name: telemetry, number: 20, extends: monitoring, deadline: 500ms';
  const { lanes, forwards } = await sound(
    `lanes: [{ ${own} }]\nforwards: [{ ${forward}, lane: telemetry, routing: disjoint, paths: 3 }]`,
  );
  assert.deepEqual(lanes, [
    { name: 'telemetry', number: 20, extends: 'monitoring', deadline: 500_000 },
  ]);
  assert.deepEqual(forwards[0]?.flow, { lane: 'telemetry', routing: { disjoint: 3 } });
  assert.deepEqual(
    await problems(`lanes: [{ ${own} }]\nforwards: [{ ${forward}, lane: telemetri }]`),
    [
      'overlane.yaml:2: forwards[0].lane: there is no lane "telemetri"; lanes are default, voice, ' +
        'video, remote, bulk, monitoring, control, telemetry; did you mean "telemetry"?',
    ],
  );
  assert.match((await problems('lanes: [{ name: x, number: 3 }]'))[0]!, /number: .* 16 to 255/);
  assert.match((await problems('lanes: [{ name: x, number: 16, dedline: 1s }]'))[0]!, /"deadline"/);
  assert.match(
    (await problems('lanes: [{ name: x, number: 16, recovery: realtiem }]'))[0]!,
    /lanes\[0\]\.recovery: expected one of none, reliable.*did you mean "realtime"/,
  );
  assert.match(
    (await problems('lanes: [{ name: x, number: 16, extends: vidoe }]'))[0]!,
    /lanes\[0\]\.extends: .*did you mean "video"/,
  );
  assert.match(
    (await problems('lanes: [{ name: x, number: 16, recovery: deadline }]'))[0]!,
    /recovery "deadline" needs a deadline/,
  );
});

test('an unknown key is refused with its line and the nearest right spelling', async () => {
  assert.deepEqual(await problems('listen: ["0.0.0.0:1"]\nneighbors: []\n'), [
    'overlane.yaml:2: unknown key "neighbors"; did you mean "neighbours"?',
  ]);
  assert.deepEqual(
    await problems('neighbours:\n  - name: A\n    adresses: ["h:1"]\n    addresses: ["h:1"]\n'),
    ['overlane.yaml:3: neighbours[0]: unknown key "adresses"; did you mean "addresses"?'],
  );
  assert.deepEqual(await problems('log:\n  subsystems: { lnik: debug }'), [
    'overlane.yaml:2: log.subsystems: unknown key "lnik"; did you mean "link"?',
  ]);
  assert.deepEqual(await problems('quux: 1'), ['overlane.yaml:1: unknown key "quux"']);
});

test('a bad value is refused with its line, its key and what was expected', async () => {
  assert.deepEqual(await problems('timers:\n  hello: 100\n'), [
    'overlane.yaml:2: timers.hello: expected a duration with its unit, such as "300ms" or "5m"',
  ]);
  assert.deepEqual(await problems('timers:\n  hello: 1ms\n'), [
    'overlane.yaml:2: timers.hello: expected a duration from 20ms to 10s',
  ]);
  assert.deepEqual(await problems('listen:\n  - "127.0.0.1:1"\n  - "localhost:1"\n'), [
    'overlane.yaml:3: listen[1]: expected a literal IP address and port',
  ]);
  assert.deepEqual(await problems('acceptLinks: all'), [
    'overlane.yaml:1: acceptLinks: expected members or configured',
  ]);
});

test('all that is wrong is told at once, in the order of the file', async () => {
  const told = await problems('timers: { helo: 1s }\nacceptLinks: 3\nlisten: []\n');
  assert.equal(told.length, 3);
  assert.match(told[0]!, /:1: timers: unknown key "helo"; did you mean "hello"/);
  assert.match(told[2]!, /:3: listen: expected at least one address/);
});

test('a missing key points at the entry that lacks it', async () => {
  const [told] = await problems('neighbours:\n  - name: A\n    addresses: ["h:1"]\n  - name: B\n');
  assert.match(told!, /^overlane.yaml:4: neighbours\[1\]\.addresses: /);
});

test('entries that exclude each other are refused', async () => {
  assert.match(
    (await problems('listen: ["127.0.0.1:1", "127.0.0.1:1"]'))[0]!,
    /listen\[1\]: address 127.0.0.1:1 stands here twice/,
  );
  assert.match(
    (await problems('neighbours: [{name: A, addresses: ["h:1"], local: 1}]'))[0]!,
    /neighbours\[0\]\.local: `listen` has 1 entries/,
  );
});

test('broken YAML is refused with its line', async () => {
  assert.match((await problems('listen: [\n"a"\n'))[0]!, /^overlane.yaml:\d+: /);
  assert.match((await problems('a: 1\na: 2\n'))[0]!, /overlane.yaml:2: .*unique/);
});

test('no text makes the parser throw', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ maxLength: 200 }), async (text) => {
      await parseConfig(text, 'x');
    }),
    { numRuns: 300 },
  );
});

test('a reload tells what changed and what needs a restart', async () => {
  const before = await sound('listen: ["127.0.0.1:1"]\nlog: { level: info }\n');
  const after = await sound('listen: ["127.0.0.1:2"]\nlog: { level: debug }\ntimers: {hello: 1s}');
  assert.deepEqual(
    diffConfig(before, after).map((c) => [c.key, c.effect]),
    [
      ['listen', 'restart'],
      ['log.level', 'now'],
      ['timers.hello', 'restart'],
    ],
  );
  assert.deepEqual(diffConfig(before, before), []);
});
