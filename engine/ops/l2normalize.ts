/** Rows brought to length 1. */
import { l2normalizeBackward, l2normalizeForward } from '../../shaders/l2normalize.js';
import { addNode, type Op, type Tensor } from '../graph/graph.js';
import { linearGrid } from '../graph/kernel.js';
import { sizeOf } from '../graph/shape.js';
import { shortRowLanes } from './launch/rows.js';

type Plain = Op<Record<string, never>>;

/** Launch with one workgroup per row; `flops` per element. */
const rowKernel = (code: (oneSubgroup: boolean) => string, flops: number): NonNullable<Plain['kernel']> => (node, tuning) => {
  const { shape } = node.outputs[0]!;
  const N = shape.at(-1) ?? 1;
  const ROWS = sizeOf(shape) / N;
  const { WG, oneSubgroup } = shortRowLanes(tuning);
  return { code: code(oneSubgroup), constants: { WG }, dims: [ROWS, N], workgroups: linearGrid(ROWS, 1), flops: flops * ROWS * N };
};

/** Input x, outputs (y, lengths). */
const l2normalizeOp: Plain = {
  name: 'l2normalize',
  shapes: ([x]) => [x!.shape, x!.shape.slice(0, -1)],
  kernel: rowKernel(l2normalizeForward, 3),
  backward: (node, [dy]) => [addNode(backwardOp, [...node.outputs, dy!], {})],
};

/** Inputs (y, lengths, dy), output dx. */
const backwardOp: Plain = { name: 'l2normalizeBackward', shapes: ([y]) => [y!.shape], kernel: rowKernel(l2normalizeBackward, 5) };

/**
 * x / max(|x|, 1e-12) along the last axis, as `F.normalize(x, dim=-1)`. x `[..., N]`. Of a linear layer's weights `[O, I]` it is their weight
 * norm (https://arxiv.org/abs/1602.07868) with all gains 1.
 */
export const l2normalize = (x: Tensor): Tensor => addNode(l2normalizeOp, [x], {});
