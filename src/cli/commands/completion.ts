import { OverlayError } from '../../kernel/index.ts';
import { type DefinedCommand, defineCommand } from '../command.ts';
import { COMPLETION_SCRIPTS, SHELLS, type Shell } from '../completion-scripts.ts';

export const completionCommand: DefinedCommand = defineCommand<
  Record<never, never>,
  [shell: Shell]
>({
  path: 'completion',
  brief: 'Print the completion script for bash, zsh or fish',
  description:
    'The script completes commands, options and, while the daemon is up, the names of live nodes.',
  examples: [
    { line: 'source <(overlane completion bash)', note: 'this shell, now' },
    {
      line: 'overlane completion zsh > "$' + '{fpath[1]}/_overlane"',
      note: 'every zsh from now on',
    },
    {
      line: 'overlane completion fish > ~/.config/fish/completions/overlane.fish',
      note: 'every fish from now on',
    },
  ],
  fields: { shell: 'the shell', script: 'the script' },
  positional: {
    kind: 'tuple',
    parameters: [
      {
        brief: SHELLS.join(', '),
        placeholder: 'SHELL',
        parse: parseShell,
        proposeCompletions: () => SHELLS,
      },
    ],
  },
  run(_context, _flags, shell) {
    const script = COMPLETION_SCRIPTS[shell];
    return Promise.resolve({ data: { shell, script }, text: script.trimEnd() });
  },
});

function parseShell(text: string): Shell {
  const shell = SHELLS.find((s) => s === text);
  if (shell === undefined) throw new OverlayError('USAGE', `one of ${SHELLS.join(', ')}`);
  return shell;
}
