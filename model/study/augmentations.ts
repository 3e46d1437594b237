/** What training sees of a photo: some of its random crops and colours. */
import type { Engine } from '../../engine/index.js';
import { augmentAppearance, augmentStructure, drawAppearance, drawStructure } from '../method/augment.js';
import type { Image } from '../image.js';
import type { RecipeName } from '../method/options.js';
import { random } from '../random.js';

/** The first `count` steps' views of a photo, as a run with this seed has them. */
export async function augmentations(
  engine: Engine, photo: Image, which: 'structure' | 'appearance', recipe: RecipeName, count: number, seed: number,
): Promise<Image[]> {
  const [draw, augment] = which === 'structure' ? [drawStructure, augmentStructure] as const : [drawAppearance, augmentAppearance] as const;
  const views: Image[] = [];
  for (let step = 0; step < count; step++) {
    const { size, at, jitter, blur } = draw(random(seed, 'train', which, step), recipe, photo.height, photo.width);
    const g = engine.graph();
    const program = await engine.compile({ view: augment(g, g.input('photo', [1, 3, photo.height, photo.width]), size) });
    try {
      program.write('photo', photo.data);
      program.write(`${which}.at`, at);
      program.write('structure.jitter', jitter);
      program.write('structure.blur', blur);
      program.run();
      views.push({ width: size, height: size, data: await program.read('view') });
    } finally {
      program.destroy();
    }
  }
  return views;
}
