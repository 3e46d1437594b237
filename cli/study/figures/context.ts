/** The material of the figures: pictures, models, sizes, and the transfers that several of them show. */
import { basename, dirname, resolve, join } from 'node:path';
import { defaultOptions } from '../../../model/method/options.js';
import { scenePath } from '../../demo/files.js';
import type { LoadedVit } from '../../models/read.js';
import { readImage, writeImage } from '../../photos/photo.js';
import { nameOf } from '../../run/about.js';
import type { Parts } from '../../run/parts.js';
import { prepareFolder } from '../../shared/files.js';
import { ensureTransfer } from '../../transfer/ensure.js';
import type { TransferOptions } from '../../transfer/options.js';
import type { NamedImage } from '../study.js';
import { drawWall } from './wall.js';
import { readText } from '../../shared/read.js';

/** The study's own lengths, and sizes in pixels: shorter sides of photos and ViT inputs, height of pictures on a sheet. */
const FULL = {
  vitSize: 224, invertSize: 224, invertSteps: 2000, painter: 'skip6' as 'skip6' | 'skip', repeats: 4,
  transferSize: 256, transferVitSize: 224, transferSteps: 2000, warmStart: defaultOptions.warmStart, height: 224,
};
export type Scale = Readonly<typeof FULL>;

/** Minutes on a CPU: everything small and short, so that the pictures show the direction rather than the end. */
const QUICK: Scale = {
  vitSize: 112, invertSize: 64, invertSteps: 120, painter: 'skip', repeats: 3,
  transferSize: 64, transferVitSize: 64, transferSteps: 220, warmStart: 80, height: 176,
};
export const scaleOf = (quick: boolean): Scale => (quick ? QUICK : FULL);

export interface Pair {
  readonly name: string;
  readonly structure: string;
  readonly appearance: string;
}

export interface FigureContext {
  readonly out: string;
  readonly scale: Scale;
  readonly seed: number;
  readonly models: readonly LoadedVit[];
  /** Names or paths of the models, as given. */
  readonly modelNames: readonly string[];
  readonly pairs: readonly Pair[];
  readonly parts: Parts;
  readonly note: (text: string) => void;
}

/** The landscapes the project draws, both ways. */
export const ownPairs = (): Pair[] => [
  { name: 'valley-as-peaks', structure: scenePath('valley'), appearance: scenePath('peaks') },
  { name: 'peaks-as-valley', structure: scenePath('peaks'), appearance: scenePath('valley') },
];

/** Layers at every quarter of a model's depth, the last one included. */
export const quarters = ({ vit: { config: { depth } } }: LoadedVit): number[] =>
  [...new Set([1, 2, 3, 4].map((quarter) => Math.max(0, Math.round((quarter * depth) / 4) - 1)))];

/** A transfer in OUT/runs: a new one, an interrupted one resumed, or a finished one; undefined when interrupted. */
export async function transferOf(context: FigureContext, pair: Pair) {
  const { scale, seed, parts, modelNames, note } = context;
  const folder = join(context.out, 'runs', pair.name);
  const options: TransferOptions = {
    structure: pair.structure, appearance: pair.appearance, out: folder, model: modelNames[0]!, vit: {}, size: scale.transferSize,
    saveEvery: 250, force: false, json: false,
    splice: { ...defaultOptions, seed, steps: scale.transferSteps, warmStart: scale.warmStart, vitSize: scale.transferVitSize },
  };
  const onOther = (): void => note(`training ${pair.name} again: its settings changed`);
  const code = await ensureTransfer(options, parts, { onOther, note });
  if (code !== 0) return undefined;
  const sized = { shorterSide: scale.transferSize };
  const report = JSON.parse(await readText(join(folder, 'report.json'))) as { match: number | null };
  return {
    folder, match: report.match, result: await readImage(join(folder, 'result.png')),
    structure: await readImage(pair.structure, sized), appearance: await readImage(pair.appearance, sized),
  };
}

/** The drawn wall as a file, for a transfer to read. */
export async function wallFile({ out, scale }: FigureContext): Promise<string> {
  const path = join(out, 'runs', 'wall.png');
  await prepareFolder(join(out, 'runs'));
  await writeImage(path, drawWall(Math.round(1.5 * scale.transferSize), scale.transferSize));
  return path;
}

/** The file's name, with its folder's if it is `structure` or `appearance`, as in folders of pairs. */
export function photoName(path: string): string {
  const name = nameOf(path);
  const folder = basename(dirname(resolve(path)));
  return (/^(structure|appearance)$/.test(name) ? `${folder}-${name}` : name).replaceAll(/[^\w.-]+/g, '_');
}

/** The photos of the pairs, each once, at the size of transfers. */
export async function photosOf({ pairs, scale }: FigureContext): Promise<(NamedImage & { readonly path: string })[]> {
  const paths = new Set(pairs.flatMap(({ structure, appearance }) => [structure, appearance]));
  const shorterSide = Math.max(scale.vitSize, scale.transferSize);
  return Promise.all([...paths].map(async (path) =>
    ({ path, name: photoName(path), image: await readImage(path, { shorterSide }) })));
}
