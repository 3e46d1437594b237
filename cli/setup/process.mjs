/** Child processes of the set-up, its messages and its errors. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/** A problem that the user must solve; the message contains the remedy. */
export class SetupError extends Error {}

/** Prints what is being done on stderr: stdout belongs to the job. */
export const say = (line) => console.error(line);

/** By the convention of shells: the exit code, or 128 plus the number of the signal that ended the process. */
export const exitCodeOf = ({ code, signal }) => code ?? 128 + constants.signals[signal];

/**
 * Runs a program to its end. Its output goes to the terminal, or with `capture` into `text` of the result, both streams together.
 * Ctrl-C reaches the child by itself; this process waits until the child has ended.
 * @returns {Promise<{code: number | null, signal: string | null, text: string}>}
 * @throws SetupError when there is no such program
 */
export function run(program, args, { capture = false, ...options } = {}) {
  const wait = () => {};
  process.on('SIGINT', wait);
  const child = spawn(program, args, { stdio: capture ? ['ignore', 'pipe', 'pipe'] : 'inherit', ...options });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (part) => (text += part));
  const forward = () => child.kill('SIGTERM');
  process.on('SIGTERM', forward);
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(new SetupError(`${program} cannot be started (${error.code ?? error.message})`)));
    child.on('close', (code, signal) => resolve({ code, signal, text }));
  }).finally(() => {
    process.off('SIGINT', wait);
    process.off('SIGTERM', forward);
  });
}
