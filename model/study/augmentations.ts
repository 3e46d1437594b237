/** A photo as training sees it: some of its random crops and colours. */
import type { Engine } from '../../engine/index.js';
import type { Image } from '../image.js';
import { augmentAppearance, augmentStructure, drawAppearance, drawStructure } from '../method/augment.js';
import type { RecipeName } from '../method/options.js';
import { random } from '../random.js';
import { runOnce } from '../runOnce.js';

/** A photo's views in the first `count` steps of a run with this seed. */
export async function augmentations(
  engine: Engine, photo: Image, which: 'structure' | 'appearance', recipe: RecipeName, count: number, seed: number,
): Promise<Image[]> {
  const isStructure = which === 'structure';
  const [draw, augment] = isStructure ? [drawStructure, augmentStructure] as const : [drawAppearance, augmentAppearance] as const;
  const views: Image[] = [];
  for (let step = 0; step < count; step++) {
    const { size, at, jitter, blur } = draw(random(seed, 'train', which, step), recipe, photo.height, photo.width);
    const colours: [string, readonly number[] | Float32Array][] =
      isStructure ? [['structure.jitter', jitter], ['structure.blur', blur]] : [];
    const g = engine.graph();
    const { view } = await runOnce(engine, { view: augment(g, g.input('photo', [1, 3, photo.height, photo.width]), size) },
      [['photo', photo.data], [`${which}.at`, at], ...colours]);
    views.push({ width: size, height: size, data: view });
  }
  return views;
}
