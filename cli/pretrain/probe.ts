/** The work of `splice-gpu probe`: the quality of a ViT's features, on classes of photos and on drawn scenes. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { normalize, type Engine, type Program } from '../../engine/index.js';
import type { Image } from '../../model/image.js';
import { centralSquare } from '../../model/squares.js';
import { nearestNeighbourAccuracy, patchLabels, separation, type Labelled } from '../../model/study/probe.js';
import type { VitModel } from '../../model/vit/config.js';
import { uploadVit, vitFeatures } from '../../model/vit/vit.js';
import { labels, scenePainter, type Scene } from '../demo/scenes.js';
import { fileError, InputError } from '../shared/errors.js';
import { readImage, resizeImage } from '../photos/photo.js';
import { listPhotos } from '../photos/folder.js';
import { createProgress } from '../shared/progress.js';
import type { Parts } from '../run/parts.js';
import { table } from '../shared/table.js';
import { loadVit } from '../models/load.js';

export interface ProbeOptions {
  readonly models: readonly string[];
  /** Folder whose subfolders are classes; absent: scenes only. */
  readonly photos?: string;
  /** Names of the subfolders; absent: all of them. */
  readonly classes?: readonly string[];
  /** Patches along a side of the squares that photos are cut to, the same for all models. */
  readonly grid: number;
  readonly neighbours: number;
  /** Landscapes of each kind. */
  readonly scenes: number;
  readonly json: boolean;
}

/** The figures of one model; those that were not asked for are absent. */
export interface ProbeFigures {
  readonly model: string;
  /** Share of the second half of the photos whose class their nearest neighbours in the first half have, by CLS token. */
  readonly neighbours?: number;
  /** Separation by keys of the house from the rest of a scene, and mean over house, sky, ground, water (area under the curve). */
  readonly object?: number;
  readonly regions?: number;
}

/** Patches of a scene. */
const [ROWS, COLS] = [16, 24];
const SCENE = { width: 384, height: 256, samples: 1 } as const;
/** Seeds from here on; pretraining draws from 1. */
const FIRST_SEED = 1001;
/** Share of a patch that a label must fill to count. */
const SHARE = 0.6;
const BATCH = 8;

/** Measures and prints. Returns the exit code. */
export async function probe(options: ProbeOptions, { openEngine, stdout, stderr }: Parts): Promise<number> {
  const vits = [];
  for (const model of options.models) vits.push((await loadVit(model)).vit);
  const classes = options.photos === undefined ? [] : await readClasses(options.photos, options.classes);
  const { engine, close } = await openEngine();
  try {
    const photoCount = classes.reduce((sum, c) => sum + c.length, 0);
    const progress = createProgress(2 * options.scenes + vits.length * (photoCount + 2 * options.scenes), stderr);
    let done = 0;
    const tick = (what: string) => (count: number) => progress.update((done += count), what);
    const scenes = await drawScenes(engine, options.scenes, tick('drawing scenes'));
    const rows: ProbeFigures[] = [];
    for (const vit of vits) rows.push(await measure(engine, vit, classes, scenes, options, tick(vit.name)));
    progress.finish();
    stdout.write(options.json ? `${JSON.stringify(rows)}\n` : tableOf(rows));
  } finally {
    close();
  }
  return 0;
}

/** Photos by class. @throws InputError for a folder without at least two classes */
async function readClasses(folder: string, names?: readonly string[]): Promise<Image[][]> {
  const found = names ?? (await subfolders(folder));
  if (found.length < 2) {
    throw new InputError(`${folder} has ${found.length} subfolders of photos: a class each, at least two, are needed`);
  }
  const classes: Image[][] = [];
  for (const name of found) {
    const path = join(folder, name);
    const paths = await listPhotos(path);
    if (paths.length < 2) throw new InputError(`${path} holds one photo: at least two are needed, one for each half`);
    const images: Image[] = [];
    for (const photo of paths) images.push(await readImage(photo));
    classes.push(images);
  }
  return classes;
}

async function subfolders(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name).sort();
  } catch (error) {
    throw fileError(folder, error);
  }
}

async function drawScenes(engine: Engine, count: number, tick: (count: number) => void): Promise<Scene[]> {
  const scenes: Scene[] = [];
  for (const kind of count > 0 ? (['valley', 'peaks'] as const) : []) {
    const paint = await scenePainter(engine.device, kind);
    for (let i = 0; i < count; i++) {
      scenes.push(await paint({ seed: FIRST_SEED + i, ...SCENE }));
      tick(1);
    }
  }
  return scenes;
}

