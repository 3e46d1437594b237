/** Regions of a transfer: label images of one's own, and the appearance photos of their colours. */
import { recipes } from '../../model/method/recipes.js';
import { tokenLabels, type Labels, type PatchGrid, type Regions } from '../../model/method/regions.js';
import { nearestPixels } from '../../model/nearest.js';
import type { LoadedVit } from '../models/read.js';
import { readLabels, showColour, type Colour, type LabelFile } from '../photos/labels.js';
import type { Photo, Size } from '../photos/photo.js';
import { InputError, UsageError } from '../shared/errors.js';
import type { TransferOptions } from './options.js';
import { showSize } from './output.js';

/** An appearance photo for one region. */
export interface Look {
  /** For people, if one was given. */
  readonly name?: string;
  readonly colour: Colour;
  readonly path: string;
}

/** Regions as read. */
export interface ReadRegions {
  readonly structure: LabelFile;
  /** Absent where every region has an appearance photo of its own. */
  readonly appearance?: LabelFile;
  /** In the order of the regions' numbers. */
  readonly colours: readonly Colour[];
  readonly regions: Regions;
}

/** For people: the name that was given, or the colour. */
export const nameOfRegion = (colour: Colour, looks: readonly Look[] = []): string =>
  looks.find((look) => look.colour === colour)?.name ?? showColour(colour);

/** @param read reads the label images @throws InputError naming the file, what does not fit and the remedy */
export async function readRegions(
  { structureRegions, appearanceRegions, looks, splice }: TransferOptions, structure: Photo, appearances: readonly Photo[],
  { vit }: LoadedVit, read = readLabels,
): Promise<ReadRegions | undefined> {
  if (structureRegions === undefined) {
    if (appearanceRegions === undefined) return undefined;
    throw new UsageError('--appearance-regions needs --structure-regions: give a label image for each photo');
  }
  if (!looks && appearanceRegions === undefined) {
    const remedy = 'give --appearance-regions, or for every region an --appearance COLOUR=FILE';
    throw new UsageError(`--structure-regions needs what its regions are to look like: ${remedy}`);
  }
  const [own, other] = appearanceRegions === undefined
    ? [await labelsOf(structureRegions, structure, read)]
    : await readPartners([structureRegions, structure], [appearanceRegions, appearances[0]!], read);
  const { colours } = own;
  if (!other) checkLooks(own, looks ?? []);
  const numbered = (file: LabelFile, photo: Photo): Labels => {
    const labels = toNumbers(file, photo.image, colours);
    const input = recipes[splice.recipe].vitInput(labels.height, labels.width, vit.config, splice.vitSize);
    checkSeen(file, labels, { input, patch: vit.config.patch });
    return labels;
  };
  const whole = ({ image: { width, height } }: Photo, look: number): Labels =>
    ({ width, height, data: new Uint8Array(width * height).fill(1 + colours.indexOf(looks![look]!.colour)) });
  return {
    structure: own,
    ...(other && { appearance: other }),
    colours,
    regions: {
      count: colours.length,
      structure: numbered(own, structure),
      appearances: other ? [numbered(other, appearances[0]!)] : appearances.map(whole),
    },
  };
}

/** The label images of a pair, whose regions are partners by colour. @throws InputError as `readRegions` */
export async function readPartners(
  structure: readonly [path: string, photo: PhotoFile], appearance: readonly [path: string, photo: PhotoFile], read = readLabels,
): Promise<readonly [structure: LabelFile, appearance: LabelFile]> {
  const files = [await labelsOf(...structure, read), await labelsOf(...appearance, read)] as const;
  checkPartners(...files);
  return files;
}

type PhotoFile = Pick<Photo, 'path' | 'width' | 'height'>;

/** @throws InputError for a label image of other proportions than its photo */
async function labelsOf(path: string, photo: PhotoFile, read: typeof readLabels): Promise<LabelFile> {
  const file = await read(path);
  const fits = Math.abs(file.width * photo.height - file.height * photo.width) <= Math.max(photo.width, photo.height);
  if (fits) return file;
  const sizes = `${showSize(file)} pixels, but its photo ${photo.path} ${showSize(photo)}`;
  throw new InputError(`${path} has ${sizes}: give it the photo's size, or the same proportions`);
}

/** @throws InputError for a region without a partner */
function checkPartners(structure: LabelFile, appearance: LabelFile): void {
  for (const [file, other] of [[structure, appearance], [appearance, structure]] as const) {
    const alone = file.colours.find((colour) => !other.colours.includes(colour));
    if (alone === undefined) continue;
    const remedy = `paint its partner ${showColour(alone)} there, or make the region black here`;
    throw new InputError(`${file.path} has the region ${showColour(alone)}, which ${other.path} lacks: ${remedy}`);
  }
}

/** @throws InputError for a region without an appearance photo, or the other way round */
function checkLooks({ path, colours }: LabelFile, looks: readonly Look[]): void {
  const bare = colours.find((colour) => !looks.some((look) => look.colour === colour));
  if (bare !== undefined) {
    const remedy = `give --appearance ${showColour(bare)}=FILE, or make the region black`;
    throw new InputError(`${path} has the region ${showColour(bare)}, for which there is no appearance photo: ${remedy}`);
  }
  const unused = looks.find(({ colour }) => !colours.includes(colour));
  if (unused === undefined) return;
  const known = colours.map(showColour).join(', ');
  throw new InputError(`${unused.path} is for the region ${showColour(unused.colour)}, which ${path} lacks: it has ${known}`);
}

/** @throws InputError for a region that no patch of the whole photo belongs to */
function checkSeen({ path, colours }: LabelFile, labels: Labels, grid: PatchGrid): void {
  const seen = new Set(tokenLabels(labels, grid));
  const missing = colours.find((_, i) => !seen.has(i + 1));
  if (missing === undefined) return;
  const patches = grid.input.map((side) => Math.floor(side / grid.patch)).reverse().join(' x ');
  const problem = `the region ${showColour(missing)} is smaller than a patch of the ViT, of which the photo has ${patches}`;
  throw new InputError(`${path}: ${problem}: paint it larger, or raise --vit-size`);
}

/** The numbers of the labels at a size, such as that at which the photo is trained. */
export function toNumbers(file: LabelFile, { width, height }: Size, colours: readonly Colour[]): Labels {
  const numbers = new Map(colours.map((colour, i) => [colour, i + 1]));
  const data = Uint8Array.from(nearestPixels(file, { width, height }), (at) => numbers.get(file.pixels[at]!) ?? 0);
  return { width, height, data };
}
