/** Pictures of what a ViT sees: photos, and under each the three main directions of its keys as red, green and blue. */
import type { Image } from '../../model/image.js';
import { principalComponents } from '../../model/study/pca.js';

/** Standard deviations from the middle of a colour channel to its end. */
const SPREAD = 2;

/**
 * Photos above, components below, on one scale for all.
 * photos [N, 3, side, side] in 0..1; keys [N, T, C] with the CLS row first, which is left out.
 */
export function keysPicture(photos: Float32Array, side: number, keys: Float32Array, tokens: number): Image {
  const count = photos.length / (3 * side * side);
  const C = keys.length / (count * tokens);
  const grid = Math.round(Math.sqrt(tokens - 1));
  const patches = new Float32Array(count * grid * grid * C);
  for (let n = 0; n < count; n++) patches.set(keys.subarray((n * tokens + 1) * C, (n + 1) * tokens * C), n * grid * grid * C);
  const { values, variances } = principalComponents(patches, C, 3);

  const [width, height] = [count * side, 2 * side];
  const data = new Float32Array(3 * width * height);
  for (let n = 0; n < count; n++) {
    for (let c = 0; c < 3; c++) {
      const deviation = Math.sqrt(variances[c]!) || 1;
      for (let y = 0; y < side; y++) {
        for (let x = 0; x < side; x++) {
          const patch = n * grid * grid + Math.floor((y * grid) / side) * grid + Math.floor((x * grid) / side);
          const at = (c * height + y) * width + n * side + x;
          data[at] = photos[((n * 3 + c) * side + y) * side + x]!;
          data[at + side * width] = 0.5 + values[3 * patch + c]! / (2 * SPREAD * deviation);
        }
      }
    }
  }
  return { width, height, data };
}
