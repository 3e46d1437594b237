/** Ensures that a folder holds a finished transfer: an existing one, an interrupted one resumed, or a new one. */
import { join } from 'node:path';
import { planOf } from '../run/about.js';
import { objectOf, parseConfig, readConfigOf } from '../run/config.js';
import { quietly, type Parts } from '../run/parts.js';
import { exists } from '../shared/files.js';
import { differenceOf, parseOptions, type TransferOptions } from './options.js';
import { continueTransfer, startTransfer } from './start.js';
import { TO_THE_END } from './until.js';

export interface Ensuring {
  /** Called when the folder has a run with another `setting`: throws, or returns and the run is replaced. */
  onOther(setting: string): void;
  note(text: string): void;
}

/** Returns the exit code of `transfer`. Nothing is printed on stdout. @throws InputError when the folder's run is damaged */
export async function ensureTransfer(options: TransferOptions, parts: Parts, { onOther, note }: Ensuring): Promise<number> {
  const quiet = quietly(parts);
  const { out, until = TO_THE_END } = options;
  if (!(await exists(join(out, 'config.json')))) return startTransfer(options, quiet);
  const config = await readConfigOf('transfer', out);
  // A number of steps that was chosen stays what it is.
  const steps = options.choose?.includes('steps') ? planOf(config).steps : options.splice.steps;
  const resume = { folder: out, steps, until, json: false };
  const isLonger = Number(config['stepsDone'] ?? 0) > steps;
  const saved = parseConfig(out, () => parseOptions(config, resume));
  const changed = differenceOf(saved, options) ?? (isLonger ? 'number of steps' : undefined);
  if (changed) {
    onOther(changed);
    return startTransfer({ ...options, force: true }, quiet);
  }
  const { steps: planned, until: wanted = TO_THE_END } = objectOf('options', config['options']);
  const isComplete = config['stepsDone'] === steps || (config['ended'] !== undefined && planned === steps && wanted === until);
  if (config['status'] === 'finished' && isComplete) {
    note('done already');
    return 0;
  }
  note('resuming');
  return continueTransfer(resume, quiet);
}
