/** Batch normalisation with the statistics of the batch at hand; absorbs a leaky ReLU behind it. */
import { batchnormForward, batchnormGivenForward, batchnormPartial, batchnormSmallForward } from '../../shaders/batchnorm.js';
import { addNode, type Node, type Op, type Tensor } from '../graph/graph.js';
import { ceilDiv, linearGrid, type Kernel, type Tuning } from '../graph/kernel.js';
import { expectRank, sameShape, ShapeError, showShape, sizeOf, type Shape } from '../graph/shape.js';
import { batchnormBackward } from './batchnormBackward.js';
import { longRowLanes } from './launch/rows.js';
import { leakyReluOp } from './unary.js';

/** Elements that one workgroup reduces or maps. */
const CHUNK = 4096;
/** Elements of a channel that one workgroup does alone, in a single launch each way. */
const SMALL = 65536;

export interface BatchnormAttrs {
  readonly eps: number;
  /** Of the leaky ReLU that follows in the same launch; 1 is none. */
  readonly slope: number;
}

export type Batchnorm = Op<BatchnormAttrs>;

/** Chunks of a channel of x `[B, C, H, W]`. */
export const chunksPerChannel = ([B, , H, W]: Shape): number => B! * ceilDiv(H! * W!, CHUNK);

type Code = (oneSubgroup: boolean) => string;

/** Launch of `groups` workgroups over a tensor of shape `x`. */
function launch(x: Shape, tuning: Tuning, code: Code, groups: number, constants: Record<string, number> = {}): Kernel {
  const [B, C, H, W] = x as [number, number, number, number];
  const { WG, oneSubgroup } = longRowLanes(tuning);
  return { code: code(oneSubgroup), constants: { WG, CHUNK, ...constants }, dims: [B, C, H * W], workgroups: linearGrid(groups, 1), queued: Number(oneSubgroup) };
}

/** A workgroup per chunk of the node's first input; `flops` per element. */
export function chunkKernel(node: Node, tuning: Tuning, code: Code, flops: number, constants?: Record<string, number>): Kernel {
  const { shape } = node.inputs[0]!;
  return { ...launch(shape, tuning, code, shape[1]! * chunksPerChannel(shape), constants), flops: flops * sizeOf(shape) };
}

/** A workgroup per channel of the node's first input. */
export function channelKernel(node: Node, tuning: Tuning, code: Code, flops: number, constants: Record<string, number>): Kernel {
  const { shape } = node.inputs[0]!;
  const [B, C, H, W] = shape as [number, number, number, number];
  const { WG, oneSubgroup } = longRowLanes(tuning);
  return { code: code(oneSubgroup), constants: { WG, ...constants }, dims: [B, C, H * W], workgroups: [C, 1, 1], queued: Number(oneSubgroup), flops: flops * sizeOf(shape) };
}

/** Input x, output the mean and the sum of squared differences to it of each chunk `[C, S, 2]`. */
const partialOp: Op<Record<string, never>> = {
  name: 'batchnormPartial',
  shapes: ([x]) => [[x!.shape[1]!, chunksPerChannel(x!.shape), 2]],
  kernel: (node, tuning) => chunkKernel(node, tuning, batchnormPartial, 6),
};

/**
 * Inputs (x, partial, w, b), or (x, w, b) where channels are small; outputs (y, statistics [C, 2]). Its gradient is that of the whole,
 * through the statistics too.
 */
const batchnormOp: Batchnorm = {
  name: 'batchnorm',
  cheap: true,
  shapes: ([x]) => [x!.shape, [x!.shape[1]!, 2]],
  kernel: (node, tuning) => {
    const constants = { SLOPE: node.attrs.slope, EPS: node.attrs.eps };
    return isSmall(node) ? channelKernel(node, tuning, batchnormSmallForward, 11, constants) : chunkKernel(node, tuning, batchnormForward, 5, constants);
  },
  backward: (node, [dy]) => {
    const { dx, dw, db } = batchnormBackward(node, dy!);
    return isSmall(node) ? [dx, dw, db] : [dx, undefined, dw, db];
  },
  // The gradient of leaky ReLU reads its output alone, so nobody else misses the sum before it.
  fuse: (node, next) => node.attrs.slope === 1 && next.op === leakyReluOp && next.inputs[0] === node.outputs[0]
    ? { op: batchnormOp, attrs: { ...node.attrs, ...(next.attrs as { slope: number }) }, inputs: node.inputs, outputs: [next.outputs[0]!, node.outputs[1]!] }
    : undefined,
};

/** Whether a forward node does whole channels in one launch. */
export const isSmall = (node: Node): boolean => node.inputs.length === 3;

/**
 * (x - mean) / sqrt(var + eps) * w + b with mean and biased variance of each channel over B, H and W of this very batch, as
 * PyTorch does in training mode (https://arxiv.org/abs/1502.03167). x `[B, C, H, W]`, w and b `[C]`.
 * @throws ShapeError when x has not four axes or one value per channel only, or w or b is not `[C]`
 */
export function batchnorm(x: Tensor, w: Tensor, b: Tensor, eps = 1e-5): Tensor {
  expectRank('batchnorm', 'x', x.shape, 4);
  const C = x.shape[1]!;
  if (sizeOf(x.shape) === C) throw new ShapeError(`batchnorm: one value per channel has no variance: x is ${showShape(x.shape)}`);
  for (const [name, t] of [['w', w], ['b', b]] as const) {
    if (sameShape(t.shape, [C])) continue;
    throw new ShapeError(`batchnorm: ${name} must have a value per channel of x: ${showShape(t.shape)} and ${showShape(x.shape)}`);
  }
  const [B, , H, W] = x.shape as [number, number, number, number];
  const partial = B * H * W <= SMALL ? [] : [addNode(partialOp, [x], {})];
  return x.graph.add(batchnormOp, [x, ...partial, w, b], { slope: 1, eps })[0]!;
}

/** Without the gradient, which goes through statistics of the whole. */
const batchnormGivenOp: Op<{ readonly slope: number }> = {
  name: 'batchnormGiven',
  shapes: ([x]) => [x!.shape],
  kernel: (node, tuning) => chunkKernel(node, tuning, () => batchnormGivenForward, 5, { SLOPE: node.attrs.slope }),
  fuse: (node, next) => (node.attrs.slope === 1 && next.op === leakyReluOp ? { op: batchnormGivenOp, attrs: next.attrs, inputs: node.inputs, outputs: next.outputs } : undefined),
};

/**
 * The same with statistics that come from elsewhere, of a picture of which x is a part: `[C, 2]`, mean and 1 / sqrt(var + eps) of each channel.
 * Has no gradient.
 * @throws ShapeError when statistics, w or b do not fit x
 */
export function batchnormGiven(x: Tensor, statistics: Tensor, w: Tensor, b: Tensor): Tensor {
  expectRank('batchnorm', 'x', x.shape, 4);
  const C = x.shape[1]!;
  for (const [name, t, shape] of [['statistics', statistics, [C, 2]], ['w', w, [C]], ['b', b, [C]]] as const) {
    if (!sameShape(t.shape, shape)) throw new ShapeError(`batchnorm: ${name} must be ${showShape(shape)}: ${showShape(t.shape)} for x ${showShape(x.shape)}`);
  }
  return addNode(batchnormGivenOp, [x, statistics, w, b], { slope: 1 });
}
