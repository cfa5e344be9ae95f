/** Runs a program in the project's folder to its end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

/** Resolves with exit code and output; a code that is not in `codes` rejects. */
export async function runProgram(program, args, { cwd = PROJECT, env, codes = [0, 1] } = {}) {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text;
  });
  const [code] = await once(child, 'close');
  if (!codes.includes(code))
    throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${errors.slice(-500)}`);
  return { code, output, errors };
}
