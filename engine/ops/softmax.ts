/** Softmax over the last axis. */
import { softmaxBackward, softmaxForward } from '../../shaders/softmax.js';
import { addNode, type Op, type Tensor } from '../graph/graph.js';
import { linearGrid } from '../graph/kernel.js';
import { sizeOf } from '../graph/shape.js';
import { shortRowLanes } from './launch/rows.js';

type Softmax = Op<Record<string, never>>;

/** Launch with one workgroup per row; `flops` per element. */
const rowKernel = (code: (oneSubgroup: boolean) => string, flops: number): NonNullable<Softmax['kernel']> => (node, tuning) => {
  const { shape } = node.outputs[0]!;
  const N = shape.at(-1) ?? 1;
  const ROWS = sizeOf(shape) / N;
  const { WG, oneSubgroup } = shortRowLanes(tuning);
  return { code: code(oneSubgroup), constants: { WG }, dims: [ROWS, N], workgroups: linearGrid(ROWS, 1), flops: flops * ROWS * N };
};

const softmaxOp: Softmax = {
  name: 'softmax',
  shapes: ([x]) => [x!.shape],
  kernel: rowKernel(softmaxForward, 5),
  backward: (node, [dy]) => [addNode(softmaxBackwardOp, [node.outputs[0]!, dy!], {})],
};

/** Inputs (y, dy). */
const softmaxBackwardOp: Softmax = { name: 'softmaxBackward', shapes: ([y]) => [y!.shape], kernel: rowKernel(softmaxBackward, 4) };

/** exp(x) / sum(exp(x)) over the last axis, with the row's maximum subtracted first. x `[..., N]`. */
export const softmax = (x: Tensor): Tensor => addNode(softmaxOp, [x], {});
