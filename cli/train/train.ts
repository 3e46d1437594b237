/** The work of `splice-gpu train`: one generator for any pair, from folders of photos; new or resumed. */
import { basename, resolve } from 'node:path';
import { clsReader, conditionScale, normalised } from '../../model/anyPair/condition.js';
import { toAnyPairFile, type AnyPairSetup } from '../../model/anyPair/file.js';
import type { AnyPairOptions } from '../../model/anyPair/training.js';
import type { GraphMaker } from '../../model/training/memoryNeed.js';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import type { VitModel, Weights } from '../../model/vit/config.js';
import { nameOfDevice } from '../gpu/device.js';
import { writeImage } from '../photos/photo.js';
import type { ResumeOptions } from '../run/config.js';
import type { RunFolder } from '../run/folder.js';
import { every } from '../../model/training/loop.js';
import type { Parts } from '../run/parts.js';
import { resumeTraining, startTraining } from '../run/run.js';
import { tuned, type Graphs, type Moment, type Session, type Start, type Training } from '../run/training.js';
import { NonFiniteError } from '../shared/errors.js';
import { readJson, writeFileAtomic, writeJson } from '../shared/files.js';
import { version } from '../shared/version.js';
import { identityOf, paced, pairs, readData, type Data } from './data.js';
import { parseOptions, savedOptions, type TrainOptions } from './options.js';
import { cachePath, clsTokens } from './photos.js';
import { createValidator, type Validation, type Validator } from './validation.js';

/** Returns the exit code: 0, or 130 when interrupted. @throws before anything is created if an input is wrong */
export const train = async (options: TrainOptions, parts: Parts): Promise<number> =>
  startTraining(await prepare(options, parts), options, parts);

/** Resumes the training in a folder from its last checkpoint. Returns the exit code as `train`. */
export const resumeTrain = (resume: ResumeOptions, parts: Parts): Promise<number> =>
  resumeTraining('train', resume, parts, (config) => parseOptions(config, resume), (options) => prepare(options, parts));

/** The ViT gives the sizes that the options lack. */
const anyPairOf = ({ anyPair }: TrainOptions, { config: { depth: layers, dim } }: VitModel): AnyPairOptions =>
  ({ ...anyPair, sizes: { ...anyPair.sizes, layers, dim } });

/** Reads and checks the inputs; creates nothing. */
export async function prepare(options: TrainOptions, parts: Parts): Promise<Training> {
  const data = await readData(options, parts);
  const { structures, appearances, anyPair, validateEvery } = options;
  const { recipe, size, batch, seed, warmStart, steps, vitSize } = anyPair;
  const names = [...new Set([structures, appearances].map((folder) => basename(resolve(folder))))].join(' and ');
  return {
    command: 'train',
    plan: { warmStart, steps, savesAt: every(validateEvery) },
    identity: identityOf(options, data),
    sources: { 'set of structure photos': structures, 'set of appearance photos': appearances, 'ViT weights': data.model.path },
    inputs: [structures, appearances, data.model.path],
    config: {
      train: savedOptions(options, data.model),
      model: { name: data.model.vit.name, path: resolve(data.model.path), sha256: data.model.sha256 },
    },
    page: {
      title: `All pairs of ${names}`,
      facts: [
        ['Recipe', recipe], ['Model', data.model.vit.name], ['Size', `${size} pixels`], ['Pairs per step', String(batch)],
        ['Seed', String(seed)],
      ],
      terms: ['total', 'structure', 'appearance', 'identity'],
      result: 'Held out: structure, result, appearance',
    },
    pictures: [],
    title: `${recipe}: all pairs of ${names}, seed ${seed}`,
    memory: {
      use: `squares of ${size} pixels and a ViT input of ${vitSize}`,
      remedy: `use a smaller --size or smaller --channels${anyPair.checkpointing ? '' : ', or --checkpointing'}`,
    },
    product: 'generator.safetensors',
    precision: anyPair.precision,
    ...tuned(options, (graph) => graphsOf(options, data, graph)),
    start: (at) => start(options, data, at, parts),
  };
}

async function graphsOf(options: TrainOptions, { model: { vit } }: Data, graph: GraphMaker): Promise<Graphs> {
  const { anyPairGraphs } = await import('../../model/anyPair/training.js');
  return anyPairGraphs(vit, anyPairOf(options, vit), graph);
}

