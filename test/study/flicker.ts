/**
 * Flicker of results of a sequence: `node dist/test/study/flicker.js FRAMES RESULTS...`, folders of pictures in the same order.
 * Between a frame and the next, a pixel is still if none of its channels changes by more than 2 of 255, at the size of the
 * results. Flicker is the mean change of the results' channels there, of 255, over all still pixels of all pairs of frames.
 */
import type { Image } from '../../model/image.js';
import { readImage } from '../../cli/photos/photo.js';
import { framesIn } from '../../cli/transfer/sequence.js';
import { resample } from '../../model/resample.js';

const TOLERANCE = 2.5 / 255;

/** The sum of changes, of 255, and the number of values that it is of. */
function changeBetween([a, b]: readonly [Image, Image], [x, y]: readonly [Image, Image]): { sum: number; count: number } {
  const plane = x.width * x.height;
  const channels = [0, plane, 2 * plane];
  let [sum, count] = [0, 0];
  for (let i = 0; i < plane; i++) {
    if (!channels.every((c) => Math.abs(a.data[c + i]! - b.data[c + i]!) < TOLERANCE)) continue;
    for (const c of channels) sum += 255 * Math.abs(x.data[c + i]! - y.data[c + i]!);
    count += 3;
  }
  return { sum, count };
}

const [folder, ...folders] = process.argv.slice(2);
if (!folder || folders.length === 0) {
  console.error('usage: node dist/test/study/flicker.js FRAMES RESULTS...');
  process.exit(2);
}
const frames: Image[] = [];
for (const path of await framesIn(folder)) frames.push(await readImage(path));
for (const each of folders) {
  const results: Image[] = [];
  for (const path of await framesIn(each)) results.push(await readImage(path));
  const { width, height } = results[0]!;
  const seen = frames.map((frame) => resample(frame, width, height));
  const pairs = results.slice(1).map((result, i) =>
    changeBetween([seen[i]!, seen[i + 1]!], [results[i]!, result]));
  const [sum, count] = [pairs.reduce((all, pair) => all + pair.sum, 0), pairs.reduce((all, pair) => all + pair.count, 0)];
  const share = count / (3 * width * height * pairs.length);
  console.log(`${each}: flicker ${(sum / count).toFixed(3)} of 255, where ${(100 * share).toFixed(0)} % of the pixels are still`);
}
