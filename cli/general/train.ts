/** The work of `splice-gpu train`: one generator for all pairs of a folder of photos, new or taken up again. */
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { clsReader, conditionScale, normalised } from '../../model/general/condition.js';
import { toGeneralFile, type GeneralSetup } from '../../model/general/file.js';
import { startGeneral, type GeneralOptions, type Pair } from '../../model/general/training.js';
import type { ConditionalSizes } from '../../model/generators/conditional.js';
import type { Random } from '../../model/random.js';
import type { RunState } from '../../model/runState.js';
import type { Identity } from '../checkpoints.js';
import { errorLine, EXIT_INTERRUPTED, fileProblem, InputError, NonFiniteError, UsageError } from '../errors.js';
import type { LogEntry } from '../lossCurve.js';
import { openOutputs, reopenOutputs, type Outputs } from '../outputs.js';
import { createProgress, type Output, type Progress } from '../progress.js';
import { trainLoop } from '../trainLoop.js';
import type { OpenedEngine } from '../transfer.js';
import { version } from '../version.js';
import { knownModels, loadVit, type LoadedVit } from '../weights.js';
import { cachePath, clsTokens, holdOut, photosHash, randomSquare, readFolder, type PhotoSet } from './photos.js';
import { createValidator, type Validation } from './validation.js';
import { resumeTrainCommand, watchTraining, type TrainWatch } from './watch.js';

export interface TrainOptions {
  /** Folders; the same one twice when pairs are drawn from one. */
  readonly structures: string;
  readonly appearances: string;
  readonly out: string;
  readonly model: string;
  /** Photos of each folder that are never trained on. */
  readonly holdOut: number;
  readonly validateEvery: number;
  /** Pairs on a validation sheet. */
  readonly shown: number;
  readonly force: boolean;
  readonly json: boolean;
  /** Port of the page that shows the training, 0 for any; no page when absent. */
  readonly watch?: number;
  readonly general: Omit<GeneralOptions, 'sizes'> & { readonly sizes: Omit<ConditionalSizes, 'layers' | 'dim'> };
}

export interface TrainParts {
  openEngine(): Promise<OpenedEngine>;
  readonly interrupt: AbortSignal;
  readonly stdout: Output;
  readonly stderr: Output;
}

/** What `train --resume` is given; the rest is in the folder. */
export interface ResumeTrain {
  readonly folder: string;
  readonly steps?: number;
  readonly watch?: number;
  readonly json: boolean;
}

interface Data {
  readonly model: LoadedVit;
  readonly train: PhotoSet;
  readonly held: PhotoSet;
}

/** One training on one device. */
interface Session {
  readonly options: TrainOptions;
  readonly data: Data;
  readonly outputs: Outputs;
  readonly opened: OpenedEngine;
  readonly progress: Progress;
  readonly watch: TrainWatch;
}

/** Answers with the exit code: 0, or 130 when interrupted. Throws before anything is created if an input is wrong. */
export async function train(options: TrainOptions, parts: TrainParts): Promise<number> {
  const progress = createProgress(options.general.warmStart + options.general.steps, parts.stderr);
  const data = await readData(options, progress, parts);
  const outputs = await openOutputs(options.out, options.force);
  try {
    return await onDevice(options, data, outputs, progress, parts, false);
  } finally {
    await outputs.close();
  }
}

/** Goes on with the training in a folder from its last checkpoint, to the last bit as if it had never stopped. */
export async function resumeTrain({ folder, steps, watch, json }: ResumeTrain, parts: TrainParts): Promise<number> {
  const saved = await readOptions(folder);
  const options: TrainOptions = { ...saved, out: folder, json, ...(watch !== undefined && { watch }), general: { ...saved.general, ...(steps !== undefined && { steps }) } };
  const progress = createProgress(options.general.warmStart + options.general.steps, parts.stderr);
  const data = await readData(options, progress, parts);
  const outputs = await reopenOutputs(folder);
  try {
    return await onDevice(options, data, outputs, progress, parts, true);
  } finally {
    await outputs.close();
  }
}

/** @throws InputError when the folder holds no training */
async function readOptions(folder: string): Promise<TrainOptions> {
  const path = join(folder, 'config.json');
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new InputError(`${path} ${fileProblem(error)}`, { cause: error });
  });
  try {
    const { kind, train: options } = JSON.parse(text) as { kind?: unknown; train?: TrainOptions };
    if (kind !== KIND || !options?.general?.sizes) throw new Error('it is not that of a `train` run');
    return options;
  } catch (error) {
    throw new InputError(`${path} does not describe a training (${(error as Error).message}): correct it, or start anew with --force`, { cause: error });
  }
}

