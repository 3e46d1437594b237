/** What the commands that look into a ViT share: models, pictures, and where their sheets go. */
import { basename, dirname, extname, resolve } from 'node:path';
import type { Image } from '../../model/image.js';
import { UsageError } from '../shared/errors.js';
import { prepareFolder } from '../shared/files.js';
import { readImage, writeImage } from '../photos/photo.js';
import type { Io, Output } from '../shared/progress.js';
import { drawSheet, type Sheet } from '../photos/sheet.js';
import { loadVit, type LoadedVit } from '../models/load.js';

export interface NamedImage {
  readonly name: string;
  readonly image: Image;
}

/** Taller than any ViT's input would gain from. */
const MOST_SIDE = 512;

/** Pictures by the names of their files, the shorter side at most 512 pixels. */
export async function readPictures(paths: readonly string[], side = MOST_SIDE): Promise<NamedImage[]> {
  const pictures: NamedImage[] = [];
  for (const path of paths) {
    const image = await readImage(path);
    const isLarge = Math.min(image.width, image.height) > side;
    pictures.push({ name: basename(path, extname(path)), image: isLarge ? await readImage(path, { shorterSide: side }) : image });
  }
  return pictures;
}

/** @throws UsageError for an input of less than two patches, or a layer that a model has not */
export async function readModels(
  models: readonly string[], vitSize: number, layers: readonly number[], { interrupt, stderr }: Io,
): Promise<LoadedVit[]> {
  const loaded: LoadedVit[] = [];
  for (const model of models) loaded.push(await loadVit(model, {}, { signal: interrupt, output: stderr }));
  for (const { vit } of loaded) {
    const { patch, depth } = vit.config;
    if (vitSize < 2 * patch) throw new UsageError(`--vit-size ${vitSize} is below ${2 * patch}, two patches of ${vit.name}: give ${2 * patch} or more`);
    const bad = layers.find((layer) => layer >= depth);
    if (bad !== undefined) throw new UsageError(`--layers ${bad}: ${vit.name} has layers 0 to ${depth - 1}`);
  }
  return loaded;
}

/** The layers asked for, else the last of the shallowest model. */
export const layersOr = (layers: readonly number[] | undefined, models: readonly LoadedVit[]): readonly number[] =>
  layers ?? [Math.min(...models.map(({ vit }) => vit.config.depth)) - 1];

/** Writes a sheet, making its folder. @throws InputError when that cannot be */
export async function saveSheet(path: string, sheet: Sheet): Promise<void> {
  checkSheetPath(path);
  await prepareFolder(dirname(resolve(path)));
  await writeImage(path, await drawSheet(sheet), { Title: sheet.title });
}

/** @throws UsageError unless it names a PNG */
export function checkSheetPath(path: string): void {
  if (!/\.png$/i.test(path)) throw new UsageError(`--out ${path}: a picture is written, give a name that ends in .png`);
}

/** A line for people, or one object for programs. */
export function announceSheet(path: string, json: boolean, facts: Readonly<Record<string, unknown>>, stdout: Output): void {
  stdout.write(json ? `${JSON.stringify({ out: resolve(path), ...facts })}\n` : `${path}\n`);
}

/** What to call a model in a picture. */
export const modelLabel = ({ vit }: LoadedVit): string => vit.name;
