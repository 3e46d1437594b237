/** The inputs of a training on many pairs, read and checked before anything is created, and the pairs drawn from them. */
import { resolve } from 'node:path';
import type { Pair } from '../../model/anyPair/training.js';
import { withoutUnused } from '../../model/method/options.js';
import type { Random } from '../../model/random.js';
import { checkVitSize, loadVit } from '../models/load.js';
import type { LoadedVit } from '../models/read.js';
import type { Identity } from '../run/checkpoints.js';
import { settingsText } from '../run/config.js';
import { type Io, writeLine } from '../shared/progress.js';
import type { TrainOptions } from './options.js';
import { holdOut, photosHash, randomSquare, readFolder, type PhotoSet } from './photos.js';

export interface Data {
  readonly model: LoadedVit;
  readonly train: PhotoSet;
  /** Never trained on. */
  readonly held: PhotoSet;
}

/** @throws InputError or UsageError with the folder, file or option and the remedy */
export async function readData(options: TrainOptions, { interrupt, stderr }: Io): Promise<Data> {
  const { anyPair, structures, appearances } = options;
  const model = await loadVit(options.model, {}, { signal: interrupt, output: stderr });
  checkVitSize(anyPair.vitSize, model.vit);
  const note = (text: string) => writeLine(stderr, text);
  const read = async (folder: string) => {
    const leftOut = (path: string) => note(`left out: ${path} is a single colour all over`);
    const photos = await readFolder(folder, anyPair.size, paced(note, `reading ${folder}`), leftOut, note);
    return holdOut(photos, options.holdOut, anyPair.seed, folder);
  };
  const a = await read(structures);
  const b = resolve(structures) === resolve(appearances) ? a : await read(appearances);
  return { model, train: { structures: a.train, appearances: b.train }, held: { structures: a.held, appearances: b.held } };
}

/** A line every few seconds of long work before training. */
export function paced(note: (text: string) => void, what: string): (done: number, of: number) => void {
  let last = performance.now();
  return (done, of) => {
    if (performance.now() - last < 5000) return;
    last = performance.now();
    note(`${what}: ${done} of ${of}`);
  };
}

/** The parts of a training that a resume must not change. */
export function identityOf(options: TrainOptions, { model, train, held: heldOut }: Data): Identity {
  const { anyPair, holdOut: held, validateEvery, shown } = options;
  return {
    'set of structure photos': photosHash([...train.structures, ...heldOut.structures]),
    'set of appearance photos': photosHash([...train.appearances, ...heldOut.appearances]),
    'ViT weights': model.sha256,
    settings: settingsText({ ...withoutUnused(anyPair), held, validateEvery, shown }),
  };
}

/** Pairs at random; from one folder never a photo with itself. */
export function pairs({ structures, appearances }: PhotoSet, conditions: readonly Float32Array[]) {
  const isOne = structures === appearances;
  return async (next: Random): Promise<Pair> => {
    const s = next.integer(0, structures.length - 1);
    const drawn = next.integer(0, appearances.length - (isOne ? 2 : 1));
    const a = isOne && drawn >= s ? drawn + 1 : drawn;
    const [structure, appearance] = [randomSquare(structures[s]!, next), randomSquare(appearances[a]!, next)];
    return { structure, appearance, condition: conditions[a]! };
  };
}
