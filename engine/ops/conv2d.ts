/** Convolution with windows 1, 3, 5 and 7, stride 1 and 2, zero and reflect padding; its gradients. */
import { forwardGather } from '../../shaders/conv2d.js';
import { backwardInputGather, conv2dBackwardBias, reflectFold, weightTiles } from '../../shaders/conv2dBackward.js';
import { tileProduct, tileSize } from '../../shaders/parts/tileProduct.js';
import { plainProduct } from '../../shaders/plain/product.js';
import { rowsPerLane, STRIP, weightChannels, weightStrips } from '../../shaders/software/conv2dBackward.js';
import {
  addNode, ceilDiv, expectRank, sameShape, ShapeError, showShape, sizeOf, type Op, type Shape, type Shape3, type Shape4,
  type Tensor,
} from '../graph/index.js';
import { fuseAdd } from './binary.js';
import { conv2dFlops, gatherKernel } from './launch/gather.js';
import { sumLeading } from './sum.js';

export interface Conv2dOptions {
  readonly stride?: 1 | 2;
  /** Content of the (K - 1) / 2 pixels beyond the border on every side. */
  readonly padding?: 'zeros' | 'reflect';
}

type ConvAttrs = Required<Conv2dOptions>;

function outputShape(inputs: readonly Tensor[], { stride, padding }: ConvAttrs): Shape {
  const [x, w, b] = inputs.map((t) => t.shape) as [Shape, Shape, Shape?];
  expectRank('conv2d', 'x', x, 4);
  expectRank('conv2d', 'w', w, 4);
  const [B, C, H, W] = x as Shape4;
  const [O, WC, KH, KW] = w as Shape4;
  const pad = (KH - 1) / 2;
  const refuse = (what: string): never => {
    throw new ShapeError(`conv2d: ${what}w is ${showShape(w)}`);
  };
  if (C !== WC) refuse(`channels differ: x is ${showShape(x)}, `);
  if (KH !== KW || ![1, 3, 5, 7].includes(KH)) refuse('the window must be 1, 3, 5 or 7 wide and high: ');
  if (b && !sameShape(b, [O])) refuse(`b must be [${O}]: b is ${showShape(b)}, `);
  if (padding === 'reflect' && Math.min(H, W) <= pad) refuse(`too small to reflect ${pad} pixels: x is ${showShape(x)}, `);
  return [B, O, Math.floor((H - 1) / stride) + 1, Math.floor((W - 1) / stride) + 1];
}

const conv2dOp: Op<ConvAttrs> = {
  name: 'conv2d',
  shapes: (inputs, attrs) => [outputShape(inputs, attrs)],
  kernel: ({ inputs, outputs: [y], attrs: { stride, padding } }, tuning) => {
    const [x, w, b] = inputs.map((t) => t.shape) as [Shape, Shape, Shape?];
    const gather = forwardGather(w[2]!, stride, padding === 'reflect');
    return gatherKernel({ gather, x, w, y: y!.shape, added: b && 'bias' }, tuning);
  },
  backward: ({ inputs: [x, w], attrs }, [dy], needed) => [
    needed[0] ? inputGradient(dy!, w!, x!.shape, attrs) : undefined,
    needed[1] ? weightGradient(dy!, x!, w!.shape, attrs) : undefined,
    needed[2] ? biasGradient(dy!) : undefined,
  ],
};

interface BackwardAttrs extends ConvAttrs {
  /** Of the gradient. */
  readonly shape: Shape;
}

/** Inputs (dy, w) and, once fused, another gradient of x to add; output dx. */
const inputOp: Op<BackwardAttrs> = {
  name: 'conv2dBackwardInput',
  shapes: (_, { shape }) => [shape],
  kernel: ({ inputs, attrs: { shape, stride, padding } }, tuning) => {
    const [dy, w] = inputs.map((t) => t.shape) as [Shape, Shape];
    const K = w[2]!;
    const gather = backwardInputGather(K, stride, padding === 'reflect' ? 0 : (K - 1) / 2);
    return gatherKernel({ gather, x: dy, w, y: shape, backward: stride, added: inputs[2] && 'tensor' }, tuning);
  },
  fuse: (node, next, sole) => fuseAdd(inputOp, node, next, sole && node.inputs.length === 2),
};

const foldOp: Op<{ readonly shape: Shape; readonly pad: number }> = {
  name: 'reflectFold',
  shapes: (_, { shape }) => [shape],
  kernel: ({ attrs: { shape, pad } }) => {
    const [B, C, H, W] = shape as Shape4;
    return { code: reflectFold, constants: { PAD: pad }, dims: [H, W], workgroups: [H, B * C, 1], flops: sizeOf(shape) };
  },
};

