import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { LOG_SUBSYSTEMS } from './config.ts';
import { Logs } from './log.ts';

const CONFIG = { level: 'info', file: undefined, subsystems: { link: 'debug' } } as const;

function captured(): { logs: Logs; lines: { subsystem: string; message: string }[] } {
  const lines: { subsystem: string; message: string }[] = [];
  const target = { write: (line: string) => lines.push(JSON.parse(line)) };
  return { logs: new Logs(CONFIG, { name: 'ATL', target }), lines };
}

test('each subsystem logs at its own level', () => {
  const { logs, lines } = captured();
  logs.for('link').debug({ neighbour: 'DFW' }, 'link up');
  logs.for('route').debug({}, 'not told');
  logs.for('route').info({ destination: 'LAX' }, 'route changed');
  assert.deepEqual(
    lines.map((line) => [line.subsystem, line.message]),
    [
      ['link', 'link up'],
      ['route', 'route changed'],
    ],
  );
  assert.deepEqual(
    { ...lines[0], time: undefined },
    {
      level: 'debug',
      node: 'ATL',
      subsystem: 'link',
      neighbour: 'DFW',
      message: 'link up',
      time: undefined,
    },
  );
});

test('a level changed for a while goes back to the configured one', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { logs } = captured();
    logs.change({ subsystem: 'route', level: 'trace', forMs: 300_000 });
    assert.equal(logs.levels().route, 'trace');
    assert.equal(logs.levels().link, 'debug');
    mock.timers.tick(300_000);
    assert.equal(logs.levels().route, 'info');
    logs.change({ level: 'error', forMs: 1_000 });
    assert.ok(LOG_SUBSYSTEMS.every((name) => logs.levels()[name] === 'error'));
    logs.change({ level: 'warn' });
    mock.timers.tick(10_000);
    assert.equal(logs.levels().api, 'warn', 'a lasting change ends the passing one');
    logs.reconfigure(CONFIG);
    assert.equal(logs.levels().link, 'debug');
    assert.equal(logs.levels().api, 'info');
  } finally {
    mock.timers.reset();
  }
});

test('an unknown level or subsystem is refused', () => {
  const { logs } = captured();
  assert.throws(() => logs.change({ level: 'loud' as 'info' }), { code: 'BAD_ARGUMENT' });
});
