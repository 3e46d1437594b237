/** Batch normalisation with the statistics of the current batch; absorbs a leaky ReLU that follows. */
import {
  batchnormBackward, batchnormBackwardPartial, batchnormForward, batchnormGivenForward, batchnormPartial, batchnormSmallBackward,
  batchnormSmallForward,
} from '../../shaders/batchnorm.js';
import {
  addNode, ceilDiv, expectRank, linearGrid, sameShape, ShapeError, showShape, sizeOf, type Kernel, type Node, type Op,
  type PlainOp, type Shape, type Shape4, type Tensor, type Tuning,
} from '../graph/index.js';
import { longRowLanes, rowCode } from './launch/rows.js';
import { leakyReluBackwardOp, leakyReluOp } from './unary.js';

/** Elements that one workgroup reduces or maps. */
const CHUNK = 4096;
/**
 * Elements of a channel up to which one workgroup does it alone, in a single launch each way. Large pictures have few channels,
 * which leave most of a GPU idle.
 */
const SMALL = { narrow: 65536, wide: 5 * CHUNK };

interface BatchnormAttrs {
  readonly eps: number;
  /** Of the leaky ReLU that follows in the same launch; 1 is none. */
  readonly slope: number;
}

type Batchnorm = Op<BatchnormAttrs>;
type Code = (oneSubgroup: boolean) => string;
type Constants = Readonly<Record<string, number>>;

/** Chunks of a channel of x `[B, C, H, W]`. */
const chunksPerChannel = ([B, , H, W]: Shape): number => B! * ceilDiv(H! * W!, CHUNK);

/** True for a forward node that does whole channels in one launch. */
const isSmall = (node: Node): boolean => node.inputs.length === 3;

/** Launch of a workgroup per channel of the node's first input; `flops` per element. */
function channelKernel({ inputs: [x] }: Node, tuning: Tuning, code: Code, flops: number, constants: Constants): Kernel {
  const [B, C, H, W] = x!.shape as Shape4;
  const lanes = longRowLanes(tuning);
  return {
    ...rowCode(code, lanes, constants),
    dims: [B, C, H * W],
    workgroups: [C, 1, 1],
    workgroupsPerTurn: Number(lanes.oneSubgroup),
    flops: flops * B * C * H * W,
  };
}

/** The same with a workgroup per chunk. */
function chunkKernel(node: Node, tuning: Tuning, code: Code, flops: number, constants?: Constants): Kernel {
  const { shape } = node.inputs[0]!;
  const workgroups = linearGrid(shape[1]! * chunksPerChannel(shape), 1);
  return { ...channelKernel(node, tuning, code, flops, { CHUNK, ...constants }), workgroups };
}

/** Input x, output the mean and the sum of squared differences to it of each chunk `[C, S, 2]`. */
const partialOp: PlainOp = {
  name: 'batchnormPartial',
  shapes: ([x]) => [[x!.shape[1]!, chunksPerChannel(x!.shape), 2]],
  kernel: (node, tuning) => chunkKernel(node, tuning, batchnormPartial, 6),
};

/**
 * Inputs (x, partial, w, b), or (x, w, b) if channels are small; outputs (y, statistics [C, 2]). Its gradient is that of the
 * whole, through the statistics too.
 */
const batchnormOp: Batchnorm = {
  name: 'batchnorm',
  cheap: true,
  shapes: ([x]) => [x!.shape, [x!.shape[1]!, 2]],
  kernel: (node, tuning) => {
    const constants = { SLOPE: node.attrs.slope, EPS: node.attrs.eps };
    return isSmall(node)
      ? channelKernel(node, tuning, batchnormSmallForward, 11, constants)
      : chunkKernel(node, tuning, batchnormForward, 5, constants);
  },
  backward: (node, [dy]) => {
    const { slope, dz } = throughActivation(node, dy!);
    const attrs = { ...node.attrs, slope };
    const [x, [w, b], statistics] = [node.inputs[0]!, node.inputs.slice(-2) as [Tensor, Tensor], node.outputs[1]!];
    if (isSmall(node)) return node.graph.add(smallBackwardOp, [x, statistics, w, b, dz], attrs);
    const partial = addNode(backwardPartialOp, [x, statistics, w, b, dz], attrs);
    const [dx, dw, db] = node.graph.add(backwardOp, [x, partial, w, b, dz], attrs);
    return [dx, undefined, dw, db];
  },
  // The gradient of leaky ReLU reads its output alone, so no other node needs the sum before it.
  fuse: ({ attrs, inputs, outputs: [y, statistics] }, next) => {
    if (attrs.slope !== 1 || next.op !== leakyReluOp || next.inputs[0] !== y) return undefined;
    const { slope } = next.attrs as BatchnormAttrs;
    return { op: batchnormOp, attrs: { ...attrs, slope }, inputs, outputs: [next.outputs[0]!, statistics!] };
  },
};

