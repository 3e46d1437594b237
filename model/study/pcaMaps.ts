/** Principal components of patches as colours: what a ViT holds for alike gets one colour. */
import type { Image } from '../image.js';
import { principalComponents } from './pca.js';
import type { PatchRows } from './patches.js';
import { similarityFactor, type Matrix } from './similarity.js';

export interface PcaOptions {
  /** Components of every patch's similarity to all others, or of its features themselves. */
  readonly of: 'self-similarity' | 'facet';
  /** One basis and one range of colours for all pictures, instead of one each. */
  readonly joint: boolean;
  /** Only what the first component tells from the background is coloured, by components of its own. */
  readonly foreground: boolean;
}

const COMPONENTS = 3;
/** The outermost values get the colour of those before them: a single patch must not take the contrast of the rest. */
const TAIL = 0.02;
const BACKGROUND = 0.12;

/** A picture [rows, columns] of each of `pictures`; the first three components are red, green and blue. All have one C. */
export function pcaMaps(pictures: readonly PatchRows[], options: PcaOptions): Image[] {
  return options.joint ? colourTogether(pictures, options) : pictures.flatMap((picture) => colourTogether([picture], options));
}

function colourTogether(pictures: readonly PatchRows[], { of, foreground }: PcaOptions): Image[] {
  const stacked = stack(pictures, of === 'self-similarity');
  const all = components(stacked, of);
  // The CLS rows took part in similarities, they have no place in the picture.
  const isPatch = pictures.flatMap(({ rows, columns }) => (of === 'self-similarity' ? [false] : []).concat(Array<boolean>(rows * columns).fill(true)));
  const patches = isPatch.flatMap((is, row) => (is ? [row] : []));
  const shown = foreground ? foregroundOf(patches.map((row) => all[row * COMPONENTS]!), pictures) : patches.map(() => true);
  const kept = patches.filter((_, i) => shown[i]);
  const values = foreground ? components(pick(stacked, kept), of) : pick({ data: all, C: COMPONENTS }, kept).data;
  return paint(pictures, shown, toColours(values));
}

/** All pictures' rows one below the other. */
function stack(pictures: readonly PatchRows[], withCls: boolean): Matrix {
  const { C } = pictures[0]!;
  const parts = pictures.map(({ data }) => (withCls ? data : data.subarray(C)));
  const data = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  return { data, C };
}

function pick({ data, C }: Matrix, rows: readonly number[]): Matrix {
  const picked = new Float64Array(rows.length * C);
  rows.forEach((row, i) => picked.set(data.subarray(row * C, (row + 1) * C), i * C));
  return { data: picked, C };
}

/** The first components' values of each row, [n, 3]; missing ones (of very narrow matrices) are zero. */
export function components(matrix: Matrix, of: PcaOptions['of']): Float64Array {
  const { data, C } = of === 'self-similarity' ? similarityFactor(matrix) : matrix;
  const count = Math.min(COMPONENTS, C);
  const { values } = principalComponents(data, C, count);
  if (count === COMPONENTS) return values;
  return Float64Array.from({ length: (values.length / count) * COMPONENTS }, (_, i) => (i % COMPONENTS < count ? values[Math.floor(i / COMPONENTS) * count + (i % COMPONENTS)]! : 0));
}

/** Which patches are foreground by their first component: of the two sides of Otsu's threshold the one that less of the pictures' border is on. */
function foregroundOf(first: readonly number[], pictures: readonly PatchRows[]): boolean[] {
  const threshold = otsu(first);
  const isBorder = pictures.flatMap(({ rows, columns }) => Array.from({ length: rows * columns }, (_, i) => {
    const [y, x] = [Math.floor(i / columns), i % columns];
    return y === 0 || x === 0 || y === rows - 1 || x === columns - 1;
  }));
  const share = (above: boolean): number => {
    const side = first.map((v) => v > threshold === above);
    return side.filter((is, i) => is && isBorder[i]).length / Math.max(1, side.filter(Boolean).length);
  };
  const above = share(true) <= share(false);
  const shown = first.map((v) => v > threshold === above);
  return shown.filter(Boolean).length > COMPONENTS ? shown : first.map(() => true);
}

/** The threshold that leaves the least variance on its two sides (Otsu, 1979). */
export function otsu(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const total = sorted.reduce((sum, v) => sum + v, 0);
  let [below, best, threshold] = [0, -1, sorted[0] ?? 0];
  for (let i = 0; i < sorted.length - 1; i++) {
    below += sorted[i]!;
    const [n, m] = [i + 1, sorted.length - i - 1];
    const between = n * m * (below / n - (total - below) / m) ** 2;
    if (between > best) [best, threshold] = [between, (sorted[i]! + sorted[i + 1]!) / 2];
  }
  return threshold;
}

/** Values [n, 3] to 0..1, component by component. */
function toColours(values: Float64Array): Float64Array {
  const colours = new Float64Array(values.length);
  const n = values.length / COMPONENTS;
  for (let c = 0; c < COMPONENTS; c++) {
    const sorted = Float64Array.from({ length: n }, (_, i) => values[i * COMPONENTS + c]!).sort();
    const [low, high] = [sorted[Math.floor(TAIL * (n - 1))]!, sorted[Math.ceil((1 - TAIL) * (n - 1))]!];
    for (let i = c; i < values.length; i += COMPONENTS) colours[i] = high > low ? Math.min(1, Math.max(0, (values[i]! - low) / (high - low))) : 0.5;
  }
  return colours;
}

function paint(pictures: readonly PatchRows[], shown: readonly boolean[], colours: Float64Array): Image[] {
  let [patch, used] = [0, 0];
  return pictures.map(({ rows, columns }) => {
    const plane = rows * columns;
    const data = new Float32Array(3 * plane).fill(BACKGROUND);
    for (let i = 0; i < plane; i++) {
      if (!shown[patch++]) continue;
      for (let c = 0; c < 3; c++) data[c * plane + i] = colours[used * COMPONENTS + c]!;
      used++;
    }
    return { width: columns, height: rows, data };
  });
}
