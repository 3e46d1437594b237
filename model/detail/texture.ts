/**
 * The appearance's texture for a picture: every patch of the picture, enlarged, looks for the nearest patch of the blurred
 * appearance and takes what blurring took from that one (the query, key and value of Granot et al., "Drop the GAN", arXiv
 * 2103.15545, in a single round), octave after octave.
 */
import { nearestPatch, unfold, unfoldedWidth } from '../../engine/index.js';
import type { Image } from '../image.js';
import { resample } from '../resample.js';
import { runOnce, type Computing } from '../runOnce.js';
import { keyCorners, matchingCells } from './keys.js';
import type { TokenMatches } from './matches.js';
import { cut, sizeOfBox, tilesOf, type Box, type Size } from './planes.js';

/** Side of a patch, and the distance of neighbouring ones, in pixels. */
const PATCH = 5;
const STRIDE = 2;
/** The first patch begins this far outside the picture, so that all pixels have the same number of patches. */
const OUTSIDE = PATCH - 1;
const WIDTH = unfoldedWidth(3, PATCH);
/** Largest side of a region whose patches share their keys, in pixels. */
const REGION = 256;

export interface TextureSetting {
  readonly matches?: TokenMatches | undefined;
  /** Keys of a region. */
  readonly keys: number;
  /** Side in pixels of regions without matches; for tests, since it changes nothing. */
  readonly region?: number;
}

/** One octave: all pictures at its size. */
interface Octave {
  readonly size: Size;
  /** The picture with borders of OUTSIDE pixels or more, so that it holds all patches. */
  readonly query: Image;
  /** The appearance without the detail that the query lacks, and that detail. */
  readonly keys: Image;
  readonly detail: Float32Array;
  /** Rows and columns of patches. */
  readonly grid: Size;
}

const sizeOf = ({ height, width }: Image): Size => [height, width];
const shorter = ({ height, width }: Pick<Image, 'height' | 'width'>): number => Math.min(height, width);

/** Patches of the blurred appearance as rows, all colours less a half: their products are small and exact. */
function keyRows({ data, width, height }: Image, corners: Int32Array): Float32Array {
  const rows = new Float32Array(corners.length * WIDTH);
  corners.forEach((corner, n) => {
    let at = n * WIDTH;
    for (let c = 0; c < 3; c++) {
      for (let y = 0; y < PATCH; y++) {
        const start = c * width * height + corner + y * width;
        for (let x = 0; x < PATCH; x++) rows[at++] = data[start + x]! - 0.5;
      }
    }
  });
  return rows;
}

/** The nearest of `corners` for a box of the grid of patches. */
async function nearestCorners(
  engine: Computing, query: Image, { from, to }: Box, corners: Int32Array, rows: Float32Array,
): Promise<Int32Array> {
  const [first, last] = [from, to].map(([y, x]) => [STRIDE * y, STRIDE * x] as const) as [Size, Size];
  const box = { from: first, to: [last[0] - STRIDE + PATCH, last[1] - STRIDE + PATCH] as const };
  const pixels = cut(query.data, sizeOf(query), box).map((v) => v - 0.5);
  const g = engine.graph();
  const x = g.input('query', [1, 3, ...sizeOfBox(box)]);
  const nearest = nearestPatch(unfold(x, PATCH, STRIDE), g.input('keys', [corners.length, WIDTH]));
  const read = await runOnce(engine, { nearest }, [['query', pixels], ['keys', rows]]);
  return Int32Array.from(read.nearest, (n) => corners[n]!);
}

/** For every patch of the picture, row by row, the corner of its value. */
async function patchCorners(
  engine: Computing, { query, keys, grid, size }: Octave, { matches, keys: most, region }: TextureSetting,
  onPart: (share: number) => void,
): Promise<Int32Array> {
  const side = region ?? (matches ? Math.min(REGION, Math.ceil((2 * Math.min(...size)) / Math.min(...matches.picture))) : REGION);
  const everywhere = matches ? undefined : keyCorners(sizeOf(keys), PATCH, most);
  const everyRow = everywhere && keyRows(keys, everywhere);
  const found = new Int32Array(grid[0] * grid[1]);
  for (const box of tilesOf(grid, Math.max(8, Math.floor(side / STRIDE)))) {
    const middle = (at: Size): [number, number] => [STRIDE * at[0] - STRIDE, STRIDE * at[1] - STRIDE];
    const corners = everywhere ?? keyCorners(sizeOf(keys), PATCH, most,
      matchingCells(matches!, { from: middle(box.from), to: middle(box.to) }, size), matches!.appearance);
    const nearest = await nearestCorners(engine, query, box, corners, everyRow ?? keyRows(keys, corners));
    const [rows, columns] = sizeOfBox(box);
    for (let r = 0; r < rows; r++) {
      found.set(nearest.subarray(r * columns, (r + 1) * columns), (box.from[0] + r) * grid[1] + box.from[1]);
    }
    onPart((rows * columns) / found.length);
  }
  return found;
}