/** CLS tokens of all photos, and the conditions made of them. */
async function conditionsOf({ engine, folder, note }: Start, anyPair: AnyPairOptions, { model, train: set, held }: Data) {
  const { sizes, size, recipe, vitSize, antialias } = anyPair;
  const setup: AnyPairSetup = { sizes, size, recipe, vitSize, antialias, model: { name: model.vit.name, sha256: model.sha256 } };
  const reader = await clsReader(engine, model.vit, size, anyPair);
  const photos = [...new Set([...set.appearances, ...held.appearances])];
  const key = JSON.stringify([setup.model.sha256, size, vitSize, recipe, antialias]);
  const tokens = await clsTokens(photos, reader, cachePath(folder.path), key, paced(note, 'CLS tokens'));
  reader.destroy();
  const ofTraining = set.appearances.map((photo) => tokens.get(photo.sha256)!);
  const scale = conditionScale(ofTraining);
  return { setup, tokens, scale, conditions: ofTraining.map((token) => normalised(token, scale)) };
}

/** The figures of held-out pairs, and after how many steps. */
type Entry = Validation & { readonly step: number };

/** Those of an earlier stretch of the run, up to `steps`, without one of its end; none when report.json is missing or damaged. */
async function readHistory(folder: RunFolder, steps: number, validateEvery: number): Promise<Entry[]> {
  const validation = (await readJson(folder.at('report.json')))?.['validation'];
  const entries = Array.isArray(validation) ? (validation as Entry[]) : [];
  return entries.filter(({ step }) => step <= steps && step % validateEvery === 0);
}

async function start(options: TrainOptions, data: Data, at: Start, parts: Parts): Promise<Session> {
  const { model: { vit, note }, train: set, held } = data;
  const { engine, adapter, folder, from } = at;
  const anyPair = anyPairOf(options, vit);
  const { setup, tokens, scale, conditions } = await conditionsOf(at, anyPair, data);
  const run = await parts.startAnyPair(engine, vit, anyPair, pairs(set, conditions), from);
  const shown = Math.min(options.shown, held.structures.length);
  const validating = { setup, scale, held, tokens, shown };
  const validator = shown > 0 ? await createValidator(engine, vit, validating, await run.average()) : undefined;
  const history = from ? await readHistory(folder, from.counters['stepsDone'] ?? 0, options.validateEvery) : [];
  const [structures, appearances] = [set.structures.length, set.appearances.length];
  const heldOut = `${held.structures.length} and ${held.appearances.length} held out`;
  return {
    run,
    notes: [
      ...(note ? [`note: ${note}`] : []),
      `${structures} structures, ${appearances} appearances, ${heldOut}, ${anyPair.size} pixels, on ${nameOfDevice(adapter)}`,
    ],
    keep: async (moment) => {
      const { steps } = moment;
      const weights = await run.average();
      if (![...weights.values()].every(({ data: values }) => values.every(Number.isFinite))) {
        throw new NonFiniteError(`after ${steps} steps the generator holds values that are not finite`);
      }
      return async () => {
        const { tensors, metadata } = toAnyPairFile({ setup, weights, scale });
        const file = serializeSafetensors(tensors, { ...metadata, steps: String(steps), seed: String(anyPair.seed) });
        await writeFileAtomic(folder.at('generator.safetensors'), file);
        return validator && validate(validator, weights, moment, { history, options }, at);
      };
    },
    summary: () => ({ generator: resolve(folder.at('generator.safetensors')), validation: history.at(-1) ?? null }),
    destroy: () => validator?.destroy(),
  };
}

/** Measures held-out pairs, writes their sheet and figures, and returns the sheet. */
async function validate(
  validator: Validator, weights: Weights, { steps, asked, last }: Moment,
  { history, options }: { readonly history: Entry[]; readonly options: TrainOptions }, { folder, note }: Start,
) {
  const { figures, picture } = await validator.validate(weights);
  // The end of an interrupted stretch leaves no trace in the report: a resumed run writes what an undisturbed one writes.
  const isPlanned = !asked && (!last || (steps > 0 && steps % options.validateEvery === 0));
  if (isPlanned || steps === options.anyPair.steps) {
    if (history.at(-1)?.step === steps) history.pop(); // of an earlier step of the warm start, or of this end
    history.push({ step: steps, ...figures });
  }
  if (isPlanned || asked) await folder.preview(steps, picture);
  const text = { Software: `splice-gpu ${version()}`, Steps: String(steps), Figures: JSON.stringify(figures) };
  await writeImage(folder.at('result.png'), picture, text);
  await writeJson(folder.at('report.json'), { validation: history });
  const { structure, appearance, unchangedAppearance, retrieved, appearances } = figures;
  const unchanged = unchangedAppearance.toFixed(3);
  const losses = `structure ${structure.toFixed(4)}, appearance ${appearance.toFixed(3)} (unchanged ${unchanged})`;
  note(`held out, after ${steps} steps: ${losses}, own appearance found ${retrieved} of ${appearances}`);
  return picture;
}
