/** What a training on many pairs keeps: its log, its generator, what held-out pairs look like, and checkpoints. */
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { ConditionScale } from '../../model/anyPair/condition.js';
import { toAnyPairFile, type AnyPairSetup } from '../../model/anyPair/file.js';
import type { AnyPairRun } from '../../model/anyPair/training.js';
import type { Identity } from '../run/checkpoints.js';
import { NonFiniteError } from '../shared/errors.js';
import type { LogEntry } from '../run/curve.js';
import type { Outputs } from '../run/folder.js';
import type { Progress } from '../shared/progress.js';
import type { LoopHooks } from '../run/loop.js';
import { version } from '../shared/version.js';
import type { TrainOptions } from './train.js';
import type { Validation, Validator } from './validation.js';
import type { TrainWatch } from './watch.js';

export interface Kept {
  readonly options: TrainOptions;
  readonly outputs: Outputs;
  readonly run: AnyPairRun;
  readonly log: LogEntry[];
  readonly progress: Progress;
  readonly watch: TrainWatch;
  readonly identity: Identity;
  readonly setup: AnyPairSetup;
  readonly scale: ConditionScale;
  /** Absent when nothing is held out. */
  readonly validator?: Validator;
  /** What was found before the run was taken up again. */
  readonly history: Entry[];
}

/** A look at held-out pairs, and after how many steps. */
export type Entry = Validation & { readonly step: number };

/** The looks of an earlier stretch of the run, up to `steps`; none where report.json is missing or no such file. */
export async function readHistory(folder: string, steps: number): Promise<Entry[]> {
  try {
    const { validation } = JSON.parse(await readFile(join(folder, 'report.json'), 'utf8')) as { validation: Entry[] };
    return validation.filter(({ step }) => step <= steps);
  } catch {
    return [];
  }
}

/** Only generators without NaN are written. */
export function createKeeper({ options, outputs, run, log, progress, watch, identity, setup, scale, validator, history }: Kept) {
  const began = Date.now();
  const seconds = (): number => Number(((Date.now() - began) / 1000).toFixed(1));
  const { seed, recipe } = options.general;

  const validate = async (steps: number, weights: Awaited<ReturnType<AnyPairRun['average']>>): Promise<void> => {
    if (!validator) return;
    const { figures, picture } = await validator.validate(weights);
    if (history.at(-1)?.step === steps) history.pop(); // once more at the end of a stretch
    history.push({ step: steps, ...figures });
    await outputs.preview(steps, picture);
    await outputs.result(picture, { Software: `splice-gpu ${version()}`, Steps: String(steps), Figures: JSON.stringify(figures) });
    await outputs.report({ validation: history });
    await watch.saved(steps, picture);
    progress.note(sentence(steps, figures));
  };
  const save = async (): Promise<void> => {
    const steps = run.stepsDone;
    const weights = await run.average();
    if (![...weights.values()].every(({ data }) => data.every(Number.isFinite))) {
      throw new NonFiniteError(`after ${steps} steps the generator holds values that are not finite: try a smaller --lr`);
    }
    const { tensors, metadata } = toAnyPairFile({ setup, weights, scale });
    await outputs.generator(tensors, { ...metadata, steps: String(steps), seed: String(seed) });
    await validate(steps, weights);
    await outputs.curve(log, `${recipe}: all pairs of ${basename(resolve(options.structures))}, seed ${seed}`);
    await outputs.checkpoints.write({ state: await run.state(), identity, logBytes: await outputs.log.keep(), seconds: seconds() });
  };
  const hooks: LoopHooks = {
    onLosses: async (entry, ms) => {
      log.push(entry);
      await outputs.log.append(entry, ms);
      watch.losses(entry);
    },
    onSave: save,
    onStep: (done, phase) => {
      progress.update(done, phase, log.at(-1));
      watch.step(done, phase);
    },
    between: watch.between,
  };
  return { hooks, save, seconds };
}

const sentence = (steps: number, { structure, appearance, unchangedAppearance, retrieved, appearances }: Validation): string =>
  `held out, after ${steps} steps: structure ${structure.toFixed(4)}, appearance ${appearance.toFixed(3)} (unchanged ${unchangedAppearance.toFixed(3)}), own appearance found ${retrieved} of ${appearances}`;
