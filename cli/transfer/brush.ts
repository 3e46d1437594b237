/**
 * Regions that are brushed on the page of a run. Their label images are in the run's folder, named by their hashes: a checkpoint
 * names the hashes of the regions it was trained with, so that each finds its own, whenever the run ended.
 */
import { mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { nearestPixels } from '../../model/nearest.js';
import { readHeader } from '../photos/decode.js';
import { labelPicture, labelsIn, type LabelFile } from '../photos/labels.js';
import { encodeImage, type Photo } from '../photos/photo.js';
import type { Checkpoint } from '../run/checkpoints.js';
import type { Painted } from '../run/page.js';
import { InputError } from '../shared/errors.js';
import { exists, readInput, sha256, writeFileAtomic } from '../shared/files.js';
import type { Inputs } from './inputs.js';
import type { Brushed } from './options.js';
import { showSize } from './output.js';
import { readRegions } from './regions.js';

const WHICH = ['structure', 'appearance'] as const;
type Which = (typeof WHICH)[number];

/** Longer side of a label image, which is enough for a brush. */
const MOST_SIDE = 1024;
/** The largest label image that a run keeps of its beginning. */
const MAX_BYTES = 64e6;
/** A page knows the photo's proportions by rounded pixels. */
const ROUNDING = 0.05;

const pathOf = (folder: string, which: Which, hash: string): string =>
  resolve(join(folder, 'regions', `${which}-${hash.slice(0, 16)}.png`));

/** For people. */
const nameOf = (which: Which): string => `the brush on the ${which} photo`;

/** Whether the run's regions can be brushed: it has one photo of each kind. */
export const isBrushable = ({ options, sequence }: Inputs): boolean => !options.looks && !sequence;

/**
 * The inputs with these label images in place of their own, from `step` on, or with none. The files are written.
 * @throws InputError for label images that do not fit, as for those of `--structure-regions`
 */
export async function withPainted(inputs: Inputs, painted: Painted | undefined, step: number): Promise<Inputs> {
  const { options, structure, appearance, model } = inputs;
  const { brushed = [] } = options;
  const before = brushed.filter((change) => change.step < step);
  if (!painted && !inputs.regions) return inputs;
  await keepOwn(inputs);
  if (!painted) return withRegions(inputs, undefined, [...before, { step }]);
  const fit = (which: Which, photo: Photo): Promise<Buffer> => fitted(which, Buffer.from(painted[which]), photo);
  const bytes = { structure: await fit('structure', structure), appearance: await fit('appearance', appearance) };
  const read = (name: string): Promise<LabelFile> => labelsIn(name, bytes[WHICH.find((which) => nameOf(which) === name)!]);
  const named = { structureRegions: nameOf('structure'), appearanceRegions: nameOf('appearance') };
  const regions = (await readRegions({ ...options, ...named }, structure, [appearance], model, read))!;
  const file = (which: Which, labels: LabelFile): LabelFile => ({ ...labels, path: pathOf(options.out, which, labels.sha256) });
  const files = { structure: file('structure', regions.structure), appearance: file('appearance', regions.appearance!) };
  for (const which of WHICH) await write(files[which].path, bytes[which]);
  return withRegions(inputs, { ...regions, ...files }, [...before, { step, ...hashesOf(files) }]);
}

/** The label image at the photo's own proportions, as a PNG. @throws InputError for one that is too large, or of others */
async function fitted(which: Which, png: Buffer, photo: Photo): Promise<Buffer> {
  const header = await readHeader(png, 'png').catch(() => undefined); // labelsIn tells what is wrong
  if (header && Math.max(header.width, header.height) > MOST_SIDE) {
    throw new InputError(`${nameOf(which)} has ${showSize(header)} pixels: at most ${MOST_SIDE} a side are taken from a page`);
  }
  const labels = await labelsIn(nameOf(which), png);
  const [ratio, wanted] = [labels, photo].map(({ width, height }) => width / height) as [number, number];
  if (Math.abs(ratio / wanted - 1) > ROUNDING) {
    throw new InputError(`${nameOf(which)} has ${showSize(labels)} pixels, but its photo ${showSize(photo)}: reload the page`);
  }
  const scale = Math.max(labels.width, labels.height) / Math.max(photo.width, photo.height);
  const [width, height] = [photo.width, photo.height].map((side) => Math.max(1, Math.round(side * scale))) as [number, number];
  const pixels = Int32Array.from(nearestPixels(labels, { width, height }), (at) => labels.pixels[at]!);
  return encodeImage(labelPicture({ width, height, pixels }));
}

async function write(path: string, bytes: Buffer): Promise<void> {
  if (await exists(path)) return;
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomic(path, bytes);
}

/** Copies the label images that the run began with: checkpoints name them, and config.json soon names others. */
async function keepOwn({ options: { out }, regions }: Inputs): Promise<void> {
  for (const which of WHICH) {
    const file = regions?.[which];
    if (!file || (await exists(pathOf(out, which, file.sha256)))) continue;
    const bytes = await readInput(file.path, MAX_BYTES);
    if (sha256(bytes) === file.sha256) await write(pathOf(out, which, file.sha256), bytes);
  }
}

const hashesOf = ({ structure, appearance }: Readonly<Record<Which, Pick<LabelFile, 'sha256'>>>) =>
  ({ structureRegions: structure.sha256, appearanceRegions: appearance.sha256 });

function withRegions({ regions: _, ...inputs }: Inputs, regions: Inputs['regions'], brushed: readonly Brushed[]): Inputs {
  const { structureRegions: __, appearanceRegions: ___, brushed: ____, ...options } = inputs.options;
  const paths = regions && { structureRegions: regions.structure.path, appearanceRegions: regions.appearance!.path };
  return {
    ...inputs, ...(regions && { regions }), options: { ...options, ...paths, ...(brushed.length > 0 && { brushed }) },
  };
}

/**
 * The inputs with the regions that a checkpoint of the run in `folder` names, and with the changes up to it; as they are if its
 * regions were not brushed.
 */
export async function inputsAt(inputs: Inputs, { identity, state }: Checkpoint, folder: string): Promise<Inputs> {
  const { options, structure, appearance, model, regions } = inputs;
  const [own, other] = WHICH.map((which) => identity[`${which} regions`]);
  if (regions?.structure.sha256 === own && regions?.appearance?.sha256 === other) return inputs;
  const step = state.counters['stepsDone'] ?? 0;
  const paths = own && other ? [pathOf(folder, 'structure', own), pathOf(folder, 'appearance', other)] as const : undefined;
  const isKept = async (hash: string): Promise<boolean> => exists(pathOf(folder, 'structure', hash));
  const isBrushed = options.brushed !== undefined || (regions && (await isKept(regions.structure.sha256)));
  const isThere = paths ? (await exists(paths[0])) && (await exists(paths[1])) : isBrushed;
  if (!isThere) return inputs;
  const named = paths && { ...options, structureRegions: paths[0], appearanceRegions: paths[1] };
  const found = named && (await readRegions(named, structure, [appearance], model));
  const before = options.brushed?.filter((change) => change.step <= step) ?? [];
  const newest = before.at(-1);
  // The run may have ended before config.json had the newest change. Before the first one it has the regions that it began with.
  const isKnown = newest ? newest.structureRegions === own && newest.appearanceRegions === other : options.brushed !== undefined;
  const change = { step, ...(own && { structureRegions: own }), ...(other && { appearanceRegions: other }) };
  return withRegions(inputs, found, isKnown ? before : [...before, change]);
}

/**
 * `next` for a run that goes on with `inputs`: it reads their labels at every step, which become those of `next`. Undefined where
 * `next` has another number of regions, hence another program.
 */
export function taking({ regions }: Inputs, next: Inputs): Inputs | undefined {
  if (regions?.regions.count !== next.regions?.regions.count) return undefined;
  if (!regions || !next.regions) return next;
  const [own, wanted] = [regions.regions, next.regions.regions];
  own.structure.data.set(wanted.structure.data);
  own.appearances[0]!.data.set(wanted.appearances[0]!.data);
  return { ...next, regions: { ...next.regions, regions: own } };
}
