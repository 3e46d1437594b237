/** What a run will take, before it starts: photos, ViT, memory, and on demand the time of a step. Runs in a worker. */
import {
  defaultOptions, describeMemory, isOneColour, memoryNeed, pairSetting, published, startSplice, stepSeconds,
  type Image, type SpliceOptions,
} from '../../../model/index.js';
import type { Regions } from '../../../model/method/regions.js';
import type { Engine } from '../../../engine/index.js';
import { openDevice, type Opened } from './device.js';
import type { Job, ModelChoice, PhotoFiles } from './messages.js';
import { loadModel, type Loaded } from './models.js';
import { readPhoto } from './pictures.js';
import { newSource, type RunSource } from './runs.js';

/** Everything that a run is started with. */
export interface Prepared extends Loaded {
  readonly structure: Image;
  readonly appearance: Image;
  readonly options: SpliceOptions;
  readonly memory: string;
  /** What its file has besides log and checkpoint. */
  readonly source: RunSource;
  /** The photos as they came, for detail. */
  readonly files: PhotoFiles;
  readonly isDetailed: boolean;
  /** Brushed, at the photos' sizes. */
  readonly regions?: Regions;
}

let known: { readonly choice: string; readonly loaded: Promise<Loaded> } | undefined;

/** The model of the job before, if it is the same. */
export function modelOf(choice: ModelChoice): Promise<Loaded> {
  const key = 'name' in choice ? choice.name : `file ${choice.file.name} ${choice.file.size} ${choice.file.lastModified}`;
  if (known?.choice !== key) known = { choice: key, loaded: loadModel(choice) };
  const { loaded } = known;
  loaded.catch(() => (known = undefined));
  return loaded;
}

/** The options of a training. */
export function optionsOf({ published: isPublished, steps, warmStart, vitSize, seed, checkpointing }: Job): SpliceOptions {
  return { ...defaultOptions, ...(isPublished ? published : {}), steps, warmStart, vitSize, seed, checkpointing };
}

/** @throws Error that says what cannot be trained, and what to change */
export async function prepare(job: Job, { engine }: Opened): Promise<Prepared> {
  const loaded = await modelOf(job.model);
  const photos = {
    structure: await readPhoto('structure photo', job.structure, { shorter: job.size }),
    appearance: await readPhoto('appearance photo', job.appearance, { shorter: job.size }),
  };
  for (const [which, { image }] of Object.entries(photos)) {
    if (isOneColour(image)) throw new Error(`the ${which} photo is a single colour all over: use another photo`);
  }
  const least = 2 * loaded.vit.config.patch;
  if (job.vitSize < least) throw new Error(`a ViT side of ${job.vitSize} is less than two of its patches: give ${least} or more`);
  const options = optionsOf(job);
  const pair = { structure: photos.structure.image, appearance: photos.appearance.image };
  const memory = checkedMemory(engine, { ...loaded, ...pair, options });
  const { structure, appearance, detail: isDetailed } = job;
  const source = await newSource(photos, loaded, options, isDetailed);
  return { ...loaded, ...pair, options, memory, source, files: { structure, appearance }, isDetailed };
}

type Pair = Pick<Prepared, 'vit' | 'structure' | 'appearance' | 'options'>;

/** The need of a run, in words. @throws Error when this device cannot bind its largest buffer */
export function checkedMemory({ device }: Engine, { vit, structure, appearance, options }: Pair): string {
  const need = memoryNeed(pairSetting(vit, structure, appearance, options));
  const most = device.limits.maxStorageBufferBindingSize;
  if (need.largest <= most) return describeMemory(need);
  const remedy = `choose a smaller size${options.checkpointing ? '' : ', or less memory'}`;
  throw new Error(`${describeMemory(need)}, and this device holds at most ${Math.floor(most / 2 ** 20)} MiB in one: ${remedy}`);
}

/** Seconds of a step on this device. @throws as `prepare`, and what `before` throws, which is called before every step */
export async function measure(job: Job, before?: () => void): Promise<number> {
  const opened = await openDevice();
  const { vit, structure, appearance, options } = await prepare(job, opened);
  const run = await startSplice(opened.engine, vit, structure, appearance, { ...options, warmStart: 0 });
  try {
    return await stepSeconds(run, before);
  } finally {
    run.destroy();
  }
}
