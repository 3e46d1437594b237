/** The inputs of a transfer, read and checked before anything is created. */
import { isOneColour } from '../../model/image.js';
import type { PairMore } from '../../model/training/pair.js';
import { loadVit } from '../models/load.js';
import type { LoadedVit } from '../models/read.js';
import { readPhoto, type Photo, type ReadOptions, type Size } from '../photos/photo.js';
import type { Parts } from '../run/parts.js';
import { withTestTimeRegisters } from '../run/registers.js';
import { InputError, UsageError } from '../shared/errors.js';
import type { TransferOptions } from './options.js';
import { enlargedNote, targetOf } from './output.js';
import { readRegions, type ReadRegions } from './regions.js';
import { readSequence, sequenceAt, type Sequence } from './sequence.js';
import { checkModel, settle } from './settle.js';

export interface Inputs {
  /** With everything chosen. */
  readonly options: TransferOptions;
  /** Of a sequence its first frame. */
  readonly structure: Photo;
  readonly sequence?: Sequence;
  readonly appearance: Photo;
  /** The appearance photos of further regions. */
  readonly looks: readonly Photo[];
  readonly regions?: ReadRegions;
  readonly model: LoadedVit;
  /** Size of the result with detail; absent when the trained picture is the result. */
  readonly target?: Size;
  /** Lines about what was chosen. */
  readonly notes: readonly string[];
}

/** A picture smaller than this is an accident, whatever --size makes of it. */
const MIN_FILE_SIDE = 16;
/** Both generators halve a square crop five times; crops are as small as 0.95 of the height. */
const MIN_CROP_SIDE = 33;
const MIN_HEIGHT = Math.ceil(MIN_CROP_SIDE / 0.95);

/** @throws InputError or UsageError with the file or option and the remedy */
export async function readInputs(given: TransferOptions, parts: Parts): Promise<Inputs> {
  const { interrupt, stderr } = parts;
  const paths = await sequenceAt(given.structure);
  if (paths && given.structureRegions) throw new UsageError('--structure-regions labels one photo, not a folder: leave one out');
  const splice = { ...given.splice, ...(!paths && { lambdaStill: 0 }) };
  const { options, model: read, notes } = await settle({ ...given, splice, structure: paths?.[0] ?? given.structure }, parts);
  const reading = options.size === undefined ? {} : { shorterSide: options.size };
  const sequence = paths && (await readSequence(paths, reading));
  const structure = sequence?.photos[0] ?? (await readPhoto(options.structure, reading));
  checkPhoto(structure);
  const [appearance, ...looks] = await readAll(options.looks?.map(({ path }) => path) ?? [options.appearance], reading);
  const loaded = read ?? (await loadVit(options.model, options.vit, { signal: interrupt, output: stderr }));
  const model = await withTestTimeRegisters(loaded, options.testTimeRegisters, parts);
  checkModel(options.splice, model);
  const target = targetOf(options, structure, structure.image);
  const regions = await readRegions(options, structure, [appearance!, ...looks], model);
  const ofPhotos = [structure, appearance!, ...looks].map(({ note }) => note);
  const odd = [...ofPhotos, enlargedNote(structure, target)].filter((note) => note !== undefined);
  return {
    options: { ...options, structure: given.structure }, structure, ...(sequence && { sequence }), appearance: appearance!, looks,
    ...(regions && { regions }), model, ...(target && { target }), notes: [...notes, ...odd],
  };
}

/** What `startSplice` takes besides the pair. */
export const moreOf = ({ looks, regions, sequence }: Inputs): PairMore => ({
  ...(regions && { regions: regions.regions }),
  ...(looks.length > 0 && { looks: looks.map(({ image }) => image) }),
  ...(sequence && { frames: sequence.photos.map(({ image }) => image) }),
});

/** Photos, one after the other, checked. */
async function readAll(paths: readonly string[], reading: ReadOptions): Promise<Photo[]> {
  const photos: Photo[] = [];
  for (const path of paths) {
    const photo = await readPhoto(path, reading);
    checkPhoto(photo);
    photos.push(photo);
  }
  return photos;
}

function checkPhoto({ path, width, height, image }: Photo): void {
  if (Math.min(width, height) < MIN_FILE_SIDE) {
    const remedy = `use one of at least ${MIN_FILE_SIDE} x ${MIN_FILE_SIDE}`;
    throw new InputError(`${path} is ${width} x ${height} pixels: too small for a photo, ${remedy}`);
  }
  if (isOneColour(image)) {
    throw new InputError(`${path} is a single colour all over: it has no structure and no look, use another photo`);
  }
  if (image.width >= MIN_CROP_SIDE && image.height >= MIN_HEIGHT) return;
  const used = image.width === width && image.height === height ? '' : `, used at ${image.width} x ${image.height}`;
  const need = `the generator needs ${MIN_CROP_SIDE} x ${MIN_HEIGHT} or more`;
  const remedy = `use a larger photo or --size ${MIN_HEIGHT} or above`;
  throw new InputError(`${path} is ${width} x ${height} pixels${used}: ${need}, ${remedy}`);
}