/** dx. With reflection: the gradient of the padded image, then its margins folded back onto the pixels that they mirror. */
function inputGradient(dy: Tensor, w: Tensor, shape: Shape, { stride, padding }: ConvAttrs): Tensor {
  const pad = (w.shape[2]! - 1) / 2;
  if (padding === 'zeros' || pad === 0) return addNode<BackwardAttrs>(inputOp, [dy, w], { stride, padding: 'zeros', shape });
  const [B, C, H, W] = shape as Shape4;
  const padded = addNode(inputOp, [dy, w], { stride, padding, shape: [B, C, H + 2 * pad, W + 2 * pad] });
  return addNode(foldOp, [padded], { shape, pad });
}

/**
 * Inputs (x, dy), output dw, or `splits` parts of it. On tiles, columns are weights of a channel and the depth is a part of the
 * pixels; on strips, lanes are window rows and the depth is a part of the strips.
 */
const weightOp: Op<BackwardAttrs & { readonly splits: number }> = {
  name: 'conv2dBackwardWeight',
  shapes: (_, { shape, splits }) => [splits === 1 ? shape : [splits, ...shape]],
  kernel: ({ inputs, attrs }, { software, subgroupSize: lanes, plain, channels, manySums }) => {
    const { shape, splits, stride, padding } = attrs;
    const [x, dy] = inputs.map((t) => t.shape) as [Shape, Shape];
    const [O, C, K] = shape as Shape3;
    const [B, , YH, YW] = dy as Shape4;
    const gather = forwardGather(K, stride, padding === 'reflect');
    const dims = [B, O, C, x[2]!, x[3]!, YH, YW];
    const flops = conv2dFlops(dy, shape);
    if (software && lanes >= 4) {
      const strips = ceilDiv(YW, STRIP);
      return {
        code: weightStrips(gather, K, O, lanes),
        constants: { K },
        dims: [...dims, strips, ceilDiv(B * YH * strips, splits)],
        workgroups: [ceilDiv(C * K, lanes * rowsPerLane(K)), ceilDiv(O, weightChannels(O)), splits],
        workgroupsPerTurn: 1,
        flops,
      };
    }
    const { TM, TN, KC } = tileSize(O, channels);
    return {
      code: weightTiles(gather, plain ? plainProduct : tileProduct(manySums)),
      constants: { K, TM, TN, KC },
      dims: [...dims, 0, ceilDiv(B * YH * YW, splits)],
      workgroups: [ceilDiv(C * K * K, TN), ceilDiv(O, TM), splits],
      flops,
    };
  },
};

/**
 * The number of parts of the pixels that are summed separately: with the weights enough to fill a GPU, but of at least 1024
 * pixels each, 512 on a GPU, since fewer cost less than the launch that sums the parts.
 */
function weightSplits({ shape: [B, , YH, YW], graph: { wide } }: Tensor, w: Shape): number {
  const tiles = ceilDiv(sizeOf(w), 512);
  return Math.max(1, Math.min(Math.floor((B! * YH! * YW!) / (wide ? 512 : 1024)), ceilDiv(1024, tiles)));
}

/** dw. Pixels are many and weights few, so parts of the pixels are summed separately and then together. */
function weightGradient(dy: Tensor, x: Tensor, shape: Shape, attrs: ConvAttrs): Tensor {
  const splits = weightSplits(dy, shape);
  const partial = addNode(weightOp, [x, dy], { ...attrs, shape, splits });
  return splits === 1 ? partial : sumLeading(partial, shape);
}

const biasOp: Op<{ readonly splits: number }> = {
  name: 'conv2dBackwardBias',
  shapes: ([dy], { splits }) => [splits === 1 ? [dy!.shape[1]!] : [splits, dy!.shape[1]!]],
  kernel: ({ inputs: [dy], attrs: { splits } }, { workgroupSize: WG }) => {
    const [B, O, H, W] = dy!.shape as Shape4;
    const dims = [B, O, H * W, ceilDiv(H * W, splits)];
    return { code: conv2dBackwardBias, constants: { WG }, dims, workgroups: [O, splits, 1], flops: B * O * H * W };
  },
};

/** db: [O], the sum of dy [B, O, H, W] over images and pixels. */
function biasGradient(dy: Tensor): Tensor {
  const [, O, H, W] = dy.shape as Shape4;
  const splits = ceilDiv(H * W, 16384);
  const partial = addNode(biasOp, [dy], { splits });
  return splits === 1 ? partial : sumLeading(partial, [O]);
}

/**
 * y[b, o, i, j] = b[o] + sum over c, ky, kx of w[o, c, ky, kx] x[b, c, stride i + ky - pad, stride j + kx - pad], as PyTorch's
 * `conv2d` with pad = (K - 1) / 2. `x` is [B, C, H, W], `w` [O, C, K, K] with K 1, 3, 5 or 7, `b` [O]; the result is
 * [B, O, floor((H - 1) / stride) + 1, floor((W - 1) / stride) + 1].
 * @throws ShapeError when they do not fit, or when reflection would need more pixels than there are
 */
export const conv2d = (x: Tensor, w: Tensor, b?: Tensor, { stride = 1, padding = 'zeros' }: Conv2dOptions = {}): Tensor =>
  addNode(conv2dOp, b ? [x, w, b] : [x, w], { stride, padding });