/** If `dy` is the gradient of a leaky ReLU that follows: the ReLU's own dy, and its slope for the backward kernels to apply. */
function throughActivation(node: Node<BatchnormAttrs>, dy: Tensor): { slope: number; dz: Tensor } {
  const [y, dz] = dy.node.inputs;
  const isActivation = dy.node.op === leakyReluBackwardOp && y!.node.op === leakyReluOp && y!.node.inputs[0] === node.outputs[0];
  return isActivation ? { slope: (dy.node.attrs as BatchnormAttrs).slope, dz: dz! } : { slope: 1, dz: dy };
}

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
  kernel: (node, tuning) => chunkKernel(node, tuning, batchnormBackward, 11, { SLOPE: node.attrs.slope }),
};

/** Inputs (x, statistics, w, b, dy), outputs (dx, dw, db), for small channels. */
const smallBackwardOp: Batchnorm = {
  name: 'batchnormSmallBackward',
  shapes: gradientShapes,
  kernel: (node, tuning) => channelKernel(node, tuning, batchnormSmallBackward, 20, { SLOPE: node.attrs.slope }),
};

/**
 * (x - mean) / sqrt(var + eps) * w + b with mean and biased variance of each channel over B, H and W of this batch, as PyTorch
 * does in training mode (https://arxiv.org/abs/1502.03167). x `[B, C, H, W]`, w and b `[C]`.
 * @throws ShapeError when x does not have four axes or has one value per channel, or w or b is not `[C]`
 */
export function batchnorm(x: Tensor, w: Tensor, b: Tensor, eps = 1e-5): Tensor {
  expectRank('batchnorm', 'x', x.shape, 4);
  const C = x.shape[1]!;
  const perChannel = sizeOf(x.shape) / C;
  if (perChannel === 1) throw new ShapeError(`batchnorm: one value per channel has no variance: x is ${showShape(x.shape)}`);
  for (const [name, { shape }] of Object.entries({ w, b })) {
    if (sameShape(shape, [C])) continue;
    throw new ShapeError(`batchnorm: ${name} must have a value per channel of x: ${showShape(shape)} and ${showShape(x.shape)}`);
  }
  const partial = perChannel <= SMALL[x.graph.wide ? 'wide' : 'narrow'] ? [] : [addNode(partialOp, [x], {})];
  return addNode(batchnormOp, [x, ...partial, w, b], { slope: 1, eps });
}

/** Without the gradient, which would need statistics of the whole. */
const batchnormGivenOp: Op<{ readonly slope: number }> = {
  name: 'batchnormGiven',
  shapes: ([x]) => [x!.shape],
  kernel: (node, tuning) => chunkKernel(node, tuning, () => batchnormGivenForward, 5, { SLOPE: node.attrs.slope }),
  fuse: ({ attrs, inputs }, { op, attrs: nextAttrs, outputs }) =>
    (attrs.slope === 1 && op === leakyReluOp ? { op: batchnormGivenOp, attrs: nextAttrs, inputs, outputs } : undefined),
};

/**
 * The same with statistics of a larger picture of which x is a part: `[C, 2]`, mean and 1 / sqrt(var + eps) of each channel.
 * Has no gradient.
 * @throws ShapeError when statistics, w or b do not fit x
 */
export function batchnormGiven(x: Tensor, statistics: Tensor, w: Tensor, b: Tensor): Tensor {
  expectRank('batchnorm', 'x', x.shape, 4);
  const C = x.shape[1]!;
  for (const [name, t, shape] of [['statistics', statistics, [C, 2]], ['w', w, [C]], ['b', b, [C]]] as const) {
    if (sameShape(t.shape, shape)) continue;
    throw new ShapeError(`batchnorm: ${name} must be ${showShape(shape)}: ${showShape(t.shape)} for x ${showShape(x.shape)}`);
  }
  return addNode(batchnormGivenOp, [x, statistics, w, b], { slope: 1 });
}
