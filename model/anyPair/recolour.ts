/**
 * The warm start of a conditional generator: a photo whose colours were changed is to be brought back with the help of its own CLS
 * tokens. Plain reconstruction would teach a generator for all pairs to pass photos on and to ignore what it is told; here what it is
 * told is the only way to the right colours. No ViT pass: the tokens are known beforehand.
 */
import { blur, colorJitter, concat, cropAt, mse, type Graph, type Tensor } from '../../engine/index.js';
import { drawAppearance, type Draw } from '../method/augment.js';
import { bindParameters } from '../generators/parameters.js';
import type { RecipeName } from '../method/options.js';
import type { Random } from '../random.js';
import { flatGradient, names, photo, type Finish, type Setting } from '../method/steps.js';

/** A crop as for any photo, its brightness, contrast and saturation changed by far more than in training, its hue turned anywhere. */
export function drawRecolour(next: Random, recipe: RecipeName, height: number, width: number): Draw {
  const crop = drawAppearance(next, recipe, height, width);
  const factors = [next.between(0.5, 1.5), next.between(0.5, 1.5), next.between(0, 1.5), next.between(-0.5, 0.5)];
  return { ...crop, jitter: [1, ...next.permutation(4), ...factors], blur: [next.chance(0.5) ? 1 : 0, next.between(0.1, 2)] };
}

/** One gradient of the warm start, on a crop of `size` pixels of the appearance photo; outputs and inputs as of `stepGraph`. */
export function recolourGraph(g: Graph, size: number, setting: Setting, finish: Finish): Record<string, Tensor> {
  const bound = bindParameters(g, names.weights, setting.layout);
  const original = photo(g, names.appearance, setting.appearance);
  const at = g.input('structure.at', [3]);
  const changed = blur(colorJitter(original, g.input('structure.jitter', [9])), g.input('structure.blur', [2]));
  const loss = mse(setting.generator.forward(bound.get, cropAt(changed, at, size, size)), cropAt(original, at, size, size));
  return { weights: finish(g, bound.flat, flatGradient(loss, setting, [bound]), setting), losses: concat([loss, loss, loss], 0) };
}
