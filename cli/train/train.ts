/** The work of `splice-gpu train`: one generator for all pairs of a folder of photos, new or taken up again. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { clsReader, conditionScale, normalised } from '../../model/anyPair/condition.js';
import type { AnyPairSetup } from '../../model/anyPair/file.js';
import { startAnyPair, type AnyPairOptions } from '../../model/anyPair/training.js';
import type { ConditionalSizes } from '../../model/generators/conditional.js';
import type { Checkpoint, Identity } from '../run/checkpoints.js';
import type { AdapterSummary } from '../gpu/device.js';
import { errorLine, EXIT_INTERRUPTED, fileProblem, InputError } from '../shared/errors.js';
import { openOutputs, reopenOutputs, type Outputs } from '../run/folder.js';
import { createProgress, type Output, type Progress } from '../shared/progress.js';
import { trainLoop } from '../run/loop.js';
import type { OpenedEngine } from '../transfer/transfer.js';
import { version } from '../shared/version.js';
import { knownModels, type LoadedVit } from '../models/load.js';
import { identityOf, paced, pairs, readData, type Data } from './data.js';
import { createKeeper, readHistory } from './keeper.js';
import { cachePath, clsTokens } from './photos.js';
import { createValidator } from './validation.js';
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
  readonly general: Omit<AnyPairOptions, 'sizes'> & { readonly sizes: Omit<ConditionalSizes, 'layers' | 'dim'> };
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

type Checkpointed = Pick<Checkpoint, 'state' | 'logBytes'>;

async function newest(outputs: Outputs, identity: Identity, progress: Progress): Promise<Checkpointed | undefined> {
  const found = await outputs.checkpoints.newest(() => undefined, (line) => progress.note(line));
  const changed = found && Object.keys(identity).find((name) => found.identity[name] !== identity[name]);
  if (changed) throw new InputError(`the training in ${outputs.folder} began with other ${changed}: put them back, or start anew with another --out`);
  return found;
}

async function runTraining(session: Session, identity: Identity, from: Checkpointed | undefined, stdout: Output): Promise<number> {
  const { options, data: { model, train: set, held }, outputs, opened: { engine, adapter }, progress, watch } = session;
  const { vit } = model;
  const general: AnyPairOptions = { ...options.general, sizes: { ...options.general.sizes, layers: vit.config.depth, dim: vit.config.dim } };
  const log = await outputs.rewind(from?.logBytes ?? 0, from?.state.stepsDone ?? 0);
  const config = describe(options, model, adapter);
  await outputs.config({ ...config, status: 'running' });
  if (model.note) progress.note(`note: ${model.note}`);
  const made = await prepare(session, general);
  const run = await startAnyPair(engine, vit, general, pairs(set, made.conditions), from?.state);
  progress.note(`${set.structures.length} structures, ${set.appearances.length} appearances, ${held.structures.length} and ${held.appearances.length} held out, ${general.size} pixels, on ${adapter.device || adapter.driver}`);
  const shown = Math.min(options.shown, held.structures.length);
  const validator = shown > 0 ? await createValidator(engine, vit, made.setup, made.scale, held, made.tokens, shown, await run.average()) : undefined;
  const history = from ? await readHistory(outputs.folder, from.state.stepsDone) : [];
  const keeper = createKeeper({ options, outputs, run, log, progress, watch, identity, history, ...made, ...(validator && { validator }) });
  await watch.begin(run.warmStepsDone + run.stepsDone, log);
  try {
    const plan = { warmStart: general.warmStart, steps: general.steps, saveEvery: options.validateEvery };
    const status = await trainLoop(run, plan, keeper.hooks, watch.signal, log.at(-1)?.step);
    await keeper.save();
    progress.finish();
    const seconds = keeper.seconds();
    await outputs.config({ ...config, status, stepsDone: run.stepsDone, seconds });
    await watch.end(status, { seconds });
    const generator = resolve(join(outputs.folder, 'generator.safetensors'));
    const goOn = status === 'interrupted' ? `; ${resumeTrainCommand(outputs.folder)} goes on` : '';
    const summary = { status, generator, stepsDone: run.stepsDone, seconds, validation: history.at(-1) ?? null };
    stdout.write(options.json ? `${JSON.stringify(summary)}\n` : `${status} after ${run.stepsDone} steps in ${seconds.toFixed(0)} s: ${generator}${goOn}\n`);
    return status === 'finished' ? 0 : EXIT_INTERRUPTED;
  } finally {
    validator?.destroy();
    run.destroy();
  }
}

const describe = (options: TrainOptions, { vit, path, sha256 }: LoadedVit, device: AdapterSummary) => ({
  program: 'splice-gpu',
  version: version(),
  kind: KIND,
  train: { ...options, watch: undefined, model: knownModels().includes(options.model) ? options.model : resolve(path) },
  model: { name: vit.name, path: resolve(path), sha256 },
  device,
  started: new Date().toISOString(),
});

/** CLS tokens of all photos, and what conditions are made of them. */
async function prepare({ data: { model, train: set, held }, outputs, opened, progress }: Session, general: AnyPairOptions) {
  const { sizes, size, recipe, vitSize, antialias } = general;
  const setup: AnyPairSetup = { sizes, size, recipe, vitSize, antialias, model: { name: model.vit.name, sha256: model.sha256 } };
  const reader = await clsReader(opened.engine, model.vit, size, general);
  const photos = [...new Set([...set.appearances, ...held.appearances])];
  const key = JSON.stringify([setup.model.sha256, size, vitSize, recipe, antialias]);
  const tokens = await clsTokens(photos, reader, cachePath(outputs.folder), key, paced(progress, 'CLS tokens'));
  reader.destroy();
  const ofTraining = set.appearances.map((p) => tokens.get(p.sha256)!);
  const scale = conditionScale(ofTraining);
  return { setup, tokens, scale, conditions: ofTraining.map((t) => normalised(t, scale)) };
}
