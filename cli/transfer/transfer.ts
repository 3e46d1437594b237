/** The work of `splice-gpu transfer`: a new run, or one taken up again. */
import type { Engine } from '../../engine/index.js';
import type { openJudge } from '../../model/compare/judge.js';
import type { SpliceOptions } from '../../model/method/options.js';
import type { startSplice } from '../../model/training/pair.js';
import type { VitSettings } from '../../model/vit/settings.js';
import type { AdapterSummary } from '../gpu/device.js';
import { readInputs, type Inputs } from './inputs.js';
import { openOutputs, reopenOutputs } from '../run/folder.js';
import type { Output } from '../shared/progress.js';
import { readSavedRun, type ResumeOptions } from '../run/config.js';
import { trainPair } from '../run/run.js';

export interface TransferOptions {
  readonly structure: string;
  readonly appearance: string;
  readonly out: string;
  /** A known model's name, `auto`, or the path of a weight file. */
  readonly model: string;
  readonly vit: VitSettings;
  /** Shorter side both photos are brought to; as they are when absent. */
  readonly size?: number;
  readonly saveEvery: number;
  readonly json: boolean;
  readonly force: boolean;
  /** Port of the page that shows the run, 0 for any free one; no page when absent. */
  readonly watch?: number;
  readonly splice: SpliceOptions;
  /** A generator for all pairs to begin with, instead of a new one of the recipe's. */
  readonly generator?: { readonly path: string; readonly sha256: string };
}

export interface OpenedEngine {
  readonly engine: Engine;
  readonly adapter: AdapterSummary;
  close(): void;
}

/** What the work needs from outside; tests give their own. */
export interface TransferParts {
  openEngine(): Promise<OpenedEngine>;
  readonly startSplice: typeof startSplice;
  readonly openJudge: typeof openJudge;
  readonly interrupt: AbortSignal;
  readonly stdout: Output;
  readonly stderr: Output;
}

/** Trains one pair. Answers with the exit code: 0, or 130 when interrupted. Throws before anything is created if an input is wrong. */
export async function transfer(options: TransferOptions, parts: TransferParts): Promise<number> {
  const inputs = await readInputs(options, parts);
  const outputs = await openOutputs(options.out, options.force);
  try {
    return await trainPair({ options, inputs, outputs }, await withStart(options, inputs, parts));
  } finally {
    await outputs.close();
  }
}

/** Goes on with the run in a folder, from its last checkpoint, with everything as its config.json says. Answers like `transfer`. */
export async function resumeTransfer(resume: ResumeOptions, parts: TransferParts): Promise<number> {
  await readSavedRun(resume); // before anything is created
  const outputs = await reopenOutputs(resume.folder);
  try {
    const { options, config } = await readSavedRun(resume);
    const inputs = await readInputs(options, parts);
    const going = { ...options, ...(resume.watch !== undefined && { watch: resume.watch }) };
    return await trainPair({ options: going, inputs, outputs, saved: config }, await withStart(options, inputs, parts));
  } finally {
    await outputs.close();
  }
}

/** A run that begins with a generator for all pairs starts in its own way. */
const withStart = async ({ generator }: TransferOptions, inputs: Inputs, parts: TransferParts): Promise<TransferParts> =>
  generator ? { ...parts, startSplice: await (await import('./finetune.js')).generalStart(generator, inputs) } : parts;
