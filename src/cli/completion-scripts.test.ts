import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { COMPLETION_SCRIPTS, SHELLS } from './completion-scripts.ts';

/** Skips where the shell is not installed. */
const missing = (shell: string): string | false =>
  spawnSync(shell, ['-c', 'true']).status === 0 ? false : `${shell} is not installed`;

for (const shell of SHELLS)
  test(`the ${shell} script is sound to ${shell}`, { skip: missing(shell) }, () => {
    const flag = shell === 'fish' ? '--no-execute' : '-n';
    const script = COMPLETION_SCRIPTS[shell];
    const run = spawnSync(shell, [flag, '-c', script], { encoding: 'utf8' });
    assert.equal(run.status, 0, run.stderr);
  });

test('bash completes with the words proposed, spaces and colons kept', {
  skip: missing('bash'),
}, () => {
  const script = `${COMPLETION_SCRIPTS.bash}
overlane() { printf 'LAX:\\tnode\\nLAS VEGAS\\tnode\\nATL\\tnode\\n'; }
COMP_WORDS=(overlane pipe LA) COMP_CWORD=2
_overlane
printf '<%s>' "\${COMPREPLY[@]}"`;
  const run = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
  assert.equal(run.stdout, '<LAX:><LAS VEGAS>', run.stderr);
});

test('bash asks with the words up to the cursor', { skip: missing('bash') }, () => {
  const script = `${COMPLETION_SCRIPTS.bash}
overlane() { printf '%s\\t\\n' "$(printf '[%s]' "$@")"; }
COMP_WORDS=(overlane link set "") COMP_CWORD=3
_overlane
printf '%s' "\${COMPREPLY[@]}"`;
  const run = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
  assert.equal(run.stdout, '[__complete][link][set][]', run.stderr);
});
