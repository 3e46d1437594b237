/**
 * The warm start of a conditional generator: from a photo with changed colours and its original CLS tokens, it learns to restore
 * the original. Plain reconstruction would teach it to pass photos on and to ignore its condition; here only the condition gives
 * the right colours. There is no ViT pass: the tokens are known beforehand.
 */
import { concat, cropAt, mse, type Graph, type Tensor } from '../../engine/index.js';
import { bindParameters } from '../generators/parameters.js';
import { drawAppearance, recoloured, type Draw } from '../method/augment.js';
import type { RecipeName } from '../method/options.js';
import { flatGradient, names, photo, type Finish, type Setting } from '../method/steps.js';
import type { Random } from '../random.js';

/** A crop as for any photo. Brightness, contrast and saturation change far more than in training, and the hue turns anywhere. */
export function drawRecolour(next: Random, recipe: RecipeName, height: number, width: number): Draw {
  const crop = drawAppearance(next, recipe, height, width);
  const factors = [next.between(0.5, 1.5), next.between(0.5, 1.5), next.between(0, 1.5), next.between(-0.5, 0.5)];
  return { ...crop, jitter: [1, ...next.permutation(4), ...factors], blur: [Number(next.chance(0.5)), next.between(0.1, 2)] };
}

/** One gradient of the warm start, on a crop of `size` pixels of the appearance photo; outputs and inputs as of `stepGraph`. */
export function recolourGraph(g: Graph, size: number, setting: Setting, finish: Finish): Record<string, Tensor> {
  const bound = bindParameters(g, names.weights, setting.layout);
  const original = photo(g, names.appearance, setting.appearance);
  const at = g.input('structure.at', [3]);
  const restored = setting.generator.forward(bound.get, cropAt(recoloured(g, original), at, size, size));
  const loss = mse(restored, cropAt(original, at, size, size));
  return { weights: finish(g, bound.flat, flatGradient(loss, setting, [bound]), setting), losses: concat([loss, loss, loss], 0) };
}
