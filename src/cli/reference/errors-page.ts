/** docs/errors.md, from the catalogue. */
import { type CatalogueEntry, ERROR_CATALOGUE } from '../error-catalogue.ts';
import { REFUSAL_REASONS, type RefusalReason } from '../refusal-reasons.ts';

export function errorsPage(): string {
  const errors = Object.entries(ERROR_CATALOGUE as Readonly<Record<string, CatalogueEntry>>)
    .sort(byCode)
    .map(
      ([code, e]) => `| \`${code}\` | ${e.meaning} | ${e.remedy} | ${e.isRetryable ? 'yes' : ''} |`,
    );
  const refusals = Object.entries(REFUSAL_REASONS as Readonly<Record<string, RefusalReason>>)
    .sort(byCode)
    .map(([code, r]) => `| \`${code}\` | ${r.meaning} | ${r.remedy} |`);
  return `# Errors

What fails at an interface of ours, in the SDK, on the control API and on the command line, fails with
one of these codes. Branch on the code, never on the text: codes are append-only, texts are not.
\`overlane explain CODE\` prints the entry. *Again* says whether the same call may work later without
anybody changing anything.

This page is generated from \`src/cli/error-catalogue.ts\`.

| code | meaning | what to do | again |
|---|---|---|---|
${errors.join('\n')}

# Refusals

What a peer or the network does wrong is no error of a call. It is refused and counted by reason:
\`overlane status --counters\` shows the counters, \`overlane watch\` the events as they come.
A prefix says what was refused: \`certificate-expired\`, \`manifest-bad-signature\`.

| reason | meaning | what to do |
|---|---|---|
${refusals.join('\n')}
`;
}

const byCode = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number =>
  a < b ? -1 : 1;
