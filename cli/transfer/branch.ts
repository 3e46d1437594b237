/**
 * `transfer --from RUN@STEP`: a run that begins as another one did. Its folder gets the other's checkpoint, log and pictures up
 * to that step, as if it had been interrupted there under the new options, and is resumed.
 */
import { join, resolve } from 'node:path';
import { branchedState } from '../../model/training/branch.js';
import { planOf } from '../run/about.js';
import { readCheckpoint, type Checkpoint } from '../run/checkpoints.js';
import { checkSteps, parseConfig, readConfigOf, type Fields } from '../run/config.js';
import { branchPoints } from '../run/kept.js';
import { runLog } from '../run/log.js';
import type { Parts } from '../run/parts.js';
import type { Showing } from '../run/run.js';
import type { Training } from '../run/training.js';
import { InputError, UsageError } from '../shared/errors.js';
import { writeBeginning } from './begin.js';
import { parseOptions, type TransferOptions } from './options.js';
import { compares } from './seeds/choose.js';
import { prepare, resumeTransfer } from './transfer.js';

export interface BranchOptions extends Pick<Showing, 'json' | 'watch'> {
  readonly run: string;
  /** Steps of the training; the newest checkpoint when absent. */
  readonly step?: number;
  readonly out: string;
  readonly force: boolean;
  /** The options that differ, by name, as config.json records them. */
  readonly set: Fields;
  /** Options as for a new run; those that `set` does not name are the other run's. */
  readonly given: Settings & Partial<Photos>;
}

type Photos = Pick<TransferOptions, 'structure' | 'appearance'>;
/** What a run is told besides its photos and its place. */
export type Settings = Omit<TransferOptions, keyof Photos | 'out' | 'force' | 'json'>;

/** Parts of a checkpoint's identity, and the option that another one may be given with. */
const REPLACEABLE = {
  'structure photo': 'structure', 'appearance photo': 'appearance', 'ViT weights': 'model',
  'structure regions': 'structureRegions', 'appearance regions': 'appearanceRegions',
} as const;

/** Returns the exit code as `transfer`. @throws before anything is created if the run, the step or an option is wrong */
export async function branch(options: BranchOptions, parts: Parts): Promise<number> {
  const { run, out, json, watch, set, given } = options;
  const config = await readConfigOf('transfer', run);
  const saved = parseConfig(run, () => parseOptions(config, { folder: run, json: false }));
  if (compares(saved)) throw new UsageError(`${run} is still comparing seeds: resume it before you branch from it`);
  const start = await checkpointOf(run, config, options.step);
  const step = start.state.counters['stepsDone']!;
  const { seeds: _, ...wanted } = { ...withSet(saved, given, set), out, branch: { from: resolve(run), step, set } };
  checkSteps(wanted.splice.steps, step);
  if (saved.looks && (set['appearance'] ?? set['appearanceRegions']) !== undefined) {
    throw new UsageError(`${run} has an appearance photo for every region, which a branch keeps: start a new run`);
  }
  const prepared = await prepare(wanted, parts);
  const isOther = (set['structureRegions'] ?? set['appearanceRegions']) !== undefined;
  const training = (!isOther && (await prepared.asIn?.(start, run))) || prepared;
  checkUnchanged(run, start, training, set);
  const problem = await runLog(join(run, 'log.jsonl'), '').problemOf(start);
  if (problem) throw new InputError(`${problem}: branch from another run`);
  const state = branchedState(start.state, saved.splice, wanted.splice);
  await writeBeginning({ run, out, force: options.force }, config, { ...start, state, identity: training.identity }, training);
  return resumeTransfer({ folder: out, json, ...(watch !== undefined && { watch }) }, parts);
}

/** The options of a run with those of `given` that `set` names in place of its own. */
function withSet(saved: TransferOptions, given: BranchOptions['given'], set: Fields): TransferOptions {
  const sizes = ['upscale', 'outputSize'];
  const replaced = new Set([...Object.keys(set), ...(sizes.some((name) => name in set) ? sizes : [])]);
  const only = <T extends object>(options: T, isWanted: (name: string) => boolean): T =>
    Object.fromEntries(Object.entries(options).filter(([name]) => isWanted(name))) as T;
  return {
    ...only(saved, (name) => !replaced.has(name)),
    ...only(given, (name) => name in set),
    vit: { ...('model' in set ? {} : saved.vit), ...given.vit },
    splice: { ...saved.splice, ...only(given.splice, (name) => name in set) },
  };
}

/** The kept checkpoint after `step` steps, or the newest. @throws InputError naming the steps that there are */
async function checkpointOf(run: string, config: Fields, step: number | undefined): Promise<Checkpoint> {
  const all = await branchPoints(run, planOf(config).warmStart);
  const steps = all.map((each) => each.steps);
  if (steps.length === 0) throw new InputError(`${run} has no checkpoint of its training: resume it first`);
  const found = all.find((each) => each.steps === (step ?? steps.at(-1)));
  if (found) return readCheckpoint(found.path);
  const remedy = `choose one of them${steps.length > 2 ? '' : '; --keep-every keeps more'}`;
  throw new InputError(`${run} has no checkpoint after ${step} steps, but after ${steps.join(', ')}: ${remedy}`);
}

/** @throws InputError naming a photo or weights that are others than the run began with, and were not given */
function checkUnchanged(run: string, { identity }: Checkpoint, training: Training, set: Fields): void {
  for (const [name, option] of Object.entries(REPLACEABLE)) {
    if (set[option] !== undefined || identity[name] === training.identity[name]) continue;
    const path = training.sources[name]!;
    throw new InputError(`${path} is not the ${name} that the run in ${run} began with: put that one back, or give --${option}`);
  }
}
