/**
 * Every command once, with `--json`, against two running daemons: the document has the schema and
 * the fields that the command documents, and the exit code says what happened. Then the mistakes that
 * people make, each with its exit code; and completion in the shells that are installed, with the
 * names of live nodes.
 */
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { stringify } from 'yaml';
import { COMMANDS } from '../dist/cli/application.js';
import { needs, run, scratch, until } from './support/bounded.mjs';
import { found } from './support/founded.mjs';
import { overlane, PROGRAM, startOverlane } from './support/overlane.mjs';

/** Ends with the suite: what `t.after` is to one test. */
const ending = [];
const suite = { after: (end) => ending.unshift(end) };
const seen = new Set();
let network;
let env;
let neighbours;
let folder;

before(async () => {
  folder = scratch(suite, 'cli');
  network = await found(suite, ['ATL', 'LAX']);
  const { founder, daemons } = network;
  // As a neighbour of its configuration LAX can be named while there is no link to it.
  neighbours = [{ name: 'LAX', addresses: [daemons.LAX.endpoint] }];
  founder.configure({ neighbours });
  await founder.handle.reload();
  env = { OVERLANE_STATE: network.founder.state, OVERLANE_CONFIG: network.founder.configFile };
  await until('both know each other', async () => {
    const { members } = await network.founder.handle.status();
    return members.some(({ name, isReachable }) => name === 'LAX' && isReachable);
  });
});

after(async () => {
  for (const end of ending) await end();
});

const described = (path) => COMMANDS.find((command) => command.path === path);

/** Runs a command with `--json` and checks the document against the command's own description. */
async function json(path, args = [], { exit = 0, missing = [], ...options } = {}) {
  const command = described(path);
  assert.notEqual(command, undefined, `there is no command '${path}'`);
  const words = [...path.split(' '), ...args, '--json'];
  const { code, stdout, stderr } = await overlane(words, { env, ...options });
  const text = command.reportsTo === 'stderr' ? stderr : stdout;
  assert.equal(code, exit, `overlane ${words.join(' ')}: ${stdout}${stderr}`);
  const document = JSON.parse(text.trim().split('\n').at(-1));
  checkDocument(command, document, missing);
  seen.add(path);
  return document;
}

/** All fields that are documented, and no other; lists of things have things as documented. */
function checkDocument(command, document, missing) {
  const { schema, ...data } = document;
  const version = command.schemaVersion ?? 1;
  assert.equal(schema, `overlane.${command.path.replaceAll(' ', '-')}/${version}`);
  const fields = Object.keys(command.fields);
  for (const key of Object.keys(data))
    assert.ok(fields.includes(key), `'${key}' is not documented`);
  for (const key of fields)
    assert.ok(key in data || missing.includes(key), `'${key}' is documented and not there`);
  for (const [key, text] of Object.entries(command.fields)) {
    const names = /list of \{ ([^}]+) \}/.exec(text)?.[1];
    if (names === undefined || names.includes('...') || data[key] === undefined) continue;
    const known = names.split(',').map((part) => part.split(':')[0].trim());
    for (const item of data[key])
      for (const name of Object.keys(item))
        assert.ok(known.includes(name), `'${name}' of ${key} is not documented`);
  }
}

async function refused(words, { exit, code, ...options }) {
  const outcome = await overlane([...words, '--json'], { env, ...options });
  assert.equal(outcome.code, exit, `${words.join(' ')}: ${outcome.stdout}${outcome.stderr}`);
  const document = JSON.parse(outcome.stdout);
  assert.equal(document.schema, 'overlane.error/1');
  assert.equal(document.code, code);
  for (const key of ['message', 'details', 'isRetryable']) assert.ok(key in document, key);
  return document;
}

