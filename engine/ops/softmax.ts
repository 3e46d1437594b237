/** Softmax over the last axis. */
import { softmaxBackward, softmaxForward } from '../../shaders/softmax.js';
import { addNode, type PlainOp, type Tensor } from '../graph/index.js';
import { rowKernel } from './launch/rows.js';

const softmaxOp: PlainOp = {
  name: 'softmax',
  shapes: ([x]) => [x!.shape],
  kernel: rowKernel(softmaxForward, 5),
  backward: ({ outputs: [y] }, [dy]) => [addNode(backwardOp, [y!, dy!], {})],
};

/** Inputs (y, dy). */
const backwardOp: PlainOp = { name: 'softmaxBackward', shapes: ([y]) => [y!.shape], kernel: rowKernel(softmaxBackward, 4) };

/** exp(x) / sum(exp(x)) over the last axis, with the row's maximum subtracted first. x `[..., N]`. */
export const softmax = (x: Tensor): Tensor => addNode(softmaxOp, [x], {});
