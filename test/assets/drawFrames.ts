/**
 * Draws the frames of a camera that moves through the drawn valley, for sequences:
 * `node dist/test/assets/drawFrames.js FOLDER [COUNT] [WIDTH] [HEIGHT]` writes COUNT (24) pictures, frame-01.png first. From one
 * frame to the next it goes 0.15 m to the right and 0.1 m ahead, so that the sky stays and the ground passes by.
 */
import { join } from 'node:path';
import { openDevice } from '../../cli/gpu/device.js';
import { writeImage } from '../../cli/photos/photo.js';
import { prepareFolder } from '../../cli/shared/files.js';
import { scenePainter } from '../../cli/demo/scenes.js';

const [folder = '', ...numbers] = process.argv.slice(2);
const [count = 24, width = 192, height = 128] = numbers.map(Number);
if (!folder || ![count, width, height].every((n) => Number.isSafeInteger(n) && n > 0)) {
  console.error('usage: node dist/test/assets/drawFrames.js FOLDER [COUNT] [WIDTH] [HEIGHT]');
  process.exit(2);
}
await prepareFolder(folder);
const { device } = await openDevice();
const paint = await scenePainter(device, 'valley');
for (let frame = 0; frame < count; frame++) {
  const { image } = await paint({ moved: [0.15 * frame, 0, 0.1 * frame], width, height });
  await writeImage(join(folder, `frame-${String(frame + 1).padStart(2, '0')}.png`), image);
}
console.log(`drew ${count} frames in ${folder}`);
process.exit(0); // a held GPU object keeps Node alive
