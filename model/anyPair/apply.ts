/** A trained conditional generator in use: one forward pass per picture, and the ViT's measures of a result. */
import { concat, reshape, type Engine } from '../../engine/index.js';
import { CONDITION, conditionalUnet } from '../generators/conditional.js';
import type { ConditionalSizes } from '../generators/sizes.js';
import { bindParameters, flatten, layoutOf } from '../generators/parameters.js';
import type { Image } from '../image.js';
import { appearanceLoss, imageOf, structureLoss } from '../method/losses.js';
import { recipes } from '../method/recipes.js';
import { joined } from '../rows.js';
import { programCache } from '../training/programs.js';
import type { VitModel, Weights } from '../vit/config.js';
import { uploadVit, vitFeatures, type VitFeatures } from '../vit/vit.js';
import type { Looking } from './condition.js';

export type Applied = ReturnType<typeof applyGenerator>;

/**
 * `name` is that of the weights in the engine: a second generator at the same time needs another.
 * @throws Error naming a parameter that is missing or misshapen
 */
export function applyGenerator(engine: Engine, sizes: ConditionalSizes, weights: Weights, name = 'generator.applied') {
  const generator = conditionalUnet(sizes);
  const layout = layoutOf(generator);
  const use = (w: Weights): void => engine.writeParameter(name, [layout.size], flatten(layout, w));
  use(weights);

  const programs = programCache(engine, (g, [height, width]: readonly [number, number]) => {
    generator.checkSize(height, width);
    const { get } = bindParameters(g, name, layout);
    return { result: generator.forward(get, g.input('image', [1, 3, height, width])) };
  });
  return {
    /** Replaces the weights by others of the same sizes. */
    use,
    /** The image at its own size with the look of the condition [layers, dim]. @throws SizeError for images that are too small */
    apply: async ({ height, width, data }: Image, condition: Float32Array): Promise<Image> => {
      const program = await programs.get([height, width]);
      engine.writeParameter(CONDITION, [sizes.layers, sizes.dim], condition);
      program.write('image', data);
      program.run();
      return { height, width, data: await program.read('result') };
    },
    destroy: programs.destroy,
  };
}

/** Measures of a result by the ViT. The losses are those of training, on whole squares. */
export interface Measured {
  readonly structure: number;
  readonly appearance: number;
  /** The result's CLS token, before the final norm. */
  readonly cls: Float32Array;
}

export type Measure = Awaited<ReturnType<typeof measureResults>>;

export async function measureResults(engine: Engine, vit: VitModel, side: number, options: Looking) {
  uploadVit(engine, vit);
  const g = engine.graph();
  const images = g.input('images', [3, 3, side, side]);
  const features = vitFeatures(g, vit, recipes[options.recipe].toVit(images, vit.config, options));
  const [result, structure, appearance] = [0, 1, 2].map((i) => imageOf(features, i)) as [VitFeatures, VitFeatures, VitFeatures];
  const program = await engine.compile({
    losses: concat([structureLoss(result, structure), appearanceLoss(result, appearance)], 0),
    cls: reshape(result.cls, [vit.config.dim]),
  });
  return {
    of: async (...squares: readonly [result: Image, structure: Image, appearance: Image]): Promise<Measured> => {
      program.write('images', joined(squares.map(({ data }) => data)));
      program.run();
      const [losses, cls] = [await program.read('losses'), await program.read('cls')];
      return { structure: losses[0]!, appearance: losses[1]!, cls };
    },
    destroy: () => program.destroy(),
  };
}