describe('completion', { timeout: 60_000 }, () => {
  const shells = {
    bash: (script, line) =>
      `source ${script}; COMP_WORDS=(${line}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _overlane; printf '%s\\n' "\${COMPREPLY[@]}"`,
    zsh: (script, line) =>
      `compdef() { : }; _files() { : }; _describe() { print -l -- "\${(@P)2}" }; source ${script}; words=(${line}); CURRENT=\${#words}; _overlane`,
    fish: (script, line) => `source ${script}; complete -C "${line.replaceAll("''", '')}"`,
  };
  for (const [shell, ask] of Object.entries(shells))
    test(`${shell} proposes commands, and nodes that are there`, {
      ...needs({ programs: [shell] }),
    }, async (t) => {
      const place = scratch(t, shell);
      const program = join(place, 'overlane');
      writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${PROGRAM} "$@"\n`);
      chmodSync(program, 0o755);
      const { stdout } = await overlane(['completion', shell]);
      const script = join(place, 'script');
      writeFileSync(script, stdout);
      const shellEnv = { ...env, PATH: `${place}:${process.env.PATH}`, HOME: place };
      const propose = async (line) => {
        const options = { env: shellEnv, cwd: place };
        const args = shell === 'zsh' ? ['-f', '-c'] : ['-c'];
        const answer = await run(shell, [...args, ask(script, line)], options);
        return answer.stdout.split('\n').map((proposal) => proposal.split(/[\t:]/)[0]);
      };
      assert.ok((await propose('overlane st')).includes('status'));
      const nodes = await propose("overlane ping ''");
      assert.ok(nodes.includes('LAX'), `${shell}: ${nodes.join(' ')}`);
    });
});

describe('every command says what it documents', { timeout: 180_000 }, () => {
  test('status, ping, trace, watch', async () => {
    const { status } = await json('status');
    assert.equal(status.name, 'ATL');
    assert.deepEqual(
      status.routes.map(({ destination }) => destination),
      ['LAX'],
    );
    const { explanations } = await json('status', ['LAX']);
    assert.equal(explanations[0].destination, 'LAX');
    const { metrics } = await json('metrics');
    const up = metrics.find(({ name }) => name === 'overlane_link_up');
    assert.deepEqual(up.samples, [{ labels: { link: 'LAX' }, value: 1 }]);
    const { summary } = await json('ping', ['LAX', '--count', '3', '--interval', '10ms']);
    assert.equal(summary.received, 3);
    const { result } = await json('trace', ['LAX']);
    assert.deepEqual([result.isReached, result.hops.length], [true, 1]);
    await watch();
    const { to, lanes } = await json('lanes', ['LAX']);
    assert.equal(to, 'LAX');
    assert.equal(lanes.find(({ name }) => name === 'remote').refusal, undefined);
    const voice = await json('ping', ['LAX', '--count', '1', '--lane', 'voice']);
    assert.equal(voice.summary.received, 1);
    const mistaken = await overlane(['ping', 'LAX', '--lane', 'vioce'], { env });
    assert.match(mistaken.stderr, /UNKNOWN_LANE/);
    assert.match(mistaken.stderr, /did you mean "voice"/);
  });

  test('why, policy set, policy show, policy check, bench', async () => {
    const { from, flows } = await json('why', ['LAX'], { missing: ['history', 'at', 'routes'] });
    assert.deepEqual([from, flows[0].path.at(-1)], ['ATL', 'LAX']);
    const { history } = await json('why', ['--history'], { missing: ['flows', 'at', 'routes'] });
    assert.ok(history.length > 0);
    const { routes } = await json('why', ['LAX', '--at', new Date().toISOString()], {
      missing: ['flows', 'history'],
    });
    assert.deepEqual([routes[0].path, routes[0].until], [['LAX'], undefined]);
    const never = await overlane(['why', '--at', '25:00'], { env });
    assert.match(never.stderr, /expected such as 14:05/);
    const file = join(folder, 'policy.yaml');
    const rule = { name: 'no-bulk', lanes: ['bulk'], deny: { links: [['ATL', 'LAX']] } };
    writeFileSync(file, stringify({ rules: [rule] }));
    const { rules } = await json('policy set', [file]);
    assert.equal(rules, 1);
    const { policy } = await json('policy show');
    assert.equal(policy.rules[0].name, 'no-bulk');
    const free = await json('policy check', ['ATL', 'LAX']);
    assert.deepEqual(free.path, ['LAX']);
    const denied = await json('policy check', ['ATL', 'LAX', '--lane', 'bulk'], {
      exit: 1,
      missing: ['path', 'latencyMs'],
    });
    assert.match(denied.links[0].denial, /no-bulk/);
    await json('policy set', ['/dev/null']);
    const words = ['--lane', 'default', '--size', '100', '--hops', '1', '--seconds', '1'];
    const { rows } = await json('bench', words, { timeoutMs: 60_000 });
    assert.ok(rows[0].packetsPerSecond > 0);
  });

  test('topology learn, set, show: a file that learn has printed is one that set reads', async () => {
    const learned = await overlane(['topology', 'learn', '--margin', '20%'], { env });
    assert.match(
      learned.stdout,
      /^# 1 links.*\nlinks:\n {2}- \{ between: \[ ATL, LAX \], latencyMin: /,
    );
    const { links } = await json('topology learn');
    assert.deepEqual(links[0].between, ['ATL', 'LAX']);
    const file = join(folder, 'links.yaml');
    writeFileSync(file, learned.stdout);
    const set = await json('topology set', [file]);
    assert.deepEqual([set.links, set.unmatched, set.closed], [1, [], []]);
    const shown = await json('topology show');
    assert.deepEqual(
      shown.links.map(({ between }) => between),
      [['ATL', 'LAX']],
    );
    assert.equal(shown.manifestVersion, set.manifestVersion);
    writeFileSync(file, stringify({ links: [{ between: ['ATL', 'ATL'], latencyMin: '8 ms' }] }));
    const mistaken = await overlane(['topology', 'set', file], { env });
    assert.match(mistaken.stderr, /links\.yaml:\d+: links\[0\]\.latencyMin: .*such as "8\.2ms"/s);
    await json('topology set', ['/dev/null']);
  });

  test('perf report, show, query, best, profile', async () => {
    const report = await json('perf report', ['mirror-1', 'fetch', '0.25']);
    assert.deepEqual([report.to, report.metric, report.value], ['mirror-1', 'fetch', 0.25]);
    await json('perf report', ['mirror-2', 'fetch', '0.75']);
    const { rows } = await json('perf show', ['--metric', 'fetch']);
    assert.deepEqual(rows.map(({ to }) => to).sort(), ['mirror-1', 'mirror-2']);
    const one = await json('perf query', ['ATL', 'mirror-2']);
    assert.equal(one.rows[0].metric, 'fetch');
    const { row } = await json('perf best', ['fetch']);
    assert.equal(row.to, 'mirror-1');
    const { rooms } = await json('profile', ['--for', '1s'], { timeoutMs: 20_000 });
    assert.ok(rooms.length > 0);
  });

  test('link show, link set, log level, reload', async () => {
    const shown = await json('link show');
    assert.equal(shown.links[0].neighbour, 'LAX');
    assert.equal(typeof shown.links[0].incoming.jitterMs, 'number');
    const set = await json('link set', [
      'LAX',
      '--delay',
      '20ms',
      '--loss',
      '1%',
      '--burst-time',
      '1ms',
      '--remote',
      shown.links[0].remote,
    ]);
    assert.equal(set.remote, shown.links[0].remote);
    assert.equal(set.impairments.delayMs, 20);
    assert.equal(set.impairments.loss, 0.01);
    assert.equal(set.impairments.burstTimeMs, 1);
    await json('link set', ['LAX', '--clear'], { missing: ['remote'] });
    const nowhere = await overlane(['link', 'set', 'LAX', '--cut', '--remote', '192.0.2.1:1'], {
      env,
    });
    assert.match(nowhere.stderr, /LAX has no path to 192\.0\.2\.1:1: there are /);
    const { subsystems } = await json('log level', ['debug']);
    assert.ok(Object.values(subsystems).every((level) => level === 'debug'));
    network.founder.configure({ neighbours, log: { level: 'warn' } });
    const { changes } = await json('reload');
    assert.deepEqual(
      changes.map(({ key, effect }) => [key, effect]),
      [['log.level', 'now']],
    );
  });

  test('processors', async () => {
    const { processors } = await json('processors');
    assert.deepEqual(processors, []);
  });

  test('forward and expose: add, list, remove', async () => {
    const port = 9;
    for (const protocol of ['tcp', 'udp']) {
      const added = await json('forward add', [protocol, '0', `LAX:${port}`], {
        missing: ['refusals'],
      });
      assert.match(added.listen, /^127\.0\.0\.1:[1-9]/);
      const { forwards } = await json('forward list');
      assert.deepEqual(
        forwards.map(({ id }) => id),
        [added.id],
      );
      await json('forward remove', added.id.split(' '));
      const rule = await json('expose add', [
        protocol,
        String(port),
        '127.0.0.1:1',
        '--from',
        'LAX',
      ]);
      const { exposes } = await json('expose list');
      assert.deepEqual(
        exposes.map(({ id }) => id),
        [rule.id],
      );
      await json('expose remove', rule.id.split(' '));
    }
  });

  test('pipe: both ends say what they carried', async () => {
    const { LAX } = network.daemons;
    const lax = { env: { OVERLANE_STATE: LAX.state } };
    const listening = json('pipe', ['--listen', '7000'], lax);
    await until('LAX listens', async () => {
      const { sockets } = await LAX.handle.status();
      return sockets.some(({ kind, port }) => kind === 'listener' && port === 7000);
    });
    const sent = await json('pipe', ['LAX:7000'], { input: 'a line\n' });
    const taken = await listening;
    assert.deepEqual([sent.remote, sent.sent, taken.received], ['LAX:7000', 7, 7]);
  });

  test('config check, show, schema', async () => {
    const { file } = await json('config check');
    assert.equal(file, network.founder.configFile);
    const { config } = await json('config show');
    assert.equal(config.log.level, 'warn');
    const { jsonSchema } = await json('config schema');
    assert.equal(jsonSchema.type, 'object');
  });

  test('doctor finds what is well, and what is not', async () => {
    const { findings } = await json('doctor', [], { exit: await doctorExit() });
    for (const { check, severity, fix } of findings)
      if (severity === 'problem') assert.ok(fix, `${check} has no fix`);
    const open = join(network.founder.state, 'identity.json');
    chmodSync(open, 0o644);
    const found = await json('doctor', [], { exit: 1 });
    chmodSync(open, 0o600);
    const finding = found.findings.find(({ fix }) => fix?.includes(open));
    assert.equal(finding?.severity, 'problem');
  });

  test('explain, version, completion, sim, lab', async () => {
    const { entries } = await json('explain');
    assert.ok(entries.length > 40);
    for (const { code, meaning, remedy } of entries) assert.ok(meaning && remedy, code);
    await json('version');
    for (const shell of ['bash', 'zsh', 'fish']) await json('completion', [shell]);
    const { failed } = await json('sim', ['--seeds', '1'], {
      missing: ['descriptions'],
      timeoutMs: 60_000,
    });
    assert.deepEqual(failed, []);
    await lab();
  });

  test('init, invite, join, up, down, revoke', async () => {
    const other = { env: { OVERLANE_STATE: join(folder, 'solo') } };
    const made = await json('init', ['solo', '--name', 'ONE'], other);
    assert.deepEqual([made.network, made.name, made.isLab], ['solo', 'ONE', false]);
    const config = join(folder, 'solo.yaml');
    writeFileSync(config, stringify({ listen: ['127.0.0.1:0'] }));
    const up = await json('up', ['--detach', '--config', config], { ...other, missing: ['exit'] });
    assert.ok(up.pid > 0);
    const down = await json('down', [], other);
    assert.deepEqual([down.name, down.pid], ['ONE', up.pid]);
    const invite = await json('invite', ['NEW'], { missing: ['invites'] });
    const joined = { env: { OVERLANE_STATE: join(folder, 'joined') } };
    const { through, name } = await json('join', [invite.token], joined);
    assert.deepEqual([through, name], ['ATL', 'NEW']);
    const { invites } = await json('invite', ['--list'], {
      missing: ['token', 'name', 'expires', 'addresses'],
    });
    assert.deepEqual(
      invites.map(({ usedBy }) => usedBy),
      ['NEW'],
    );
    const { serials } = await json('revoke', ['LAX']);
    assert.equal(serials.length, 1);
  });

  test('no command was left out', () => {
    const left = COMMANDS.map(({ path }) => path).filter((path) => !seen.has(path));
    assert.deepEqual(left, []);
  });
});

describe('mistakes have their exit codes', { timeout: 60_000 }, () => {
  test('a wrong command line is 2', async () => {
    for (const words of [
      ['stauts'],
      ['ping'],
      ['ping', 'LAX', '--count', 'many'],
      ['status', '--nonsense'],
      ['status', '--x'],
      ['status', '-9'],
    ])
      assert.equal((await overlane(words, { env })).code, 2, words.join(' '));
  });

  test('no daemon is 3, an operation that fails is 4, a bad file is 5', async () => {
    const nowhere = { env: { OVERLANE_STATE: join(folder, 'nowhere') } };
    await refused(['status'], { exit: 3, code: 'DAEMON_UNREACHABLE', ...nowhere });
    await refused(['ping', 'NOWHERE'], { exit: 4, code: 'UNKNOWN_DESTINATION' });
    const file = join(folder, 'wrong.yaml');
    writeFileSync(file, 'listen: ["127.0.0.1:0"]\nlogs: { level: warn }\n');
    const mistake = await refused(['config', 'check', file], { exit: 5, code: 'CONFIG_INVALID' });
    assert.match(mistake.message, /wrong\.yaml:2: unknown key "logs"; did you mean "log"\?/);
    await refused(['up', '--state', join(folder, 'nowhere')], { exit: 5, code: 'STATE_MISSING' });
  });

  test('an answer that is no is 1', async () => {
    const args = ['ping', 'LAX', '--count', '1', '--timeout', '200ms'];
    await until('LAX is out of reach', async () => (await overlane(args, { env })).code !== 0);
  });
});

/** 1 where this machine has a problem of its own, such as a clock that nobody keeps right. */
async function doctorExit() {
  const { stdout } = await overlane(['doctor', '--json'], { env });
  return JSON.parse(stdout).worst === 'problem' ? 1 : 0;
}

/** One event is one document; the last one counts them. */
async function watch() {
  const { child, output, ended } = startOverlane(['watch', '--json'], { env });
  // A path that goes bad and comes back makes links and routes change.
  // Whatever happened before it was watching it does not tell, so the path goes bad again and again.
  let isCut = false;
  await until('an event is printed', async () => {
    isCut = !isCut;
    await network.founder.handle.impair('LAX', { cut: isCut });
    const until = Date.now() + 1_500;
    while (Date.now() < until && !output.stdout.includes('\n')) await pause(20);
    return output.stdout.includes('\n');
  });
  await network.founder.handle.impair('LAX', 'none');
  child.kill('SIGINT');
  const { code, stdout } = await ended;
  assert.ok([0, 130].includes(code), `watch ended with ${code}`);
  const documents = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  for (const document of documents)
    checkDocument(described('watch'), document, ['event', 'events', 'flow']);
  seen.add('watch');
  await until('LAX is back', async () => {
    const { outcome } = await network.founder.handle.ping('LAX', { timeoutMs: 500 });
    return outcome === 'reply';
  });
}

/** A few seconds of it; how good the gaps are is for other tests to say. */
async function lab() {
  const words = ['lab', '--seconds', '3', '--no-story', '--json'];
  const { code, stdout } = await overlane(words, { env, timeoutMs: 90_000 });
  assert.ok([0, 1].includes(code), stdout);
  const document = JSON.parse(stdout);
  checkDocument(described('lab'), document, []);
  assert.ok(document.overlay.received > 0);
  seen.add('lab');
}
