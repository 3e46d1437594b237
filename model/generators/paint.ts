/** A trained generator on any picture. */
import type { Engine } from '../../engine/index.js';
import { bindParameters, flatten, layoutOf, type Generator } from './parameters.js';
import type { Image } from '../image.js';
import { paintInStrips, wholeBytes } from './strips.js';
import type { Weights } from '../vit/config.js';

export interface Painted {
  readonly image: Image;
  /** Made strip by strip, because at once it would not have fitted. */
  readonly inStrips: boolean;
}

/** A generator whose weights are on the device. */
export interface Painting {
  /**
   * The picture that it makes of `image`, batch norm's statistics being those of this whole picture; strip by strip where more than
   * `budget` bytes would be taken on the device. @throws Error when the generator cannot take the size
   */
  readonly paint: (image: Image, budget: number, onProgress?: (share: number) => void) => Promise<Painted>;
}

const WEIGHTS = 'painter';

/** @throws Error naming a weight that is missing or misshapen */
export function startPainting(engine: Engine, generator: Generator, weights: Weights): Painting {
  const layout = layoutOf(generator);
  engine.writeParameter(WEIGHTS, [layout.size], flatten(layout, weights));
  const atOnce = async ({ width, height, data }: Image): Promise<Image> => {
    const g = engine.graph();
    const program = await engine.compile({ picture: generator.forward(bindParameters(g, WEIGHTS, layout).get, g.input('photo', [1, 3, height, width])) });
    try {
      program.write('photo', data);
      program.run();
      return { width, height, data: await program.read('picture') };
    } finally {
      program.destroy();
    }
  };
  return {
    paint: async (image, budget, onProgress = () => undefined) => {
      generator.checkSize(image.height, image.width);
      const { total, largest } = wholeBytes(generator, image);
      const binding = engine.device.limits.maxStorageBufferBindingSize;
      const inStrips = total > budget || largest > binding;
      if (!inStrips) return { image: await atOnce(image), inStrips };
      return { image: await paintInStrips(engine, generator, image, { weights: WEIGHTS, budget: Math.min(budget, binding), onProgress }), inStrips };
    },
  };
}
