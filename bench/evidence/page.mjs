/** docs/evidence.md out of the results. */

export function page(rows) {
  const held = rows.filter((row) => row.holds).length;
  return `${[
    '# Evidence',
    '',
    'Written by `npm run evidence`; not edited by hand. Each figure is a program: repeat one with',
    '`npm run evidence -- NAME`. References are published figures of other systems, or the kernel measured on the',
    'same machine.',
    '',
    `${held} of ${rows.length} bars hold.`,
    '',
    '| name | figure | bar | measured | reference | holds |',
    '|---|---|---|---|---|---|',
    ...rows.map(
      (r) =>
        `| ${[`\`${r.name}\``, r.figure, r.bar, r.measured, r.reference, r.holds ? 'yes' : '**no**'].map(cell).join(' | ')} |`,
    ),
    '',
    '## How each was measured',
    '',
    ...rows.flatMap((row) => [`### ${row.name}`, '', ...how(row), '']),
  ]
    .join('\n')
    .trimEnd()}\n`;
}

const how = (row) => [
  ...(row.how === '' ? [] : [row.how, '']),
  `${row.date}, commit ${row.commit}, Node ${row.node}, ${row.system}, ${row.machine}, load ${row.load} before.`,
  `Again: \`npm run evidence -- ${row.name}\``,
];

const cell = (text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
