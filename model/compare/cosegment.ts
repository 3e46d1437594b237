/** Regions that two pictures share: clusters of a ViT's keys of both, at the pictures' own sizes. */
import type { Engine } from '../../engine/index.js';
import type { Image } from '../image.js';
import type { Labels } from '../method/regions.js';
import { dot, joined, unitRows } from '../rows.js';
import { patchFeatures, type PatchRows } from '../study/patches.js';
import { keyBlocks, type VitModel } from '../vit/config.js';
import { reducedFor } from './features.js';
import { kmeans, type Rows } from './kmeans.js';
import { directions } from './match.js';

export interface CosegmentOptions {
  /** Shorter side of the ViT's input in pixels. */
  readonly vitSize: number;
  readonly seed: number;
  /** Clusters of keys; chosen by their silhouette when absent. */
  readonly count?: number;
}

/** Numbers of clusters that are tried. */
const COUNTS = [2, 3, 4, 5, 6];
/** A cluster with a smaller share of the patches of one picture is not in it. */
const LEAST_SHARE = 0.02;

/**
 * The labels of both pictures, 0 where a part has no partner in the other. The keys are those of the block after two thirds of
 * the depth, which tells the parts of a scene apart better than the last. `vit` is on the device.
 */
export async function cosegment(
  engine: Engine, vit: VitModel, pictures: readonly [Image, Image], { vitSize, seed, count }: CosegmentOptions,
): Promise<{ readonly labels: readonly [Labels, Labels]; readonly count: number }> {
  const C = vit.config.dim;
  const layer = keyBlocks(vit.config)[0]!;
  const keysOf = async (image: Image): Promise<PatchRows> =>
    (await patchFeatures(engine, vit, reducedFor(vitSize, image), vitSize, [layer], ['keys']))(layer, 'keys');
  const grids = [await keysOf(pictures[0]), await keysOf(pictures[1])] as const;
  const [a, b] = directions(grids[0].data.subarray(C), grids[1].data.subarray(C), C); // without the CLS rows
  const rows: Rows = { data: joined([a, b]), columns: C };
  const clusterings = (count === undefined ? COUNTS : [count]).map((k) => {
    const labels = kmeans(rows, k, seed);
    const centres = centresOf(rows, labels, k);
    return { labels, centres, silhouette: silhouetteOf(rows, labels, centres) };
  });
  const best = clusterings.reduce((most, each) => (each.silhouette > most.silhouette ? each : most));
  const parts = [best.labels.subarray(0, a.length / C), best.labels.subarray(a.length / C)];
  const isIn = (part: Int32Array, cluster: number): boolean =>
    part.reduce((sum, label) => sum + Number(label === cluster), 0) >= LEAST_SHARE * part.length;
  const shared = best.centres.map((_, cluster) => parts.every((part) => isIn(part, cluster)));
  const numbers = shared.map((isShared, i) => (isShared ? shared.slice(0, i + 1).filter(Boolean).length : 0));
  const labels = ([a, b] as const).map((keys, i) => {
    const scores = scoresOf(keys, best.centres, C).map((score) => smoothed(score, grids[i]!));
    return enlarged(scores, grids[i]!, pictures[i]!, numbers);
  });
  return { labels: labels as unknown as [Labels, Labels], count: shared.filter(Boolean).length };
}

/** Mean rows of the clusters, of length 1. */
function centresOf({ data, columns }: Rows, labels: Int32Array, count: number): Float64Array[] {
  const sums = Array.from({ length: count }, () => new Float64Array(columns));
  labels.forEach((label, r) => {
    for (let c = 0; c < columns; c++) sums[label]![c]! += data[r * columns + c]!;
  });
  return sums.map((sum) => unitRows(sum, columns));
}

/**
 * How much nearer rows are to their own centre than to the next: 1 is best. The silhouette (Rousseeuw 1987) with distances to
 * centres in place of those to all rows.
 */
function silhouetteOf({ data, columns }: Rows, labels: Int32Array, centres: readonly Float64Array[]): number {
  const total = labels.reduce((sum, label, r) => {
    const row = data.subarray(r * columns, (r + 1) * columns);
    const distances = centres.map((centre) => 1 - dot(row, centre));
    const next = Math.min(...distances.filter((_, i) => i !== label));
    return sum + (next - distances[label]!) / Math.max(next, distances[label]!, 1e-12);
  }, 0);
  return total / labels.length;
}

/** Cosines of the rows with every centre, centre by centre. */
const scoresOf = (keys: Float32Array, centres: readonly Float64Array[], C: number): Float64Array[] =>
  centres.map((centre) =>
    Float64Array.from({ length: keys.length / C }, (_, r) => dot(keys.subarray(r * C, (r + 1) * C), centre)));

/** The mean of every patch and its neighbours: single patches are no regions. */
function smoothed(score: Float64Array, { rows, columns }: PatchRows): Float64Array {
  return score.map((_, at) => {
    const [row, column] = [Math.floor(at / columns), at % columns];
    let [sum, count] = [0, 0];
    for (let y = Math.max(0, row - 1); y <= Math.min(rows - 1, row + 1); y++) {
      for (let x = Math.max(0, column - 1); x <= Math.min(columns - 1, column + 1); x++, count++) sum += score[y * columns + x]!;
    }
    return sum / count;
  });
}

/** The number of the best cluster at every pixel, the scores of patches enlarged bilinearly. */
function enlarged(
  scores: readonly Float64Array[], { rows, columns }: PatchRows, { width, height }: Image, numbers: readonly number[],
): Labels {
  const place = (i: number, from: number, to: number): readonly [number, number, number] => {
    const at = Math.min(Math.max(((i + 0.5) * to) / from - 0.5, 0), to - 1);
    const low = Math.floor(at);
    return [low, Math.min(low + 1, to - 1), at - low];
  };
  const across = Array.from({ length: width }, (_, x) => place(x, width, columns));
  const data = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const [top, bottom, v] = place(y, height, rows);
    across.forEach(([left, right, u], x) => {
      let [best, most] = [0, -Infinity];
      scores.forEach((score, cluster) => {
        const row = (r: number): number => (1 - u) * score[r * columns + left]! + u * score[r * columns + right]!;
        const value = (1 - v) * row(top) + v * row(bottom);
        if (value > most) [best, most] = [cluster, value];
      });
      data[y * width + x] = numbers[best]!;
    });
  }
  return { width, height, data };
}
