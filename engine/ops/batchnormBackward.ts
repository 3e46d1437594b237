/** Gradients of batch normalisation. */
import { batchnormBackward as backwardCode, batchnormBackwardPartial, batchnormSmallBackward } from '../../shaders/batchnorm.js';
import { addNode, type Node, type Tensor } from '../graph/graph.js';
import { channelKernel, chunkKernel, chunksPerChannel, isSmall, type Batchnorm, type BatchnormAttrs } from './batchnorm.js';
import { leakyReluBackwardOp, leakyReluOp } from './unary.js';

/** Inputs (x, statistics, w, b, dy), output the sums of dz * xhat and dz over each chunk, then the statistics `[C, S + 1, 2]`. */
const backwardPartialOp: Batchnorm = {
  name: 'batchnormBackwardPartial',
  shapes: ([x]) => [[x!.shape[1]!, chunksPerChannel(x!.shape) + 1, 2]],
  kernel: (node, tuning) => chunkKernel(node, tuning, batchnormBackwardPartial, 9, { SLOPE: node.attrs.slope }),
};

const gradientShapes: Batchnorm['shapes'] = ([x, , w, b]) => [x!.shape, w!.shape, b!.shape];

/** Inputs (x, partial, w, b, dy), outputs (dx, dw, db). */
const backwardOp: Batchnorm = {
  name: 'batchnormBackward',
  shapes: gradientShapes,
  kernel: (node, tuning) => chunkKernel(node, tuning, backwardCode, 11, { SLOPE: node.attrs.slope }),
};

/** Inputs (x, statistics, w, b, dy), outputs (dx, dw, db), for small channels. */
const smallBackwardOp: Batchnorm = {
  name: 'batchnormSmallBackward',
  shapes: gradientShapes,
  kernel: (node, tuning) => channelKernel(node, tuning, batchnormSmallBackward, 20, { SLOPE: node.attrs.slope }),
};

/** Looks behind a leaky ReLU whose gradient `dy` is: the backward kernels then apply its slope on the way. */
function throughActivation(node: Node<BatchnormAttrs>, dy: Tensor): { slope: number; dz: Tensor } {
  const [y, dz] = dy.node.inputs;
  const isActivation = dy.node.op === leakyReluBackwardOp && y!.node.op === leakyReluOp && y!.node.inputs[0] === node.outputs[0];
  return isActivation ? { slope: (dy.node.attrs as BatchnormAttrs).slope, dz: dz! } : { slope: 1, dz: dy };
}

/** Of a node (x, partial, w, b) or (x, w, b) with outputs (y, statistics), whose y has the gradient `dy`. */
export function batchnormBackward(node: Node<BatchnormAttrs>, dy: Tensor): { dx: Tensor; dw: Tensor; db: Tensor } {
  const [x, [w, b], statistics] = [node.inputs[0]!, node.inputs.slice(-2) as [Tensor, Tensor], node.outputs[1]!];
  const { slope, dz } = throughActivation(node, dy);
  const attrs = { ...node.attrs, slope };
  const [dx, dw, db] = isSmall(node)
    ? x.graph.add(smallBackwardOp, [x, statistics, w, b, dz], attrs)
    : x.graph.add(backwardOp, [x, addNode(backwardPartialOp, [x, statistics, w, b, dz], attrs), w, b, dz], attrs);
  return { dx: dx!, dw: dw!, db: db! };
}
