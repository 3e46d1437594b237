/** A ViT's features of a picture on the CPU, for judging. */
import { selfSimilarity, type Engine } from '../../engine/index.js';
import type { Image } from '../image.js';
import { recipes } from '../method/recipes.js';
import { resampleShorterSide } from '../resample.js';
import { dot } from '../rows.js';
import { runOnce } from '../runOnce.js';
import type { VitModel } from '../vit/config.js';
import { vitFeatures } from '../vit/vit.js';

export interface Features {
  /** Keys of the last block without the CLS row: [patches, C]. */
  readonly keys: Float32Array;
  /** [C] */
  readonly cls: Float32Array;
  /** Cosines of all keys, the CLS row included: [T, T]. */
  readonly similarity: Float32Array;
}

/** Above this multiple of the ViT's input a picture is reduced before the upload, so that a large photo needs little memory. */
const LARGE = 4;

/** `image`, or a smaller one of which a ViT whose input's shorter side has `vitSize` pixels sees the same. */
export const reducedFor = (vitSize: number, image: Image): Image =>
  (Math.min(image.width, image.height) > LARGE * vitSize ? resampleShorterSide(image, 2 * vitSize) : image);

/** Features of `image` by a ViT that `uploadVit` has put on the device; `vitSize` is the shorter side of its input in pixels. */
export async function featuresOf(engine: Engine, vit: VitModel, image: Image, vitSize: number): Promise<Features> {
  const picture = reducedFor(vitSize, image);
  const g = engine.graph();
  const photo = g.input('picture', [1, 3, picture.height, picture.width]);
  const { keys, cls } = vitFeatures(g, vit, recipes.splice.toVit(photo, vit.config, { vitSize, antialias: true }));
  const read = await runOnce(engine, { keys, cls, similarity: selfSimilarity(keys) }, [['picture', picture.data]]);
  return { ...read, keys: read.keys.subarray(vit.config.dim) };
}

/** Cosine of two vectors; 0 if one is zero. */
export const cosine = (a: Float32Array, b: Float32Array): number =>
  dot(a, b) / Math.max(Math.sqrt(dot(a, a) * dot(b, b)), 1e-12);
