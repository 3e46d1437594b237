/** The nearest of many patches, for every patch of a picture. */
import { nearestPatchNorms, nearestPatchTiled, TILE_QUERIES } from '../../shaders/nearestPatch.js';
import { nearestPatchLanes } from '../../shaders/software/nearestPatch.js';
import {
  addNode, ceilDiv, linearGrid, ShapeError, showShape, type PlainOp, type Shape2, type Tensor,
} from '../graph/index.js';
import { rowCode, shortRowLanes } from './launch/rows.js';
import { registerTile } from './matmul.js';

/** Larger whole numbers are not exact in f32, and the index of a key is one. */
const MOST_KEYS = 2 ** 24;

/** Keys k -> [N] */
const normsOp: PlainOp = {
  name: 'nearestPatchNorms',
  shapes: ([k]) => [[k!.shape[0]!]],
  kernel: ({ inputs: [k] }, tuning) => {
    const [N, K] = k!.shape as Shape2;
    const code = rowCode(nearestPatchNorms, shortRowLanes(tuning));
    return { ...code, dims: [N, K], workgroups: linearGrid(N, 1), flops: 2 * N * K };
  },
};

/** (k, q, half of the keys' squared lengths) -> [M] */
const nearestPatchOp: PlainOp = {
  name: 'nearestPatch',
  shapes: ([k, q]) => {
    const both = `q is ${showShape(q!.shape)}, k is ${showShape(k!.shape)}`;
    if (k!.shape.length !== 2 || q!.shape.length !== 2 || k!.shape[1] !== q!.shape[1]) {
      throw new ShapeError(`nearestPatch: q and k must be matrices with rows of one length: ${both}`);
    }
    if (k!.shape[0]! > MOST_KEYS) throw new ShapeError(`nearestPatch: at most ${MOST_KEYS} keys: ${both}`);
    return [[q!.shape[0]!]];
  },
  kernel: ({ inputs: [k, q] }, { software, subgroupSize }) => {
    const [M, N, K] = [k!.shape[0]!, q!.shape[0]!, k!.shape[1]!];
    const aligned = K % 4 === 0;
    const tile = registerTile(subgroupSize);
    return {
      code: software ? nearestPatchLanes(aligned, tile) : nearestPatchTiled(aligned),
      dims: [M, N, K, 0, 0],
      workgroups: [ceilDiv(N, software ? 4 * tile.lanes : TILE_QUERIES), 1, 1],
      workgroupsPerTurn: Number(software && tile.subgroup),
      flops: 2 * M * N * K,
    };
  },
};

/**
 * For every row of q [M, K] the number of the row of k [N, K] at the least distance ||q - k||, the lowest if several are: [M].
 * The distances are compared as they are computed and never stored. Has no gradient.
 * @throws ShapeError when q and k are not matrices with rows of one length
 */
export function nearestPatch(q: Tensor, k: Tensor): Tensor {
  nearestPatchOp.shapes([k, q], {}); // before the norms, whose message would be another
  return addNode(nearestPatchOp, [k, q, addNode(normsOp, [k], {})], {});
}
