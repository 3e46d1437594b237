/** A generator's condition: a photo's CLS tokens of all layers, each channel scaled to mean 0 and deviation 1 over photos. */
import { concat, reshape, slice, type Engine } from '../../engine/index.js';
import type { Image } from '../image.js';
import type { SpliceOptions } from '../method/options.js';
import { recipes } from '../method/recipes.js';
import type { VitModel } from '../vit/config.js';
import { uploadVit, vitLayers } from '../vit/vit.js';

/** The options that decide how the ViT is shown a photo. */
export type Looking = Pick<SpliceOptions, 'recipe' | 'vitSize' | 'antialias'>;

/** Mean and deviation of every channel of every layer's CLS token over the training photos: [layers, dim] each. */
export interface ConditionScale {
  readonly mean: Float32Array;
  readonly deviation: Float32Array;
}

export type ClsReader = Awaited<ReturnType<typeof clsReader>>;

/** Reads CLS tokens of squares of `side` pixels, the last layer's before the final norm: [layers, dim]. */
export async function clsReader(engine: Engine, vit: VitModel, side: number, options: Looking) {
  uploadVit(engine, vit);
  const g = engine.graph();
  const layers = vitLayers(g, vit, recipes[options.recipe].toVit(g.input('photo', [1, 3, side, side]), vit.config, options));
  const rows = layers.map(({ tokens }) => reshape(slice(tokens, 1, 0, 1), [1, vit.config.dim]));
  const program = await engine.compile({ cls: concat(rows, 0) });
  return {
    read: async ({ width, height, data }: Image): Promise<Float32Array> => {
      if (width !== side || height !== side) throw new Error(`condition: not ${side}x${side} pixels, but ${width}x${height}`);
      program.write('photo', data);
      program.run();
      return program.read('cls');
    },
    destroy: () => program.destroy(),
  };
}

/** Relative to the mean deviation. A channel that hardly varies holds nothing and must not be amplified. */
const LEAST_DEVIATION = 1e-3;

/** @param tokens CLS tokens [layers, dim] of the training photos, at least one */
export function conditionScale(tokens: readonly Float32Array[]): ConditionScale {
  const meanOf = (value: (t: Float32Array) => number): number => tokens.reduce((sum, t) => sum + value(t), 0) / tokens.length;
  const mean = tokens[0]!.map((_, i) => meanOf((t) => t[i]!));
  const deviation = mean.map((m, i) => Math.sqrt(meanOf((t) => (t[i]! - m) ** 2)));
  const least = Math.max(1e-6, (LEAST_DEVIATION * deviation.reduce((a, b) => a + b, 0)) / mean.length);
  return { mean, deviation: deviation.map((d) => Math.max(d, least)) };
}

export const normalised = (tokens: Float32Array, { mean, deviation }: ConditionScale): Float32Array =>
  tokens.map((t, i) => (t - mean[i]!) / deviation[i]!);

/** A weighted sum of conditions; weights of one appearance each, adding up to 1. */
export const mixed = (conditions: readonly Float32Array[], weights: readonly number[]): Float32Array =>
  conditions[0]!.map((_, i) => conditions.reduce((sum, c, k) => sum + weights[k]! * c[i]!, 0));
