/**
 * The commands as a person uses them, with two real daemons on this machine: found a network, invite,
 * join, start, look, carry bytes, stop. Exit codes and JSON are part of what is checked.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'overlane-commands-'));
const state = (name) => join(root, name);
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** A started `overlane ...`; `done` resolves with { code, out, err }, `out` in bytes. */
function start(node, words, input) {
  const env = { ...process.env, OVERLANE_STATE: state(node), OVERLANE_SOCKET: '', NO_COLOR: '1' };
  const child = spawn(process.execPath, [PROGRAM, ...words], { env });
  const out = [];
  let err = '';
  child.stdout.on('data', (chunk) => out.push(chunk));
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  const done = once(child, 'close').then(([code]) => ({ code, out: Buffer.concat(out), err }));
  return { child, done };
}

const overlane = (node, words, input) => start(node, words, input).done;

async function json(node, words) {
  const { code, out, err } = await overlane(node, [...words, '--json']);
  return { code, data: JSON.parse(String(out) || err) };
}

/** Asks again until the answer is good; each wait has a bound, none a fixed time. */
async function until(what, ask, timeoutMs = 20_000) {
  const end = Date.now() + timeoutMs;
  while (true) {
    const answer = await ask();
    if (answer) return answer;
    assert.ok(Date.now() < end, `in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

before(() => {
  for (const name of ['ATL', 'LAX']) {
    mkdirSync(state(name), { mode: 0o700 });
    writeFileSync(join(state(name), 'overlane.yaml'), 'listen: ["127.0.0.1:0"]\n', { mode: 0o600 });
  }
});

after(async () => {
  for (const name of ['ATL', 'LAX']) await overlane(name, ['down']);
  rmSync(root, { recursive: true, force: true });
});

describe('a network of two nodes', { timeout: 120_000 }, () => {
  test('init founds it, up --detach starts it, and neither works twice', async () => {
    const made = await json('ATL', ['init', 'acme', '--name', 'ATL', '--lab']);
    assert.equal(made.code, 0, JSON.stringify(made.data));
    assert.deepEqual([made.data.schema, made.data.name], ['overlane.init/1', 'ATL']);
    const again = await json('ATL', ['init', 'acme', '--name', 'ATL']);
    assert.deepEqual([again.code, again.data.code], [5, 'ALREADY_MEMBER']);
    assert.equal((await overlane('ATL', ['status'])).code, 3);
    const up = await overlane('ATL', ['up', '--detach']);
    assert.equal(up.code, 0, up.err);
    const second = await json('ATL', ['up']);
    assert.deepEqual([second.code, second.data.code], [5, 'STATE_LOCKED']);
  });

  test('invite prints a token that joins one node, once', async () => {
    const invite = await overlane('ATL', ['invite', 'LAX']);
    assert.equal(invite.code, 0, invite.err);
    const token = String(invite.out).trim();
    assert.match(token, /^ovl1_\S+$/);
    const mistyped = `${token.slice(0, -4)}AAAA`;
    const wrong = await json('LAX', ['join', mistyped]);
    assert.deepEqual([wrong.code, wrong.data.code], [2, 'TOKEN_INVALID']);
    const joined = await overlane('LAX', ['join', '-'], `${token}\n`);
    assert.equal(joined.code, 0, joined.err);
    mkdirSync(state('EVE'), { mode: 0o700 });
    const eve = await json('EVE', ['join', token]);
    assert.deepEqual([eve.code, eve.data.code], [4, 'JOIN_REFUSED']);
    assert.equal(eve.data.details.reason, 'TOKEN_USED');
    assert.equal(statSync(join(state('LAX'), 'identity.json')).mode & 0o777, 0o600);
  });

  test('the two find each other, and status, ping and trace say how', async () => {
    const up = await overlane('LAX', ['up', '-d']);
    assert.equal(up.code, 0, up.err);
    await until(
      'ATL has a route to LAX',
      async () => (await overlane('ATL', ['status', 'LAX'])).code === 0,
    );
    const { data } = await json('ATL', ['status']);
    assert.equal(data.schema, 'overlane.status/1');
    assert.deepEqual(data.status.routes[0].path, ['LAX']);
    const ping = await json('ATL', ['ping', 'LAX', '-c', '3', '-i', '10ms']);
    assert.equal(ping.data.summary.received, 3);
    const trace = await overlane('ATL', ['trace', 'LAX']);
    assert.match(String(trace.out), /CONSIDERED/);
    const unknown = await json('ATL', ['ping', 'NOWHERE']);
    assert.deepEqual([unknown.code, unknown.data.code], [4, 'UNKNOWN_DESTINATION']);
  });

  test('pipe carries a file whole', async () => {
    const file = randomBytes(2_000_000);
    const taking = start('LAX', ['pipe', '--listen', '7000']);
    const sent = await until('LAX listens', async () => {
      const sending = await overlane('ATL', ['pipe', 'LAX:7000'], file);
      return sending.code === 0 ? sending : undefined;
    });
    const taken = await taking.done;
    assert.equal(taken.code, 0, taken.err);
    assert.equal(sha256(taken.out), sha256(file));
    assert.match(sent.err, /2\.0 MB sent/);
  });

  test('forward and expose carry a TCP connection, and end when removed', async () => {
    const server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const to = `127.0.0.1:${server.address().port}`;
    const exposed = await overlane('LAX', ['expose', 'add', 'tcp', '7', to, '--from', 'ATL']);
    assert.equal(exposed.code, 0, exposed.err);
    const { data: forward } = await json('ATL', ['forward', 'add', 'tcp', '0', 'LAX:7']);
    const port = Number(forward.listen.split(':')[1]);
    const { connect } = await import('node:net');
    const client = connect(port, '127.0.0.1');
    client.end('hello over there');
    const chunks = [];
    for await (const chunk of client) chunks.push(chunk);
    assert.equal(String(Buffer.concat(chunks)), 'hello over there');
    const removed = await overlane('ATL', ['forward', 'remove', ...forward.id.split(' ')]);
    assert.equal(removed.code, 0, removed.err);
    const left = await json('ATL', ['forward', 'list']);
    assert.deepEqual(left.data.forwards, []);
    server.close();
  });

  test('link set impairs, log level and reload change what they say', async () => {
    const cut = await json('ATL', ['link', 'set', 'LAX', '--delay', '20ms']);
    assert.equal(cut.data.impairments.delayMs, 20);
    const cleared = await overlane('ATL', ['link', 'set', 'LAX', '--clear']);
    assert.match(String(cleared.out), /LAX +none/);
    const level = await json('ATL', ['log', 'level', 'debug', '--subsystem', 'link']);
    assert.equal(level.data.subsystems.link, 'debug');
    const config = join(state('ATL'), 'overlane.yaml');
    writeFileSync(config, 'listen: ["127.0.0.1:0"]\nlog: { level: warn }\n');
    const reload = await json('ATL', ['reload']);
    const [change] = reload.data.changes;
    assert.deepEqual([change.key, change.effect], ['log.level', 'now']);
    writeFileSync(config, 'listen: ["127.0.0.1:0"]\nlogs: {}\n');
    const wrong = await overlane('ATL', ['reload']);
    assert.equal(wrong.code, 5);
    assert.match(wrong.err, /overlane\.yaml:2: unknown key "logs"; did you mean "log"\?/);
    const check = await overlane('ATL', ['config', 'check']);
    assert.equal(check.code, 5);
    writeFileSync(config, 'listen: ["127.0.0.1:0"]\n');
  });

  test('doctor finds our part well, and a file that others can read', async () => {
    const { data } = await json('ATL', ['doctor']);
    const ours = ['configuration', 'state-permissions', 'daemon', 'certificate', 'reachability'];
    for (const finding of data.findings.filter((f) => ours.includes(f.check)))
      assert.equal(finding.severity, 'ok', finding.text);
    const open = join(state('ATL'), 'daemon.log');
    chmodSync(open, 0o644);
    const found = await json('ATL', ['doctor']);
    assert.equal(found.code, 1);
    assert.ok(found.data.findings.some((f) => f.fix === `chmod 600 ${open}`));
    chmodSync(open, 0o600);
  });

  test('revoke takes LAX out, and down ends both', async () => {
    const revoked = await overlane('ATL', ['revoke', 'LAX']);
    assert.equal(revoked.code, 0, revoked.err);
    await until(
      'LAX is unreachable',
      async () => (await overlane('ATL', ['ping', 'LAX', '-c', '1'])).code !== 0,
    );
    for (const name of ['ATL', 'LAX']) {
      const down = await overlane(name, ['down']);
      assert.equal(down.code, 0, down.err);
      assert.equal((await overlane(name, ['status'])).code, 3);
    }
  });
});
