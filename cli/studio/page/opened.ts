/** Opens a run's file, from this page or from the command line. Runs in a worker. */
import type { Engine } from '../../../engine/index.js';
import {
  BEGINNING, defaultOptions, openRun, parseSidecar, parseSplice, stepsIn,
  type Fields, type Identity, type RunFile, type SpliceOptions, type VitSettings,
} from '../../../model/index.js';
import type { ModelChoice } from './messages.js';
import { loadModel, offeredModels, type Loaded } from './models.js';
import { readPixels } from './pictures.js';
import { checkedMemory, type Prepared } from './plan.js';
import { hash, type Kept } from './runs.js';
import type { KeptRun } from './storage.js';

export interface Saved {
  readonly prepared: Prepared;
  readonly kept: Kept;
}

/** @param own the weights, for a model that does not come with the page @throws Error with the remedy */
export async function openSaved(
  { run, files: known }: KeptRun, engine: Engine, own: ModelChoice | undefined,
): Promise<Saved> {
  const { config, log, checkpoint, regions, ...files } = await openRun(new Uint8Array(await run.arrayBuffer()), hash);
  if (!checkpoint) throw new Error('this run has no step yet: start it anew');
  const { identity, state, seconds } = checkpoint;
  const loaded = await modelOf(config, identity, own);
  const options = optionsOf(config);
  const pair = files.pixels ?? {
    structure: await readPixels(fileOf(files, 'structure')), appearance: await readPixels(fileOf(files, 'appearance')),
  };
  const memory = checkedMemory(engine, { ...loaded, ...pair, options });
  const originals = known ?? { structure: fileOf(files, 'structure'), appearance: fileOf(files, 'appearance') };
  const source = { ...files, config, identity };
  const prepared = {
    ...loaded, ...pair, ...(regions && { regions }), options, memory, source, files: originals, isDetailed: hasDetail(config),
  };
  if (stepsIn(state) > options.warmStart + options.steps) throw new Error('this run has more steps than it should have');
  return { prepared, kept: { state, log, seconds } };
}

/** Options of a run's folder that its steps do not depend on, or that are in its photos and its ViT already. */
const BESIDES = [
  'size', 'saveEvery', 'keepEvery', 'until', 'seeds', 'testTimeRegisters', 'detail', 'upscale', 'outputSize',
];

const KNOWN: readonly string[] = [...Object.keys(defaultOptions), ...BEGINNING];

/** @throws Error naming the field that is wrong, or that only the command line knows */
function optionsOf(config: Fields): SpliceOptions {
  const fields = Object.entries((config['options'] ?? {}) as Fields).filter(([name]) => !BESIDES.includes(name));
  const foreign = fields.find(([name]) => !KNOWN.includes(name))?.[0];
  if (foreign !== undefined) throw new Error(`this run has ${foreign}, which this page cannot train: use transfer --resume`);
  return parseSplice(Object.fromEntries(fields));
}

/** A config has no detail where it is 0. */
const hasDetail = ({ options }: Fields): boolean => ((options ?? {}) as Fields)['detail'] !== undefined;

function fileOf({ photos }: Pick<RunFile, 'photos'>, which: string): Blob {
  const bytes = [...photos].find(([path]) => path.startsWith(`photos/${which}.`))?.[1];
  if (bytes) return new Blob([bytes as Uint8Array<ArrayBuffer>]);
  throw new Error(`the file has no ${which} photo: save the run again`);
}

/** The model that a run began with, known by its checksum. */
async function modelOf(config: Fields, identity: Identity, own: ModelChoice | undefined): Promise<Loaded> {
  const { name, config: known } = (config['model'] ?? {}) as { readonly name?: string; readonly config?: VitSettings };
  const { heads, patch, mean, std, activation, registerNeurons } = known ?? {};
  const settings = parseSidecar({ heads, patch, mean, std, activation, registerNeurons });
  const wanted = identity['ViT weights'];
  const offered = (await offeredModels()).find((model) => model.sha256 === wanted);
  const choice = offered ? { name: offered.name } : own && 'file' in own ? own : undefined;
  const loaded = choice && (await loadModel(choice, settings));
  if (loaded?.sha256 === wanted) return loaded!;
  const remedy = 'choose their file under Model, then open the run again';
  throw new Error(`this run needs the weights of ${name ?? 'another model'}: ${remedy}`);
}
