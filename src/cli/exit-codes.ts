/** Exit codes of every command; listed in docs/cli.md. Scripts may rely on them: append only. */
export const EXIT = {
  ok: 0,
  /** The command worked and its answer is no: no reply, a fault found, a scenario failed. */
  negative: 1,
  usage: 2,
  /** No daemon answers on the socket. */
  noDaemon: 3,
  /** The operation failed; the error names its code. */
  failed: 4,
  /** Configuration or state directory is not usable. */
  configuration: 5,
  /** A defect of ours. */
  internal: 70,
  /** Ctrl-C: 128 + SIGINT. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_MEANINGS: readonly (readonly [ExitCode, string])[] = [
  [EXIT.ok, 'it worked'],
  [
    EXIT.negative,
    'it worked and the answer is no: no reply, not reached, a finding, a failed check',
  ],
  [EXIT.usage, 'the command line is wrong'],
  [EXIT.noDaemon, 'no daemon answers on the control socket'],
  [EXIT.failed, 'the operation failed; the message names a code for `overlane explain`'],
  [EXIT.configuration, 'the configuration or the state directory cannot be used'],
  [EXIT.internal, 'a defect in overlane; please report it'],
  [EXIT.interrupted, 'interrupted with Ctrl-C'],
];
