#!/usr/bin/env node
/** The executable: runs one command line, prints what went wrong, and ends the process with the exit code. */
import { privateDriver, reexecute } from './gpu/mesa.js';
import { run } from './main.js';
import { errorDetail, errorLine, exitCodeOf, NoAdapterError } from './shared/errors.js';

async function fail(error: unknown): Promise<number> {
  const driver = error instanceof NoAdapterError ? privateDriver() : undefined;
  if (driver) return reexecute(driver);
  const line = errorLine(error);
  if (line) process.stderr.write(`splice-gpu: ${line}\n`);
  if (line && process.env['DEBUG']) process.stderr.write(`${errorDetail(error)}\n`);
  return exitCodeOf(error);
}

process.stdout.on('error', () => process.exit(1)); // the reader of a pipe has left
process.stderr.on('error', () => undefined); // a training goes on without its progress
const code = await run(process.argv).catch(fail);
// Dawn keeps Node alive, so the end is explicit; a piped stdout is written out before.
process.stdout.write('', () => process.exit(code));
