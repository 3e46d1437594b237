/** Which parts of the appearance photo show what a part of the picture shows, by a ViT's keys. */
import type { Engine } from '../../engine/index.js';
import { reducedFor } from '../compare/features.js';
import { directions } from '../compare/match.js';
import type { Image } from '../image.js';
import { products } from '../rows.js';
import { patchFeatures, type PatchRows } from '../study/patches.js';
import type { VitModel } from '../vit/config.js';
import type { Size } from './planes.js';

/** For every patch of a picture the patches of the appearance photo that are most like it. */
export interface TokenMatches {
  /** Rows and columns of the picture's patches, and of the appearance photo's. */
  readonly picture: Size;
  readonly appearance: Size;
  /** [patches of the picture, count]: numbers of the appearance's patches, the nearest first. */
  readonly best: Int32Array;
  readonly count: number;
}

/**
 * The `count` patches of `appearance` whose keys of the last block have the largest cosine with those of each patch of `picture`,
 * after the mean of both pictures' keys is taken away. `vit` is on the device; `vitSize` is the shorter side of its input.
 */
export async function tokenMatches(
  engine: Engine, vit: VitModel, picture: Image, appearance: Image, vitSize: number, count = 8,
): Promise<TokenMatches> {
  const last = vit.config.depth - 1;
  const keysOf = async (image: Image): Promise<PatchRows> => {
    const read = await patchFeatures(engine, vit, reducedFor(vitSize, image), vitSize, [last], ['keys']);
    return read(last, 'keys');
  };
  const [own, other] = [await keysOf(picture), await keysOf(appearance)];
  const C = vit.config.dim;
  const [a, b] = directions(own.data.subarray(C), other.data.subarray(C), C); // without the CLS rows
  const cosines = products(a, b, C);
  const among = other.rows * other.columns;
  const kept = Math.min(count, among);
  const best = new Int32Array((cosines.length / among) * kept);
  for (let token = 0; token * kept < best.length; token++) {
    const row = cosines.subarray(token * among, (token + 1) * among);
    const order = [...row.keys()].sort((i, j) => row[j]! - row[i]! || i - j);
    best.set(order.slice(0, kept), token * kept);
  }
  return { picture: [own.rows, own.columns], appearance: [other.rows, other.columns], best, count: kept };
}
