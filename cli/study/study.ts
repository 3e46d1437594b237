/** Shared by the commands that look into a ViT: options, models, pictures, and the sheets they write. */
import { dirname, resolve } from 'node:path';
import type { Engine } from '../../engine/index.js';
import type { Image } from '../../model/image.js';
import { checkVitSize, loadVit } from '../models/load.js';
import type { LoadedVit } from '../models/read.js';
import { readImage, writeImage } from '../photos/photo.js';
import { drawSheet, type Sheet } from '../photos/sheet.js';
import { nameOf } from '../run/about.js';
import type { Parts } from '../run/parts.js';
import { withTestTimeRegisters } from '../run/registers.js';
import { UsageError } from '../shared/errors.js';
import { prepareFolder } from '../shared/files.js';

/** Options of every command that draws a sheet. */
export interface SheetOptions {
  /** Height of the sheet's pictures in pixels. */
  readonly height: number;
  readonly out: string;
  readonly json?: boolean;
}

/** Options of every such command about the layers of a ViT. */
export interface LayerOptions extends SheetOptions {
  /** 0 is the first; the last when absent. */
  readonly layers?: readonly number[];
  readonly vitSize: number;
  /** Outlier neurons that move to an added token: see `registersOf`. */
  readonly testTimeRegisters?: string;
}

export interface NamedImage {
  readonly name: string;
  readonly image: Image;
}

/** No ViT's input gains from a longer side. */
const MOST_SIDE = 512;

/** Pictures by the names of their files, the shorter side at most 512 pixels. */
export async function readPictures(paths: readonly string[]): Promise<NamedImage[]> {
  const pictures: NamedImage[] = [];
  for (const path of paths) {
    pictures.push({ name: nameOf(path), image: await readImage(path, { atMost: MOST_SIDE }) });
  }
  return pictures;
}

/**
 * The models, and the layers or else the last layer of the shallowest model.
 * @throws UsageError for an input of less than two patches, or a layer that a model does not have
 */
export async function readModels(
  names: readonly string[],
  { vitSize, layers, testTimeRegisters }: Pick<LayerOptions, 'vitSize' | 'layers' | 'testTimeRegisters'>,
  parts: Parts,
): Promise<{ models: LoadedVit[]; layers: readonly number[] }> {
  const models: LoadedVit[] = [];
  for (const name of names) {
    const loaded = await loadVit(name, {}, { signal: parts.interrupt, output: parts.stderr });
    models.push(await withTestTimeRegisters(loaded, testTimeRegisters, parts));
  }
  for (const { vit } of models) {
    checkVitSize(vitSize, vit);
    const last = vit.config.depth - 1;
    const bad = layers?.find((layer) => layer > last);
    if (bad !== undefined) throw new UsageError(`--layers ${bad}: ${vit.name} has layers 0 to ${last}`);
  }
  return { models, layers: layers ?? [Math.min(...models.map(({ vit }) => vit.config.depth)) - 1] };
}

/** Runs `work` on a new engine and releases its memory afterwards. */
export async function onEngine<T>({ openEngine }: Parts, work: (engine: Engine) => Promise<T>): Promise<T> {
  const { engine, close } = await openEngine();
  try {
    return await work(engine);
  } finally {
    close();
  }
}

/** Makes a sheet on an engine, writes it, and prints its path, with --json also the facts about it. */
export async function makeSheet(
  { out, json }: SheetOptions, parts: Parts, make: (engine: Engine) => Promise<{ sheet: Sheet; facts: object }>,
): Promise<void> {
  const { sheet, facts } = await onEngine(parts, make);
  await saveSheet(out, sheet);
  parts.stdout.write(json ? `${JSON.stringify({ out: resolve(out), ...facts })}\n` : `${out}\n`);
}

/** Writes a sheet and makes its folder. @throws InputError when it cannot be written */
export async function saveSheet(path: string, sheet: Sheet): Promise<void> {
  await prepareFolder(dirname(resolve(path)));
  await writeImage(path, await drawSheet(sheet), sheet.title === undefined ? {} : { Title: sheet.title });
}

/** `a`, `a and b`, `a, b and c`; empty for none. */
export const listed = (names: readonly string[]): string =>
  [names.slice(0, -1).join(', '), ...names.slice(-1)].filter(Boolean).join(' and ');

/** The name of a ViT for people. */
export const titleOf = ({ vit: { name, config } }: LoadedVit): string =>
  (config.registerNeurons ? `${name} with test-time registers` : name);

/** Identifies a model in JSON. */
export const modelFacts = ({ vit: { name, config: { registerNeurons } }, sha256 }: LoadedVit) =>
  ({ name, sha256, ...(registerNeurons && { registerNeurons }) });
