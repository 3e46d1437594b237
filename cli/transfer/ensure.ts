/** Ensures that a folder holds a finished transfer: an existing one, an interrupted one resumed, or a new one. */
import { join } from 'node:path';
import { parseConfig, readConfigOf } from '../run/config.js';
import type { Parts } from '../run/parts.js';
import { exists } from '../shared/files.js';
import { differenceOf, parseOptions, type TransferOptions } from './options.js';
import { resumeTransfer, transfer } from './transfer.js';

export interface Ensuring {
  /** Called when the folder has a run with another `setting`: throws, or returns and the run is replaced. */
  onOther(setting: string): void;
  note(text: string): void;
}

/** Returns the exit code of `transfer`. Nothing is printed on stdout. @throws InputError when the folder's run is damaged */
export async function ensureTransfer(options: TransferOptions, parts: Parts, { onOther, note }: Ensuring): Promise<number> {
  const quiet = { ...parts, stdout: { write: () => undefined } };
  const { out, splice: { steps } } = options;
  if (!(await exists(join(out, 'config.json')))) return transfer(options, quiet);
  const resume = { folder: out, steps, json: false };
  const config = await readConfigOf('transfer', out);
  const isLonger = Number(config['stepsDone'] ?? 0) > steps;
  const saved = parseConfig(out, () => parseOptions(config, resume));
  const changed = differenceOf(saved, options) ?? (isLonger ? 'number of steps' : undefined);
  if (changed) {
    onOther(changed);
    return transfer({ ...options, force: true }, quiet);
  }
  if (config['status'] === 'finished' && config['stepsDone'] === steps) {
    note('done already');
    return 0;
  }
  note('resuming');
  return resumeTransfer(resume, quiet);
}
