/** Redraws the demo's committed pictures and masks: `node dist/test/assets/draw.js [folder]`, a few minutes without a GPU. */
import { join } from 'node:path';
import { openDevice } from '../../cli/gpu/device.js';
import { writeImage } from '../../cli/photos/photo.js';
import { packageRoot } from '../../cli/shared/files.js';
import { scenePainter } from '../../cli/demo/scenes.js';
import { writeMask } from './masks.js';

const folder = process.argv[2] ?? join(packageRoot, 'cli', 'demo');
const { device } = await openDevice();
for (const kind of ['valley', 'peaks'] as const) {
  const paint = await scenePainter(device, kind);
  const { image, mask } = await paint({ width: 384, height: 256 });
  await writeImage(join(folder, `${kind}.png`), image);
  await writeMask(join(folder, `${kind}.mask.png`), mask);
  console.log(`drew ${kind}.png and ${kind}.mask.png in ${folder}`);
}
process.exit(0); // a held GPU object keeps Node alive