const KIND = 'general generator';

async function readData(options: TrainOptions, progress: Progress, { interrupt, stderr }: TrainParts): Promise<Data> {
  const { general, structures, appearances } = options;
  const model = await loadVit(options.model, {}, { signal: interrupt, output: stderr });
  const least = 2 * model.vit.config.patch;
  if (general.vitSize < least) throw new UsageError(`--vit-size ${general.vitSize} is below ${least}, two patches of this ViT: give ${least} or more`);
  const isOne = resolve(structures) === resolve(appearances);
  const read = async (folder: string) => {
    const note = paced(progress, `reading ${folder}`);
    return holdOut(await readFolder(folder, general.size, note), options.holdOut, general.seed, folder);
  };
  const a = await read(structures);
  const b = isOne ? a : await read(appearances);
  return { model, train: { structures: a.train, appearances: b.train }, held: { structures: a.held, appearances: b.held } };
}

/** A line every few seconds of long work before training. */
function paced(progress: Progress, what: string): (done: number, of: number) => void {
  let last = performance.now();
  return (done, of) => {
    if (performance.now() - last < 5000) return;
    last = performance.now();
    progress.note(`${what}: ${done} of ${of}`);
  };
}

async function onDevice(options: TrainOptions, data: Data, outputs: Outputs, progress: Progress, parts: TrainParts, isResumed: boolean): Promise<number> {
  const identity = identityOf(options, data);
  const from = isResumed ? await newest(outputs, identity, progress) : undefined;
  const watch = await watchTraining(options, parts.interrupt);
  if (watch.url) progress.note(`watch it at ${watch.url}`);
  let opened: OpenedEngine | undefined;
  try {
    opened = await parts.openEngine();
    if (!isResumed) await outputs.begin();
    return await runTraining({ options, data, outputs, opened, progress, watch }, identity, from, parts.stdout);
  } catch (error) {
    progress.finish();
    await watch.end('failed', { note: errorLine(error) ?? String(error) });
    throw error;
  } finally {
    opened?.close();
    await watch.close();
  }
}

/** What must be the same for a training to go on. */
const identityOf = ({ general, holdOut: held, validateEvery, shown }: TrainOptions, { model, train, held: heldOut }: Data): Identity => ({
  'set of structure photos': photosHash([...train.structures, ...heldOut.structures]),
  'set of appearance photos': photosHash([...train.appearances, ...heldOut.appearances]),
  'ViT weights': model.sha256,
  settings: JSON.stringify({ ...general, steps: 0, held, validateEvery, shown }),
});

async function newest(outputs: Outputs, identity: Identity, progress: Progress): Promise<{ state: RunState; logBytes: number } | undefined> {
  const found = await outputs.checkpoints.newest(() => undefined, (line) => progress.note(line));
  const changed = found && Object.keys(identity).find((name) => found.identity[name] !== identity[name]);
  if (changed) throw new InputError(`the training in ${outputs.folder} began with other ${changed}: put them back, or start anew with another --out`);
  return found;
}

