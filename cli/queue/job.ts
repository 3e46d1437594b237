/**
 * A job: one transfer, described by hashes and settings alone. Its name in the queue is the hash of the description, which is a
 * file of the store, so that what is enqueued twice is one job.
 */
import { join } from 'node:path';
import { loadVit } from '../models/load.js';
import { objectOf, textOf, type Fields } from '../run/config.js';
import type { Parts } from '../run/parts.js';
import { InputError } from '../shared/errors.js';
import { isFolder, parseJson, readInput, sha256 } from '../shared/files.js';
import { version } from '../shared/version.js';
import { CHOOSABLE, parseOptions, savedOptions, type Choosable, type TransferOptions } from '../transfer/options.js';
import { isHash, MAX_FILE, type Hash } from './place.js';
import type { Store } from './store.js';

/** A ViT's weights, the name that results show, and the settings that its shapes do not tell. */
interface Weights {
  readonly sha256: Hash;
  readonly name: string;
  readonly config: Fields;
}

export interface Description {
  readonly program: 'splice-gpu job 1';
  /** Of this program: another one may compute other bytes. */
  readonly version: string;
  readonly structure: Hash;
  readonly appearance: Hash;
  readonly model: Weights;
  /** The ViT that compares seeds, where one was named. */
  readonly judge?: Weights;
  /** As config.json has them. */
  readonly options: Fields;
  /** What is chosen for the device of the worker. */
  readonly choose: readonly Choosable[];
  readonly tune: boolean;
}

/** Puts all that a transfer reads into the store. Returns the job's name. @throws InputError naming a file that cannot be read */
export function jobMaker(store: Store, parts: Pick<Parts, 'interrupt' | 'stderr'>) {
  const known = new Map<string, Promise<Weights>>();
  const weights = (model: string, vit: TransferOptions['vit']): Promise<Weights> => {
    const key = JSON.stringify([model, vit]);
    const found = known.get(key) ?? storeVit(store, model, vit, parts);
    known.set(key, found);
    return found;
  };
  const photo = async (path: string): Promise<Hash> => {
    if (await isFolder(path)) throw new InputError(`${path} is a folder of frames, and a queue takes photos: leave out --queue`);
    return store.put(await readInput(path, MAX_FILE));
  };
  return async (transfer: TransferOptions): Promise<Hash> => {
    const { structure, appearance, model, vit, seeds, choose = [], tune = true } = transfer;
    const { judge, ...compared } = seeds ?? {};
    const description: Description = {
      program: 'splice-gpu job 1',
      version: version(),
      structure: await photo(structure),
      appearance: await photo(appearance),
      model: await weights(model, vit),
      ...(judge !== undefined && { judge: await weights(judge, {}) }),
      options: { ...savedOptions(transfer), ...(seeds && { seeds: compared }) },
      choose,
      tune,
    };
    return store.put(Buffer.from(JSON.stringify(description)));
  };
}

async function storeVit(
  store: Store, model: string, vit: TransferOptions['vit'], { interrupt, stderr }: Pick<Parts, 'interrupt' | 'stderr'>,
): Promise<Weights> {
  const { path, sha256: expected, vit: { name, config } } = await loadVit(model, vit, { signal: interrupt, output: stderr });
  const bytes = await readInput(path, MAX_FILE);
  if (sha256(bytes) !== expected) {
    throw new InputError(`${path} is an index of several files, and a queue takes one: "models add" makes one of them`);
  }
  return { sha256: await store.put(bytes), name, config: config as unknown as Fields };
}

/** @throws InputError for what is no description of this version */
export function parseDescription(bytes: Buffer): Description {
  const found = parseJson(bytes.toString('utf8')) as Partial<Description> | undefined;
  const { program, version: of, structure, appearance, model, judge, choose, tune } = found ?? {};
  const isWeights = (value: Weights | undefined): boolean =>
    isHash(value?.sha256) && typeof value?.name === 'string' && typeof value?.config === 'object' && value.config !== null;
  const isRight = program === 'splice-gpu job 1' && isHash(structure) && isHash(appearance) && isWeights(model)
    && (judge === undefined || isWeights(judge)) && typeof tune === 'boolean' && Array.isArray(choose)
    && choose.every((each) => CHOOSABLE.includes(each));
  if (!isRight) throw new InputError('the job is not described as this program does it: enqueue it again');
  if (of !== version()) throw new InputError(`the job is of version ${String(of).slice(0, 40)}, this worker of ${version()}`);
  return found as Description;
}

/** Where a job's files lie on the machine that trains it. No part of a path comes out of the job. */
export interface Places {
  readonly structure: string;
  readonly appearance: string;
  readonly model: string;
  readonly judge?: string;
  /** Folder of the run. */
  readonly out: string;
}

export const placesIn = (folder: string, { model, judge }: Description): Places => ({
  structure: join(folder, 'structure'),
  appearance: join(folder, 'appearance'),
  model: join(folder, 'model', weightsName(model)),
  ...(judge && { judge: join(folder, 'judge', weightsName(judge)) }),
  out: join(folder, 'run'),
});

/** A ViT is called like its file, and results show that: what is no plain letter is replaced. */
const weightsName = ({ name }: Weights): string => `${name.replace(/[^\w.-]|^[.-]/g, '_').slice(0, 80) || '_'}.safetensors`;

/** The transfer that a job asks for. @throws InputError naming a setting that is wrong */
export function transferOf({ options, model, choose, tune }: Description, places: Places): TransferOptions {
  const { seeds, ...others } = options;
  const several = seeds === undefined ? undefined : { ...objectOf('options.seeds', seeds), judge: places.judge };
  const config = {
    options: { ...others, ...(several && { seeds: several }) },
    structure: { path: places.structure }, appearance: { path: places.appearance },
    model: { given: textOf('model', places.model), config: model.config },
  };
  try {
    const transfer = parseOptions(config, { folder: places.out, json: false });
    return { ...transfer, ...(choose.length > 0 && { choose }), ...(!tune && { tune: false }) };
  } catch (error) {
    throw new InputError(`the job's settings are wrong (${(error as Error).message}): enqueue it again`, { cause: error });
  }
}
