/** Pages written from the code. `export` is a function without arguments that returns the page. */
export const GENERATED_PAGES = [
  { path: 'docs/cli.md', module: 'dist/cli/reference/cli-page.js', export: 'cliPage' },
  { path: 'docs/errors.md', module: 'dist/cli/reference/errors-page.js', export: 'errorsPage' },
  { path: 'docs/lanes.md', module: 'dist/cli/reference/lanes-page.js', export: 'lanesPage' },
  { path: 'docs/margins.md', module: 'dist/cli/reference/margins-page.js', export: 'marginsPage' },
  { path: 'docs/limits.md', module: 'dist/cli/reference/limits-page.js', export: 'limitsPage' },
  {
    path: 'docs/config.md',
    module: 'dist/daemon/config-reference.js',
    export: 'renderConfigReference',
  },
  {
    path: 'docs/config.schema.json',
    module: 'dist/daemon/config-reference.js',
    export: 'renderConfigSchema',
  },
];
