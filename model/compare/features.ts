/** What a judge keeps of a picture: a ViT's features on the CPU. */
import { selfSimilarity, type Engine } from '../../engine/index.js';
import type { Image } from '../image.js';
import { recipes } from '../method/recipes.js';
import { resampleShorterSide } from '../resample.js';
import type { VitModel } from '../vit/config.js';
import { vitFeatures } from '../vit/vit.js';

/** How the ViT is shown a picture: the paper's way, antialiased. */
export interface Viewing {
  /** Shorter side of the ViT's input in pixels. */
  readonly vitSize: number;
}

export interface Features {
  /** Keys of the last block without the CLS row: [patches, C]. */
  readonly keys: Float32Array;
  /** [C] */
  readonly cls: Float32Array;
  /** Cosines of all keys, the CLS row included: [T, T]. */
  readonly similarity: Float32Array;
}

/** A picture so many times the ViT's input is reduced before it is uploaded: a large photo must not need the memory of a training run. */
const LARGE = 4;

/** Features of `image` by a ViT that `uploadVit` has put on the device. */
export async function featuresOf(engine: Engine, vit: VitModel, image: Image, { vitSize }: Viewing): Promise<Features> {
  const picture = Math.min(image.width, image.height) > LARGE * vitSize ? resampleShorterSide(image, 2 * vitSize) : image;
  const g = engine.graph();
  const photo = g.input('picture', [1, 3, picture.height, picture.width]);
  const { keys, cls } = vitFeatures(g, vit, recipes.splice.toVit(photo, vit.config, { vitSize, antialias: true }));
  const program = await engine.compile({ keys, cls, similarity: selfSimilarity(keys) });
  try {
    program.write('picture', picture.data);
    program.run();
    const [all, token, similarity] = [await program.read('keys'), await program.read('cls'), await program.read('similarity')];
    return { keys: all.subarray(vit.config.dim), cls: token, similarity };
  } finally {
    program.destroy();
  }
}

/** Cosine of two vectors; 0 where one has no length. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i]! * b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
  }
  return ab / Math.max(Math.sqrt(aa * bb), 1e-12);
}

/** Rows of `columns` numbers, each divided by its length. */
export function unitRows(rows: Float32Array, columns: number): Float32Array {
  const unit = new Float32Array(rows.length);
  for (let at = 0; at < rows.length; at += columns) {
    const row = rows.subarray(at, at + columns);
    const length = Math.max(Math.hypot(...row), 1e-12);
    for (let c = 0; c < columns; c++) unit[at + c] = row[c]! / length;
  }
  return unit;
}
