/** Cosine similarity of every token with every other. */
import { SIMILARITY_SIDE, similarityBackward, similarityNorms, similarityTiled } from '../../shaders/selfSimilarity.js';
import { laneSide, similarityLanes } from '../../shaders/software/selfSimilarity.js';
import { addNode, type Op, type Tensor } from '../graph/graph.js';
import { ceilDiv, linearGrid } from '../graph/kernel.js';
import { expectRank } from '../graph/shape.js';
import { matmul } from './matmul.js';
import { shortRowLanes } from './launch/rows.js';

type Plain = Op<Record<string, never>>;

/** Input k, output the lengths of its rows [B, T]. */
const normsOp: Plain = {
  name: 'selfSimilarityNorms',
  shapes: ([k]) => {
    expectRank('selfSimilarity', 'k', k!.shape, 3);
    return [k!.shape.slice(0, 2)];
  },
  kernel: (node, tuning) => {
    const [B, T, C] = node.inputs[0]!.shape as [number, number, number];
    const { WG, oneSubgroup } = shortRowLanes(tuning);
    return { code: similarityNorms(oneSubgroup), constants: { WG }, dims: [B * T, C], workgroups: linearGrid(B * T, 1), flops: 2 * B * T * C };
  },
};

/** Inputs (k, norms), output s. */
const selfSimilarityOp: Plain = {
  name: 'selfSimilarity',
  shapes: ([k]) => {
    const [B, T] = k!.shape as [number, number, number];
    return [[B, T, T]];
  },
  kernel: (node, { software, subgroupSize }) => {
    const [B, T, C] = node.inputs[0]!.shape as [number, number, number];
    const lanes = software ? subgroupSize : 0;
    const side = lanes ? laneSide(lanes) : SIMILARITY_SIDE;
    const tiles = ceilDiv(T, side);
    return {
      code: lanes ? similarityLanes(C % 4 === 0, lanes) : similarityTiled(C % 4 === 0),
      constants: { C },
      dims: [T],
      workgroups: [tiles, tiles, B],
      queued: lanes ? 1 : 0,
      flops: B * tiles * (tiles + 1) * side * side * C,
    };
  },
  // The norms' own gradient is part of the weights, so nothing is asked of the second input.
  backward: (node, [ds]) => {
    const [k, norms] = node.inputs as [Tensor, Tensor];
    return [matmul(addNode(backwardOp, [norms, node.outputs[0]!, ds!], {}), k), undefined];
  },
};

/** Inputs (norms, s, ds), output w [B, T, T] with dk = w k. */
const backwardOp: Plain = {
  name: 'selfSimilarityBackward',
  shapes: ([, s]) => [s!.shape],
  kernel: (node, tuning) => {
    const [B, T] = node.inputs[1]!.shape as [number, number, number];
    const { WG, oneSubgroup } = shortRowLanes(tuning);
    return { code: similarityBackward(oneSubgroup), constants: { WG }, dims: [B * T, T], workgroups: linearGrid(B * T, 1), flops: 6 * B * T * T };
  },
};

/**
 * k_i k_j / max(|k_i| |k_j|, 1e-8) for all pairs of rows. k `[B, T, C]`, gives `[B, T, T]`.
 * @throws ShapeError unless k has three axes
 */
export const selfSimilarity = (k: Tensor): Tensor => addNode(selfSimilarityOp, [k, addNode(normsOp, [k], {})], {});
