/**
 * Draws any number of landscapes with their masks, for the training or measurement of a ViT:
 * `node dist/test/assets/drawMany.js FOLDER COUNT [FIRST_SEED] [WIDTH] [HEIGHT]` writes COUNT of each kind as valley-0001.png and
 * masks/valley-0001.png. Each takes a second or two without a GPU. Existing pictures are kept, so it can be interrupted.
 */
import { join } from 'node:path';
import { openDevice } from '../../cli/gpu/device.js';
import { writeImage } from '../../cli/photos/photo.js';
import { exists, prepareFolder } from '../../cli/shared/files.js';
import { scenePainter } from '../../cli/demo/scenes.js';
import { writeMask } from './masks.js';

const [folder = '', ...numbers] = process.argv.slice(2);
const [count = 0, firstSeed = 1, width = 192, height = 128] = numbers.map(Number);
if (!folder || ![count, firstSeed, width, height].every((n) => Number.isSafeInteger(n) && n > 0)) {
  console.error('usage: node dist/test/assets/drawMany.js FOLDER COUNT [FIRST_SEED] [WIDTH] [HEIGHT]');
  process.exit(2);
}
await prepareFolder(join(folder, 'masks'));
const { device } = await openDevice();
for (const kind of ['valley', 'peaks'] as const) {
  const paint = await scenePainter(device, kind);
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const name = `${kind}-${String(seed).padStart(4, '0')}.png`;
    if (await exists(join(folder, name))) continue;
    const { image, mask } = await paint({ seed, width, height, samples: 2 });
    await writeMask(join(folder, 'masks', name), mask);
    await writeImage(join(folder, name), image); // last: every picture has its mask
  }
  console.log(`drew ${count} ${kind} landscapes in ${folder}`);
}
process.exit(0); // a held GPU object keeps Node alive
