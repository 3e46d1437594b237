/** The process around a command: what went wrong in words, outputs that nobody takes, hangups, and the exit code. */
import { privateDriver, reexecute } from './gpu/mesa.js';
import { errorDetail, errorLine, exitCodeOf, NoAdapterError } from './shared/errors.js';
import { ignoresHangup } from './shared/interrupt.js';
import { guardOutputs, lossLine } from './shared/output.js';

/** Ends the process with the exit code of `work`, or 1 where it is 0 and stdout did not take everything. */
export async function asProcess(work: () => Promise<number>): Promise<never> {
  const written = guardOutputs();
  if (ignoresHangup()) process.on('SIGHUP', () => undefined);
  const code = await work().catch(fail);
  const lost = await written();
  const line = lost && lossLine(lost);
  if (line) say(line);
  // Dawn keeps Node alive, so the end is explicit.
  return process.exit(lost && code === 0 ? 1 : code);
}

async function fail(error: unknown): Promise<number> {
  const driver = error instanceof NoAdapterError ? privateDriver() : undefined;
  if (driver) return reexecute(driver);
  const line = errorLine(error);
  if (line) say(line);
  if (line && process.env['DEBUG']) process.stderr.write(`${errorDetail(error)}\n`);
  return exitCodeOf(error);
}

const say = (line: string): void => void process.stderr.write(`splice-gpu: ${line}\n`);
