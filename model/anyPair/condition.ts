/** What a conditional generator is told about a photo: the CLS tokens of all layers, each channel brought to the photos' mean 0 and deviation 1. */
import { concat, reshape, slice, type Engine } from '../../engine/index.js';
import type { Image } from '../image.js';
import type { SpliceOptions } from '../method/options.js';
import { recipes } from '../method/recipes.js';
import type { VitModel } from '../vit/config.js';
import { uploadVit, vitLayers } from '../vit/vit.js';

/** Mean and deviation of every channel of every layer's CLS token over the training photos: [layers, dim] each. */
export interface ConditionScale {
  readonly mean: Float32Array;
  readonly deviation: Float32Array;
}

/** The central square of an image; the image itself when it is one. */
export function centralSquare({ width, height, data }: Image): Image {
  const side = Math.min(width, height);
  return window({ width, height, data }, Math.floor((height - side) / 2), Math.floor((width - side) / 2), side);
}

/** The square of `side` pixels whose first pixel is at (top, left). */
export function window({ width, height, data }: Image, top: number, left: number, side: number): Image {
  if (width === side && height === side) return { width, height, data };
  const square = new Float32Array(3 * side * side);
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < side; y++) {
      const from = (c * height + top + y) * width + left;
      square.set(data.subarray(from, from + side), (c * side + y) * side);
    }
  }
  return { width: side, height: side, data: square };
}

/** Computes CLS tokens of squares of `side` pixels, the last layer's before the final norm: [layers, dim]. */
export interface ClsReader {
  readonly read: (square: Image) => Promise<Float32Array>;
  readonly destroy: () => void;
}

export async function clsReader(engine: Engine, vit: VitModel, side: number, options: Pick<SpliceOptions, 'recipe' | 'vitSize' | 'antialias'>): Promise<ClsReader> {
  uploadVit(engine, vit);
  const g = engine.graph();
  const layers = vitLayers(g, vit, recipes[options.recipe].toVit(g.input('photo', [1, 3, side, side]), vit.config, options));
  const rows = layers.map(({ tokens }) => reshape(slice(tokens, 1, 0, 1), [1, vit.config.dim]));
  const program = await engine.compile({ cls: concat(rows, 0) });
  return {
    read: async ({ width, height, data }) => {
      if (width !== side || height !== side) throw new Error(`condition: made for squares of ${side} pixels, got ${width}x${height}`);
      program.write('photo', data);
      program.run();
      return program.read('cls');
    },
    destroy: () => program.destroy(),
  };
}

/** A channel that hardly varies carries nothing; it must not be blown up. Relative to the mean deviation. */
const LEAST_DEVIATION = 1e-3;

/** @param tokens CLS tokens [layers, dim] of the training photos, at least one */
export function conditionScale(tokens: readonly Float32Array[]): ConditionScale {
  const size = tokens[0]!.length;
  const mean = Float32Array.from({ length: size }, (_, i) => tokens.reduce((sum, t) => sum + t[i]!, 0) / tokens.length);
  const deviation = Float32Array.from({ length: size }, (_, i) => Math.sqrt(tokens.reduce((sum, t) => sum + (t[i]! - mean[i]!) ** 2, 0) / tokens.length));
  const least = Math.max(1e-6, (LEAST_DEVIATION * deviation.reduce((a, b) => a + b, 0)) / size);
  return { mean, deviation: deviation.map((d) => Math.max(d, least)) };
}

/** The condition of CLS tokens as read. */
export const normalised = (tokens: Float32Array, { mean, deviation }: ConditionScale): Float32Array => tokens.map((t, i) => (t - mean[i]!) / deviation[i]!);

/** A weighted sum of conditions; weights of one appearance each, adding up to 1. */
export const mixed = (conditions: readonly Float32Array[], weights: readonly number[]): Float32Array =>
  conditions[0]!.map((_, i) => conditions.reduce((sum, c, k) => sum + weights[k]! * c[i]!, 0));
