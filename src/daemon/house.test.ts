/** What the pages and files around the daemon say of it is true. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { formatConfigProblem } from './config.ts';
import { CONTROL_ROUTES } from './control-routes.ts';
import { parseConfig } from './load-config.ts';
import { DAEMON_NODE_ARGUMENTS } from './run-daemon.ts';

const root = new URL('../../', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, root), 'utf8');

test('docs/api.md describes every route, and no other', () => {
  const page = read('docs/api.md');
  const told = new Set(
    [...page.matchAll(/`(GET|POST|PUT|DELETE) (\/v1\/[a-z]+)(\/[A-Z]+)?/g)].map(
      ([, method, path, name]) => `${method} ${path}${name === undefined ? '' : '/'}`,
    ),
  );
  const real = new Set(CONTROL_ROUTES.map(({ method, path }) => `${method} ${path}`));
  const upgrades = ['datagram', 'stream', 'listen', 'accept', 'watch'].map((u) => `GET /v1/${u}`);
  assert.deepEqual([...told].sort(), [...real, ...upgrades].sort());
});

test('the configs of the compose example parse', async () => {
  const files = readdirSync(new URL('packaging/compose/', root)).filter((f) => f.endsWith('.yaml'));
  assert.equal(files.length, 3);
  for (const file of files) {
    const parsed = await parseConfig(read(`packaging/compose/${file}`), file);
    assert.ok(parsed.ok, parsed.ok ? '' : parsed.reason.map(formatConfigProblem).join('\n'));
  }
});

test('the compose example starts a node for each config', () => {
  const { services, volumes } = parse(read('packaging/compose.yaml'), { merge: true }) as {
    services: Record<string, { environment: { NODE_NAME: string }; volumes: string[] }>;
    volumes: Record<string, unknown>;
  };
  for (const [name, service] of Object.entries(services)) {
    assert.equal(service.environment.NODE_NAME, name.toUpperCase());
    for (const volume of service.volumes.filter((v) => !v.startsWith('.')))
      assert.ok(volume.split(':')[0]! in volumes, volume);
  }
});

test('whatever starts a daemon gives Node the same arguments', () => {
  const words = DAEMON_NODE_ARGUMENTS.join(' ');
  const list = DAEMON_NODE_ARGUMENTS.map((word) => `"${word}"`).join(', ');
  assert.ok(read('packaging/overlane.service').includes(`node ${words} `));
  assert.ok(read('packaging/compose/node.sh').includes(`node ${words} `));
  assert.ok(read('packaging/Containerfile').includes(list));
});

test('the unit gives the daemon a private state directory and no privileges', () => {
  const unit = read('packaging/overlane.service');
  for (const line of ['DynamicUser=yes', 'StateDirectoryMode=0700', 'NoNewPrivileges=yes'])
    assert.ok(unit.includes(`\n${line}\n`), line);
});
