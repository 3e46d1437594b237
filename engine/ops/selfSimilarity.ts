/** Cosine similarity of every token with every other. */
import { SIMILARITY_SIDE, similarityBackward, similarityNorms, similarityTiled } from '../../shaders/selfSimilarity.js';
import { laneSide, similarityLanes } from '../../shaders/software/selfSimilarity.js';
import { addNode, ceilDiv, expectRank, linearGrid, type PlainOp, type Shape3, type Tensor } from '../graph/index.js';
import { rowCode, shortRowLanes } from './launch/rows.js';
import { matmul } from './matmul.js';

/** Input k, output the lengths of its rows [B, T]. */
const normsOp: PlainOp = {
  name: 'selfSimilarityNorms',
  shapes: ([k]) => {
    expectRank('selfSimilarity', 'k', k!.shape, 3);
    return [k!.shape.slice(0, 2)];
  },
  kernel: ({ inputs: [k] }, tuning) => {
    const [B, T, C] = k!.shape as Shape3;
    const code = rowCode(similarityNorms, shortRowLanes(tuning));
    return { ...code, dims: [B * T, C], workgroups: linearGrid(B * T, 1), flops: 2 * B * T * C };
  },
};

/** Inputs (k, norms), output s. */
const selfSimilarityOp: PlainOp = {
  name: 'selfSimilarity',
  shapes: ([k]) => [[...k!.shape.slice(0, 2), k!.shape[1]!]],
  kernel: ({ inputs: [k] }, { software, subgroupSize }) => {
    const [B, T, C] = k!.shape as Shape3;
    const lanes = software ? subgroupSize : 0;
    const side = lanes ? laneSide(lanes) : SIMILARITY_SIDE;
    const tiles = ceilDiv(T, side);
    return {
      code: lanes ? similarityLanes(C % 4 === 0, lanes) : similarityTiled(C % 4 === 0),
      constants: { C },
      dims: [T],
      workgroups: [tiles, tiles, B],
      workgroupsPerTurn: lanes ? 1 : 0,
      flops: B * tiles * (tiles + 1) * side * side * C,
    };
  },
  // The weights of dk contain the gradient through the norms, so the second input needs none.
  backward: ({ inputs: [k, norms], outputs: [s] }, [ds]) => [matmul(addNode(backwardOp, [norms!, s!, ds!], {}), k!), undefined],
};

/** Inputs (norms, s, ds), output w [B, T, T] with dk = w k. */
const backwardOp: PlainOp = {
  name: 'selfSimilarityBackward',
  shapes: ([, s]) => [s!.shape],
  kernel: ({ inputs: [, s] }, tuning) => {
    const [B, T] = s!.shape as Shape3;
    const code = rowCode(similarityBackward, shortRowLanes(tuning));
    return { ...code, dims: [B * T, T], workgroups: linearGrid(B * T, 1), flops: 6 * B * T * T };
  },
};

/**
 * k_i k_j / max(|k_i| |k_j|, 1e-8) for all pairs of rows. k `[B, T, C]`, gives `[B, T, T]`.
 * @throws ShapeError unless k has three axes
 */
export const selfSimilarity = (k: Tensor): Tensor => addNode(selfSimilarityOp, [k, addNode(normsOp, [k], {})], {});
