/** A trained generator on any picture. */
import type { Engine } from '../../engine/index.js';
import type { Image } from '../image.js';
import { runOnce } from '../runOnce.js';
import type { Weights } from '../vit/config.js';
import { bindParameters, flatten, layoutOf, type Generator } from './parameters.js';
import { paintInStrips, wholeBytes } from './strips.js';

export interface Painted {
  readonly image: Image;
  /** Made strip by strip, because the whole did not fit. */
  readonly inStrips: boolean;
}

export type Painting = ReturnType<typeof startPainting>;

const WEIGHTS = 'painter';

/** @throws Error naming a weight that is missing or misshapen */
export function startPainting(engine: Engine, generator: Generator, weights: Weights) {
  const layout = layoutOf(generator);
  engine.writeParameter(WEIGHTS, [layout.size], flatten(layout, weights));
  const atOnce = async ({ width, height, data }: Image): Promise<Image> => {
    const g = engine.graph();
    const picture = generator.forward(bindParameters(g, WEIGHTS, layout).get, g.input('photo', [1, 3, height, width]));
    return { width, height, data: (await runOnce(engine, { picture }, [['photo', data]])).picture };
  };
  return {
    /**
     * The picture that it makes of `image`, with batch norm's statistics of this whole picture; strip by strip if the whole takes
     * more than `budget` bytes on the device. @throws SizeError when the image is too small
     */
    paint: async (image: Image, budget: number, onProgress?: (share: number) => void): Promise<Painted> => {
      generator.checkSize(image.height, image.width);
      const { total, largest } = wholeBytes(generator, image);
      const binding = engine.device.limits.maxStorageBufferBindingSize;
      if (total <= budget && largest <= binding) return { image: await atOnce(image), inStrips: false };
      const painted = await paintInStrips(engine, generator, image, WEIGHTS, Math.min(budget, binding), onProgress);
      return { image: painted, inStrips: true };
    },
  };
}