/** 1 for patches that have found the same as a neighbour: their detail would repeat every few pixels. */
function repeatedPatches(corners: Int32Array, columns: number): Uint8Array {
  const repeated = new Uint8Array(corners.length);
  corners.forEach((corner, at) => {
    if (at % columns > 0 && corners[at - 1] === corner) repeated[at] = repeated[at - 1] = 1;
    if (at >= columns && corners[at - columns] === corner) repeated[at] = repeated[at - columns] = 1;
  });
  return repeated;
}

/** The query plus, for every pixel, the mean detail of the patches over it; repeated ones have none. */
function withDetail({ query, keys, detail, size: [height, width], grid: [, across] }: Octave, corners: Int32Array): Image {
  const [own, plane, wide] = [height * width, keys.height * keys.width, query.height * query.width];
  const repeated = repeatedPatches(corners, across);
  const data = new Float32Array(3 * own);
  for (let y = 0; y < height; y++) {
    const [top, bottom] = [Math.ceil(y / STRIDE), Math.floor((y + OUTSIDE) / STRIDE)];
    for (let x = 0; x < width; x++) {
      const [left, right] = [Math.ceil(x / STRIDE), Math.floor((x + OUTSIDE) / STRIDE)];
      let [red, green, blue] = [0, 0, 0];
      for (let i = top; i <= bottom; i++) {
        const row = (y + OUTSIDE - STRIDE * i) * keys.width + x + OUTSIDE;
        for (let patch = i * across + left; patch <= i * across + right; patch++) {
          if (repeated[patch]) continue;
          const at = corners[patch]! + row - STRIDE * (patch - i * across);
          red += detail[at]!;
          green += detail[at + plane]!;
          blue += detail[at + 2 * plane]!;
        }
      }
      const [at, from] = [y * width + x, (y + OUTSIDE) * query.width + x + OUTSIDE];
      const count = (bottom - top + 1) * (right - left + 1);
      data[at] = query.data[from]! + red / count;
      data[at + own] = query.data[from + wide]! + green / count;
      data[at + 2 * own] = query.data[from + 2 * wide]! + blue / count;
    }
  }
  return { width, height, data };
}

/** The pictures of the octave that enlarges `picture` to `size`; undefined if the appearance has nothing new for it. */
function octaveOf(picture: Image, appearance: Image, [height, width]: Size): Octave | undefined {
  const factor = Math.min(height, width) / shorter(appearance);
  const scaled = (image: Image, k: number): Image =>
    resample(image, Math.max(1, Math.round(image.width * k)), Math.max(1, Math.round(image.height * k)));
  if (factor >= 2) return undefined; // its photo has only detail that the octaves before have brought
  const values = scaled(appearance, factor);
  if (Math.min(height, width, shorter(values)) < PATCH) return undefined;
  const blurred = scaled(values, shorter(picture) / Math.min(height, width));
  const grid = [height, width].map((side) => Math.floor((side - 1 + OUTSIDE) / STRIDE) + 1) as [number, number];
  const end = grid.map((count) => STRIDE * (count - 1) - OUTSIDE + PATCH) as [number, number];
  const box = { from: [-OUTSIDE, -OUTSIDE], to: end } as const;
  const [rows, columns] = sizeOfBox(box);
  const keys = resample(blurred, values.width, values.height);
  return {
    size: [height, width], grid,
    query: { height: rows, width: columns, data: cut(resample(picture, width, height).data, [height, width], box) },
    keys, detail: values.data.map((v, i) => v - keys.data[i]!),
  };
}

/** Sizes from that of `image`, without it, to `size`: twice as large each, without a last step of less than a ninth. */
function octaveSizes(image: Image, size: Size): Size[] {
  const sizes: Size[] = [];
  for (let now = sizeOf(image); Math.min(...now) < 0.9 * Math.min(...size); sizes.push(now)) {
    now = [Math.min(size[0], 2 * now[0]), Math.min(size[1], 2 * now[1])];
  }
  return sizes;
}

/** `picture` with the appearance's texture, at `size` or a ninth below it. `onPart` gets shares of the work, in sum 1. */
export async function withTexture(
  engine: Computing, picture: Image, appearance: Image, size: Size, setting: TextureSetting, onPart: (share: number) => void,
): Promise<Image> {
  const sizes = octaveSizes(picture, size);
  const work = sizes.reduce((sum, [h, w]) => sum + h * w, 0);
  let now = picture;
  for (const [h, w] of sizes) {
    const octave = octaveOf(now, appearance, [h, w]);
    const part = (share: number): void => onPart((share * h * w) / work);
    if (!octave) {
      now = resample(now, w, h);
      part(1);
      continue;
    }
    const corners = await patchCorners(engine, octave, setting, part);
    now = withDetail(octave, corners);
  }
  return now;
}
