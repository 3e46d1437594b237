/** Starts and resumes a transfer with one seed or several. */
import { parseConfig, readConfigOf, type ResumeOptions } from '../run/config.js';
import type { Parts } from '../run/parts.js';
import { folderOf } from './moved.js';
import { parseOptions, type TransferOptions } from './options.js';
import { bestOfSeeds, compares, resumeChosen, resumeSeeds } from './seeds/choose.js';
import { settle } from './settle.js';
import { resumeTransfer, transfer } from './transfer.js';
import { writeLine } from '../shared/progress.js';

/** Returns the exit code: 0, or 130 when interrupted. @throws before anything is created if an input is wrong */
export async function startTransfer(options: TransferOptions, parts: Parts): Promise<number> {
  if (!compares(options)) return transfer(options, parts);
  // All seeds are trained alike.
  const settled = await settle(options, parts);
  for (const note of settled.notes) writeLine(parts.stderr, note);
  return bestOfSeeds({ ...settled.options, seeds: options.seeds }, parts);
}

/** Resumes the run in a folder, or in a file that is unpacked first. @throws InputError when there is no transfer in it */
export async function continueTransfer(given: ResumeOptions, parts: Parts): Promise<number> {
  const resume = { ...given, folder: await folderOf(given.folder, parts.stderr) };
  const config = await readConfigOf('transfer', resume.folder);
  const options = parseConfig(resume.folder, () => parseOptions(config, resume));
  if (compares(options)) return resumeSeeds(options, resume, parts);
  return options.seeds ? resumeChosen(resume, options, parts) : resumeTransfer(resume, parts);
}
