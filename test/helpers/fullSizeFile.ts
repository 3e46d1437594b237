/** A file like those that are fetched: DINO's ViT-S/8 under its own names, of the published size, without its numbers. */
import { sizeOf } from '../../engine/index.js';
import { IMAGENET_MEAN, IMAGENET_STD } from '../../model/vit/config.js';
import { vitParameters } from '../../model/vit/untrained.js';
import { op, pickle, tensorCodes, zip } from './torchFiles.js';

const config = {
  dim: 384, depth: 12, heads: 6, patch: 8, image: 224, hidden: 1536, eps: 1e-6, mean: IMAGENET_MEAN, std: IMAGENET_STD,
};

/** @param bytes of the whole file */
export function fullSizeFile(bytes: number): Buffer {
  const parameters = vitParameters(config);
  const count = parameters.reduce((sum, [, shape]) => sum + sizeOf(shape), 0);
  let offset = 0;
  const entries = parameters.flatMap(([name, shape]) => {
    const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
    const codes = tensorCodes({ count, offset, shape, strides });
    offset += sizeOf(shape);
    return [op.text(name), ...codes, op.setItem];
  });
  const storage = new Uint8Array(new Float32Array(count).fill(0.01).buffer);
  const parts = [{ name: 'x/data.pkl', data: pickle(op.emptyDict, ...entries) }, { name: 'x/data/0', data: storage }];
  const padding = (size: number) => ({ name: 'x/padding', data: new Uint8Array(size) });
  const least = zip([...parts, padding(0)]).length;
  return zip([...parts, padding(bytes - least)]);
}
