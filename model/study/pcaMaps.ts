/** Principal components of patches as colours: patches that are alike for a ViT get one colour. */
import type { Image } from '../image.js';
import { joined } from '../rows.js';
import { principalComponents } from './pca.js';
import type { PatchRows } from './patches.js';
import { similarityFactor, type Matrix } from './similarity.js';

export interface PcaOptions {
  /** Components of each patch's similarities to all others, or of its features. */
  readonly of: 'self-similarity' | 'facet';
  /** One basis and one range of colours for all pictures, instead of one each. */
  readonly joint: boolean;
  /** Only the patches that the first component separates from the background are coloured, by components of their own. */
  readonly foreground: boolean;
}

const COMPONENTS = 3;
/** Share of outermost values at each end that saturate: a single patch must not take the contrast of all others. */
const TAIL = 0.02;
const BACKGROUND = 0.12;

/** A picture [rows, columns] of each of `pictures`; the first three components are red, green and blue. All have one C. */
export function pcaMaps(pictures: readonly PatchRows[], options: PcaOptions): Image[] {
  return options.joint ? colourTogether(pictures, options) : pictures.flatMap((picture) => colourTogether([picture], options));
}

function colourTogether(pictures: readonly PatchRows[], { of, foreground }: PcaOptions): Image[] {
  const withCls = of === 'self-similarity';
  const { C } = pictures[0]!;
  const stacked = { data: Float64Array.from(joined(pictures.map(({ data }) => (withCls ? data : data.subarray(C))))), C };
  const all = components(stacked, of);
  // The CLS rows take part in similarities but are not in the picture.
  const isPatch = pictures.flatMap(({ rows, columns }) =>
    [...(withCls ? [false] : []), ...Array<boolean>(rows * columns).fill(true)]);
  const patches = isPatch.flatMap((is, row) => (is ? [row] : []));
  const shown = foreground ? foregroundOf(patches.map((row) => all[row * COMPONENTS]!), pictures) : patches.map(() => true);
  const kept = patches.filter((_, i) => shown[i]);
  const values = foreground ? components(pick(stacked, kept), of) : pick({ data: all, C: COMPONENTS }, kept).data;
  return paint(pictures, shown, toColours(values));
}

function pick({ data, C }: Matrix, rows: readonly number[]): Matrix {
  const picked = new Float64Array(rows.length * C);
  rows.forEach((row, i) => picked.set(data.subarray(row * C, (row + 1) * C), i * C));
  return { data: picked, C };
}

/** The first components' values of each row, [n, 3]; missing ones (of matrices with one or two columns) are zero. */
export function components(matrix: Matrix, of: PcaOptions['of']): Float64Array {
  const { data, C } = of === 'self-similarity' ? similarityFactor(matrix) : matrix;
  const count = Math.min(COMPONENTS, C);
  const { values } = principalComponents(data, C, count);
  return Float64Array.from({ length: (values.length / count) * COMPONENTS }, (_, i) => {
    const [row, k] = [Math.floor(i / COMPONENTS), i % COMPONENTS];
    return k < count ? values[row * count + k]! : 0;
  });
}

/** Foreground patches by their first component: the side of Otsu's threshold that holds less of the pictures' border. */
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

/** The threshold with the least variance on its two sides (Otsu, 1979). */
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
    const shade = (v: number): number => (high > low ? Math.min(1, Math.max(0, (v - low) / (high - low))) : 0.5);
    for (let i = c; i < values.length; i += COMPONENTS) colours[i] = shade(values[i]!);
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
