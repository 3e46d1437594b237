/** The work of `splice-gpu regions`: proposes label images for two photos, to correct by hand. */
import { join, resolve } from 'node:path';
import type { Image } from '../../model/image.js';
import type { Labels } from '../../model/method/regions.js';
import { cosegment } from '../../model/compare/cosegment.js';
import { uploadVit } from '../../model/vit/vit.js';
import { labelPicture, NAMED, showColour } from '../photos/labels.js';
import { readImage, writeImage } from '../photos/photo.js';
import { drawSheet } from '../photos/sheet.js';
import type { Parts } from '../run/parts.js';
import { InputError, UsageError } from '../shared/errors.js';
import { exists, prepareFolder } from '../shared/files.js';
import { modelFacts, onEngine, readModels } from './study.js';

export interface RegionsOptions {
  readonly photos: readonly string[];
  readonly out: string;
  readonly model: string;
  readonly vitSize: number;
  readonly seed: number;
  readonly count?: number;
  readonly force?: boolean;
  readonly json?: boolean;
}

const SHEET_HEIGHT = 256;
const FILES = ['structure.png', 'appearance.png', 'sheet.png'] as const;

const colours = Object.values(NAMED);

/** Numbers of regions as a picture of their colours. */
const coloured = ({ width, height, data }: Labels): Image =>
  labelPicture({ width, height, pixels: Int32Array.from(data, (label) => (label === 0 ? 0 : colours[label - 1]!)) });

/** A photo under half-transparent labels. */
const overlay = (photo: Image, labels: Image): Image =>
  ({ ...photo, data: photo.data.map((value, i) => 0.5 * value + 0.5 * labels.data[i]!) });

/** Writes both label images and a sheet. Returns the exit code. @throws InputError for photos without a common region */
export async function regions(options: RegionsOptions, parts: Parts): Promise<number> {
  const { photos: paths, out, vitSize, seed, count, force = false, json = false } = options;
  if (paths.length !== 2) throw new UsageError(`regions takes two photos, structure and appearance: ${paths.length} are given`);
  const taken = await Promise.all(FILES.map(async (name) => ((await exists(join(out, name))) ? join(out, name) : undefined)));
  const found = taken.find((path) => path !== undefined);
  if (found !== undefined && !force) {
    throw new UsageError(`${found} exists, perhaps corrected by hand: give --force or another --out`);
  }
  const photos = [await readImage(paths[0]!), await readImage(paths[1]!)] as const;
  const { models: [loaded] } = await readModels([options.model], { vitSize }, parts);
  const { labels, count: shared } = await onEngine(parts, (engine) => {
    uploadVit(engine, loaded!.vit);
    return cosegment(engine, loaded!.vit, photos, { vitSize, seed, ...(count !== undefined && { count }) });
  });
  if (shared === 0) {
    throw new InputError(`${paths[0]} and ${paths[1]} share no region: give --count with fewer clusters, or paint label images`);
  }
  await prepareFolder(out);
  const pictures = labels.map(coloured);
  for (const [i, picture] of pictures.entries()) await writeImage(join(out, FILES[i]!), picture);
  const names = ['structure', 'appearance'];
  const sheet = await drawSheet({
    columns: ['photo', 'regions', 'both'], height: SHEET_HEIGHT,
    rows: photos.map((photo, i) => ({ label: names[i]!, cells: [photo, pictures[i], overlay(photo, pictures[i]!)] })),
  });
  await writeImage(join(out, FILES[2]), sheet);
  const of = colours.slice(0, shared).map(showColour);
  const facts = { out: resolve(out), model: modelFacts(loaded!), regions: of, files: FILES.map((name) => resolve(out, name)) };
  const given = `--structure-regions ${join(out, FILES[0])} --appearance-regions ${join(out, FILES[1])}`;
  parts.stdout.write(json ? `${JSON.stringify(facts)}\n` : `${of.join(', ')}: ${join(out, FILES[2])}; for transfer: ${given}\n`);
  return 0;
}
