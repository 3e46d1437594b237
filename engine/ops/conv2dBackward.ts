/** Gradients of conv2d. */
import { forwardGather } from '../../shaders/conv2d.js';
import { backwardInputGather, conv2dBackwardBias as biasCode, reflectFold, weightTiles } from '../../shaders/conv2dBackward.js';
import { tileSize } from '../../shaders/parts/tileProduct.js';
import { rowsPerLane, STRIP, weightChannels, weightStrips } from '../../shaders/software/conv2dBackward.js';
import { addNode, type Node, type Op, type Tensor } from '../graph/graph.js';
import { ceilDiv, type Kernel, type Tuning } from '../graph/kernel.js';
import { sizeOf, type Shape } from '../graph/shape.js';
import { addendOf } from './binary.js';
import { conv2dFlops, gatherKernel, type Conv2dOptions } from './conv2d.js';
import { sumLeading } from './sum.js';

interface BackwardAttrs extends Required<Conv2dOptions> {
  /** Of the gradient. */
  readonly shape: Shape;
}

interface SplitAttrs extends BackwardAttrs {
  readonly splits: number;
}

/** Inputs (dy, w) and, once fused, another gradient of x to add; output dx. */
const inputOp: Op<BackwardAttrs> = {
  name: 'conv2dBackwardInput',
  shapes: (_, { shape }) => [shape],
  kernel: ({ inputs, attrs: { shape, stride, padding } }, tuning) => {
    const [dy, w] = inputs.map((t) => t.shape) as [Shape, Shape];
    const [, C, K] = w as [number, number, number];
    const gather = backwardInputGather(K, stride, padding === 'reflect' ? 0 : (K - 1) / 2);
    return gatherKernel({ gather, x: dy, y: shape, lattice: stride, K, steps: [K * K, C * K * K], added: inputs[2] && 'tensor', flops: conv2dFlops(dy, w) }, tuning);
  },
  fuse: (node, next, sole) => {
    const other = sole && node.inputs.length === 2 && addendOf(node, next);
    return other ? { op: inputOp, attrs: node.attrs, inputs: [...node.inputs, other], outputs: next.outputs } : undefined;
  },
};

const foldOp: Op<{ readonly shape: Shape; readonly pad: number }> = {
  name: 'reflectFold',
  shapes: (_, { shape }) => [shape],
  kernel: ({ attrs: { shape, pad } }) => {
    const [B, C, H, W] = shape as [number, number, number, number];
    return { code: reflectFold, constants: { PAD: pad }, dims: [H, W], workgroups: [H, B * C, 1], flops: sizeOf(shape) };
  },
};

/** dx of conv2d. With reflection: the gradient of the padded image, then its margins folded back onto the pixels they mirror. */
export function conv2dBackwardInput(dy: Tensor, w: Tensor, shape: Shape, options: Required<Conv2dOptions>): Tensor {
  const pad = (w.shape[2]! - 1) / 2;
  if (options.padding === 'zeros' || pad === 0) return addNode<BackwardAttrs>(inputOp, [dy, w], { stride: options.stride, padding: 'zeros', shape });
  const [B, C, H, W] = shape as [number, number, number, number];
  const padded = addNode(inputOp, [dy, w], { ...options, shape: [B, C, H + 2 * pad, W + 2 * pad] });
  return addNode(foldOp, [padded], { shape, pad });
}

/** Launch of the weight gradient on tiles: columns are weights of a channel, depth is the split's pixels. */
function weightTileKernel({ inputs, attrs: { shape, splits, stride, padding } }: Node<SplitAttrs>): Kernel {
  const [x, dy] = inputs.map((t) => t.shape) as [Shape, Shape];
  const [O, C, K] = shape as [number, number, number];
  const [B, , YH, YW] = dy as [number, number, number, number];
  const { TM, TN, KC } = tileSize(O);
  return {
    code: weightTiles(forwardGather(K, stride, padding === 'reflect')),
    constants: { K, TM, TN, KC },
    dims: [B, O, C, x[2]!, x[3]!, YH, YW, 0, ceilDiv(B * YH * YW, splits)],
    workgroups: [ceilDiv(C * K * K, TN), ceilDiv(O, TM), splits],
  };
}

/** Launch of the weight gradient on strips: lanes are window rows, splits are shares of the strips. */
function weightStripKernel({ inputs, attrs: { shape, splits, stride, padding } }: Node<SplitAttrs>, subgroup: number): Kernel {
  const [x, dy] = inputs.map((t) => t.shape) as [Shape, Shape];
  const [O, C, K] = shape as [number, number, number];
  const [B, , YH, YW] = dy as [number, number, number, number];
  const strips = ceilDiv(YW, STRIP);
  return {
    code: weightStrips(forwardGather(K, stride, padding === 'reflect'), K, O, subgroup),
    constants: { K },
    dims: [B, O, C, x[2]!, x[3]!, YH, YW, strips, ceilDiv(B * YH * strips, splits)],
    workgroups: [ceilDiv(C * K, subgroup * rowsPerLane(K)), ceilDiv(O, weightChannels(O)), splits],
    queued: 1,
  };
}

const weightOp: Op<SplitAttrs> = {
  name: 'conv2dBackwardWeight',
  shapes: (_, { shape, splits }) => [splits === 1 ? shape : [splits, ...shape]],
  kernel: (node, { software, subgroupSize }: Tuning) => ({
    ...(software && subgroupSize >= 4 ? weightStripKernel(node, subgroupSize) : weightTileKernel(node)),
    flops: conv2dFlops(node.inputs[1]!.shape, node.attrs.shape),
  }),
};

/** Shares of the pixels that are summed apart: enough to fill a GPU, none below 1024 pixels, which cost less than a launch that sums, none that the weights make up for. */
function weightSplits([B, , YH, YW]: Shape, [O, C, KH, KW]: Shape): number {
  const tiles = ceilDiv(O! * C! * KH! * KW!, 512);
  return Math.max(1, Math.min(Math.floor((B! * YH! * YW!) / 1024), ceilDiv(1024, tiles)));
}

/** dw of conv2d: pixels are many and weights few, so shares of the pixels are summed apart and then together. */
export function conv2dBackwardWeight(dy: Tensor, x: Tensor, shape: Shape, options: Required<Conv2dOptions>): Tensor {
  const splits = weightSplits(dy.shape, shape);
  const partial = addNode(weightOp, [x, dy], { ...options, shape, splits });
  return splits === 1 ? partial : sumLeading(partial, shape);
}

const biasOp: Op<{ readonly splits: number }> = {
  name: 'conv2dBackwardBias',
  shapes: ([dy], { splits }) => [splits === 1 ? [dy!.shape[1]!] : [splits, dy!.shape[1]!]],
  kernel: ({ inputs, attrs: { splits } }, { workgroupSize: WG }) => {
    const [B, O, H, W] = inputs[0]!.shape as [number, number, number, number];
    return { code: biasCode, constants: { WG }, dims: [B, O, H * W, ceilDiv(H * W, splits)], workgroups: [O, splits, 1], flops: B * O * H * W };
  },
};

/** db of conv2d: [O], the sum of dy [B, O, H, W] over images and pixels. */
export function conv2dBackwardBias(dy: Tensor): Tensor {
  const [, O, H, W] = dy.shape as [number, number, number, number];
  const splits = ceilDiv(H * W, 16384);
  const partial = addNode(biasOp, [dy], { splits });
  return splits === 1 ? partial : sumLeading(partial, [O]);
}