async function runTraining(session: Session, identity: Identity, from: { state: RunState; logBytes: number } | undefined, stdout: Output): Promise<number> {
  const { options, data: { model, train: set, held }, outputs, opened: { engine, adapter }, progress, watch } = session;
  const { vit } = model;
  const general: GeneralOptions = { ...options.general, sizes: { ...options.general.sizes, layers: vit.config.depth, dim: vit.config.dim } };
  const setup: GeneralSetup = { sizes: general.sizes, size: general.size, recipe: general.recipe, vitSize: general.vitSize, antialias: general.antialias, model: { name: vit.name, sha256: model.sha256 } };
  const log = await outputs.rewind(from?.logBytes ?? 0, from?.state.stepsDone ?? 0);
  const config = { program: 'splice-gpu', version: version(), kind: KIND, train: { ...options, watch: undefined, model: knownModels().includes(options.model) ? options.model : resolve(model.path) }, model: { name: vit.name, path: resolve(model.path), sha256: model.sha256 }, device: adapter, started: new Date().toISOString() };
  await outputs.config({ ...config, status: 'running' });
  if (model.note) progress.note(`note: ${model.note}`);

  const reader = await clsReader(engine, vit, general.size, general);
  const photos = [...new Set([...set.appearances, ...held.appearances])];
  const tokens = await clsTokens(photos, reader, cachePath(outputs.folder), JSON.stringify(setup.model) + JSON.stringify([general.size, general.vitSize, general.recipe, general.antialias]), paced(progress, 'CLS tokens'));
  reader.destroy();
  const scale = conditionScale(set.appearances.map((p) => tokens.get(p.sha256)!));
  const conditions = set.appearances.map((p) => normalised(tokens.get(p.sha256)!, scale));
  const run = await startGeneral(engine, vit, general, pairs(set, conditions), from?.state);
  progress.note(`${set.structures.length} structures, ${set.appearances.length} appearances, ${held.structures.length} and ${held.appearances.length} held out, ${general.size} pixels, on ${adapter.device || adapter.driver}`);
  const validator = held.appearances.length > 0 ? await createValidator(engine, vit, setup, scale, held, tokens, Math.min(options.shown, held.structures.length), await run.average()) : undefined;

  const history: (Validation & { step: number })[] = [];
  const began = Date.now();
  const save = async (): Promise<void> => {
    const steps = run.stepsDone;
    const weights = await run.average();
    if (![...weights.values()].every(({ data }) => data.every(Number.isFinite))) throw new NonFiniteError(`after ${steps} steps the generator holds values that are not finite: try a smaller --lr`);
    const { tensors, metadata } = toGeneralFile({ setup, weights, scale });
    await outputs.generator(tensors, { ...metadata, steps: String(steps), seed: String(general.seed) });
    if (validator) {
      const { figures, picture } = await validator.validate(weights);
      history.push({ step: steps, ...figures });
      await outputs.preview(steps, picture);
      await outputs.result(picture, { Software: `splice-gpu ${version()}`, Steps: String(steps), Figures: JSON.stringify(figures) });
      await outputs.report({ validation: history });
      await watch.saved(steps, picture);
      progress.note(sentence(steps, figures));
    }
    await outputs.curve(log, `${general.recipe}: all pairs of ${basename(resolve(options.structures))}, seed ${general.seed}`);
    await outputs.checkpoints.write({ state: await run.state(), identity, logBytes: await outputs.log.keep(), seconds: (Date.now() - began) / 1000 });
  };
  await watch.begin(run.warmStepsDone + run.stepsDone, log);
  try {
    const status = await trainLoop(run, { warmStart: general.warmStart, steps: general.steps, saveEvery: options.validateEvery }, {
      onLosses: async (entry: LogEntry, ms: number) => {
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
    }, watch.signal, log.at(-1)?.step);
    await save();
    progress.finish();
    const seconds = Number(((Date.now() - began) / 1000).toFixed(1));
    await outputs.config({ ...config, status, stepsDone: run.stepsDone, seconds });
    await watch.end(status, { seconds });
    const generator = resolve(join(outputs.folder, 'generator.safetensors'));
    const summary = { status, generator, stepsDone: run.stepsDone, seconds, validation: history.at(-1) ?? null };
    const goOn = status === 'interrupted' ? `; ${resumeTrainCommand(outputs.folder)} goes on` : '';
    stdout.write(options.json ? `${JSON.stringify(summary)}\n` : `${status} after ${run.stepsDone} steps in ${seconds.toFixed(0)} s: ${generator}${goOn}\n`);
    return status === 'finished' ? 0 : EXIT_INTERRUPTED;
  } finally {
    validator?.destroy();
    run.destroy();
  }
}

/** Pairs at random; from one folder never a photo with itself. */
function pairs({ structures, appearances }: PhotoSet, conditions: readonly Float32Array[]): (next: Random) => Promise<Pair> {
  const isOne = structures === appearances;
  return async (next) => {
    const s = next.integer(0, structures.length - 1);
    const drawn = next.integer(0, appearances.length - (isOne ? 2 : 1));
    const a = isOne && drawn >= s ? drawn + 1 : drawn;
    return { structure: randomSquare(structures[s]!, next), appearance: randomSquare(appearances[a]!, next), condition: conditions[a]! };
  };
}

const sentence = (steps: number, { structure, appearance, unchangedAppearance, retrieved, appearances }: Validation): string =>
  `held out, after ${steps} steps: structure ${structure.toFixed(4)}, appearance ${appearance.toFixed(3)} (unchanged ${unchangedAppearance.toFixed(3)}), own appearance found ${retrieved} of ${appearances}`;