async function measure(
  engine: Engine, vit: VitModel, classes: readonly Image[][], scenes: readonly Scene[], { grid, neighbours }: ProbeOptions,
  tick: (count: number) => void,
): Promise<ProbeFigures> {
  uploadVit(engine, vit);
  const { patch } = vit.config;
  const photoFeatures: Features[][] = [];
  const side = grid * patch;
  for (const images of classes) {
    const squares = await Promise.all(images.map((image) => resizeImage(centralSquare(image), { width: side, height: side })));
    photoFeatures.push(await featuresOf(engine, vit, squares, tick));
  }
  const size = { width: COLS * patch, height: ROWS * patch };
  const pictures = await Promise.all(scenes.map(({ image }) => resizeImage(image, size)));
  const sceneFeatures = await featuresOf(engine, vit, pictures, tick);
  return {
    model: vit.name,
    ...(classes.length > 0 && { neighbours: halves(photoFeatures, vit.config.dim, neighbours) }),
    ...(scenes.length > 0 && separations(scenes, sceneFeatures)),
  };
}

/** Of one image: its CLS token [C] and the keys of its patches [T, C]. */
interface Features {
  readonly cls: Float32Array;
  readonly keys: Float32Array;
}

/** Of images of one size, in batches; the last batch is filled up with zeros. */
async function featuresOf(
  engine: Engine, vit: VitModel, images: readonly Image[], tick: (count: number) => void,
): Promise<Features[]> {
  if (images.length === 0) return [];
  const { width, height } = images[0]!;
  const g = engine.graph();
  const x = g.input('images', [BATCH, 3, height, width]);
  const { keys, cls } = vitFeatures(g, vit, normalize(x, vit.config.mean, vit.config.std));
  const program = await engine.compile({ keys, cls });
  const features: Features[] = [];
  for (let from = 0; from < images.length; from += BATCH) {
    const batch = images.slice(from, from + BATCH);
    const data = new Float32Array(BATCH * 3 * height * width);
    batch.forEach((image, i) => data.set(image.data, i * image.data.length));
    program.write(x, data);
    features.push(...(await readFeatures(program, batch.length, vit.config.dim)));
    tick(batch.length);
  }
  program.destroy();
  return features;
}

async function readFeatures(program: Program, count: number, C: number): Promise<Features[]> {
  program.run();
  const [keys, cls] = [await program.read('keys'), await program.read('cls')];
  const each = keys.length / BATCH;
  return Array.from({ length: count }, (_, i) =>
    ({ cls: cls.slice(i * C, (i + 1) * C), keys: keys.slice(i * each + C, (i + 1) * each) }));
}

/** The first half of every class is known, the second is classified. */
function halves(classes: readonly Features[][], C: number, k: number): number {
  const part = (which: 0 | 1): Labelled => {
    const rows = classes.flatMap((features, label) => {
      const middle = Math.floor(features.length / 2);
      return features.slice(which === 0 ? 0 : middle, which === 0 ? middle : undefined).map(({ cls }) => ({ cls, label }));
    });
    const features = new Float32Array(rows.length * C);
    rows.forEach(({ cls }, i) => features.set(cls, i * C));
    return { features, labels: rows.map(({ label }) => label) };
  };
  return nearestNeighbourAccuracy(part(0), part(1), C, k);
}

function separations(scenes: readonly Scene[], features: readonly Features[]): { object: number; regions: number } {
  const each = scenes.map(({ mask }, i) => {
    const patches = patchLabels(mask, ROWS, COLS, SHARE);
    return Object.values(labels).map((label) => separation(features[i]!.keys, patches, label));
  });
  const meanOf = (label: number): number => mean(each.map((areas) => areas[label]!));
  return { object: meanOf(labels.object), regions: mean(Object.values(labels).map(meanOf)) };
}

/** Of the numbers among them. */
function mean(values: readonly number[]): number {
  const numbers = values.filter((v) => !Number.isNaN(v));
  return numbers.reduce((sum, v) => sum + v, 0) / numbers.length;
}

function tableOf(rows: readonly ProbeFigures[]): string {
  const percent = (share?: number): string => (share === undefined ? '-' : `${(100 * share).toFixed(1)} %`);
  const area = (value?: number): string => (value === undefined ? '-' : value.toFixed(3));
  const cells = rows.map((r) => [r.model, percent(r.neighbours), area(r.object), area(r.regions)]);
  return `${table([['model', 'neighbours', 'object', 'regions'], ...cells])}\n`;
}
