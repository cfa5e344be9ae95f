import { nearestSpelling, OverlayError } from '../../kernel/index.ts';
import { type DefinedCommand, defineCommand } from '../command.ts';
import { catalogueEntry, ERROR_CATALOGUE } from '../error-catalogue.ts';
import { REFUSAL_REASONS } from '../refusal-reasons.ts';
import { facts, table } from '../views/table.ts';

const allCodes = (): string[] => [
  ...Object.keys(ERROR_CATALOGUE).sort(),
  ...Object.keys(REFUSAL_REASONS).sort(),
];

export const explainCommand: DefinedCommand = defineCommand<Record<never, never>, [code?: string]>({
  path: 'explain',
  brief: 'Say what an error code or a refusal reason means, and what to do',
  examples: [
    { line: 'overlane explain UNREACHABLE', note: 'an error code' },
    { line: 'overlane explain not-yet-valid', note: 'why a node was refused' },
    { line: 'overlane explain', note: 'all of them' },
  ],
  fields: { entries: 'list of { code, area, meaning, remedy, isRetryable }' },
  positional: {
    kind: 'tuple',
    parameters: [
      {
        brief: 'The code',
        placeholder: 'CODE',
        parse: String,
        optional: true,
        proposeCompletions: allCodes,
      },
    ],
  },
  run(context, _flags, code) {
    const { paint } = context;
    const codes = code === undefined ? allCodes() : [canonical(code)];
    const entries = codes.map((c) => ({ code: c, ...catalogueEntry(c)! }));
    if (code === undefined) {
      const rows = entries.map((e) => [e.code, e.meaning]);
      const text = table({ paint, columns: ['CODE', 'MEANING'], rows, indent: '' });
      return Promise.resolve({ data: { entries }, text });
    }
    const [entry] = entries;
    const { meaning, remedy, isRetryable } = entry!;
    const retry = isRetryable === true ? 'may work by itself later' : 'fails until it is mended';
    const rows: (readonly [string, string])[] = [
      ['meaning', meaning],
      ['to do', remedy],
    ];
    if (entry!.area !== 'refusal') rows.push(['again', retry]);
    const text = `${paint('bold', entry!.code)}\n${facts(rows, paint)}`;
    return Promise.resolve({ data: { entries }, text });
  },
});

/** `unreachable` and `not_yet_valid` find their codes too. */
function canonical(given: string): string {
  if (catalogueEntry(given) !== undefined) return given;
  const near = nearestSpelling(given, allCodes());
  const isSame = near !== undefined && folded(near) === folded(given);
  if (isSame) return near;
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  throw new OverlayError('UNKNOWN_CODE', `there is no code '${given}'${hint}`);
}

const folded = (code: string): string => code.toLowerCase().replaceAll('_', '-');
