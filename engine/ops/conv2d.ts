/** Convolution with windows 1, 3, 5 and 7, stride 1 and 2, zero and reflect padding. */
import { forwardGather, gatherTiles } from '../../shaders/conv2d.js';
import type { Added, Gather } from '../../shaders/parts/gather.js';
import { tileSize } from '../../shaders/parts/tileProduct.js';
import { gatherStrips, stripOf } from '../../shaders/software/conv2d.js';
import { addNode, type Op, type Tensor } from '../graph/graph.js';
import { ceilDiv, linearGrid, type Kernel, type Tuning } from '../graph/kernel.js';
import { expectRank, ShapeError, showShape, type Shape } from '../graph/shape.js';
import { conv2dBackwardBias, conv2dBackwardInput, conv2dBackwardWeight } from './conv2dBackward.js';

export interface Conv2dOptions {
  readonly stride?: 1 | 2;
  /** What lies beyond the border; (K - 1) / 2 pixels of it on every side. */
  readonly padding?: 'zeros' | 'reflect';
}

/** A convolution that gathers: `R` channels of `x` into `N` channels of the node's output. */
interface GatherLaunch {
  readonly gather: Gather;
  readonly x: Shape;
  readonly y: Shape;
  /** Interleaved lattices along an axis; see `Gather`. */
  readonly lattice: number;
  readonly K: number;
  /** Elements of `w` from one written channel to the next, and from one summed channel to the next. */
  readonly steps: readonly [number, number];
  /** What the third input is, if there is one. */
  readonly added: Added | undefined;
  readonly flops: number;
}

/** A 1x1 window with stride 1 does not care for rows: one long row wastes nothing at its end. */
const flatten = ([B, C, H, W]: Shape, flat: boolean): Shape => (flat ? [B!, C!, 1, H! * W!] : [B!, C!, H!, W!]);

/** The launch of a gathering convolution: forward, or backward by the input. */
export function gatherKernel({ gather, x, y, lattice, K, steps, added, flops }: GatherLaunch, { software, subgroupSize }: Tuning): Kernel {
  const flat = K === 1 && lattice === 1 && x[2] === y[2] && x[3] === y[3];
  const [B, R, XH, XW] = flatten(x, flat) as [number, number, number, number];
  const [, N, YH, YW] = flatten(y, flat) as [number, number, number, number];
  const [LH, LW] = [ceilDiv(YH, lattice), ceilDiv(YW, lattice)];
  const strip = stripOf(N);
  const strips = ceilDiv(LW, strip.pixels);
  const asStrips = software && subgroupSize > 0;
  const { TM, TN, KC } = tileSize(N);
  const [gx, gy] = asStrips ? linearGrid(B * LH * strips, subgroupSize) : linearGrid(B * LH * LW, TN);
  const rows = ceilDiv(N, asStrips ? strip.channels : TM);
  return {
    code: asStrips ? gatherStrips(gather, added, N, subgroupSize) : gatherTiles(gather, added),
    constants: asStrips ? { K } : { K, TM, TN, KC },
    dims: [B, N, R, ...steps, XH, XW, YH, YW, LH, LW, strips],
    workgroups: [gx, gy, rows * lattice ** 2],
    queued: Number(asStrips),
    flops,
  };
}

/** Multiplications and additions of the product, which all three directions share. */
export const conv2dFlops = (y: Shape, w: Shape): number => 2 * y[0]! * y[2]! * y[3]! * w.reduce((product, n) => product * n, 1);

function outputShape(inputs: readonly Tensor[], { stride, padding }: Required<Conv2dOptions>): Shape {
  const [x, w, b] = inputs.map((t) => t.shape) as [Shape, Shape, Shape?];
  expectRank('conv2d', 'x', x, 4);
  expectRank('conv2d', 'w', w, 4);
  const [B, C, H, W] = x as [number, number, number, number];
  const [O, WC, KH, KW] = w as [number, number, number, number];
  if (C !== WC) throw new ShapeError(`conv2d: channels differ: x is ${showShape(x)}, w is ${showShape(w)}`);
  if (KH !== KW || ![1, 3, 5, 7].includes(KH)) throw new ShapeError(`conv2d: the window must be 1, 3, 5 or 7 wide and high: w is ${showShape(w)}`);
  if (b && (b.length !== 1 || b[0] !== O)) throw new ShapeError(`conv2d: b must be [${O}]: b is ${showShape(b)}, w is ${showShape(w)}`);
  const pad = (KH - 1) / 2;
  if (padding === 'reflect' && Math.min(H, W) <= pad) {
    throw new ShapeError(`conv2d: too small to reflect ${pad} pixels: x is ${showShape(x)}, w is ${showShape(w)}`);
  }
  return [B, O, Math.floor((H - 1) / stride) + 1, Math.floor((W - 1) / stride) + 1];
}

const conv2dOp: Op<Required<Conv2dOptions>> = {
  name: 'conv2d',
  shapes: (inputs, attrs) => [outputShape(inputs, attrs)],
  kernel: ({ inputs, outputs, attrs: { stride, padding } }, tuning) => {
    const [x, w, b] = inputs.map((t) => t.shape) as [Shape, Shape, Shape?];
    const [, C, K] = w as [number, number, number];
    const y = outputs[0]!.shape;
    const gather = forwardGather(K, stride, padding === 'reflect');
    return gatherKernel({ gather, x, y, lattice: 1, K, steps: [C * K * K, K * K], added: b && 'bias', flops: conv2dFlops(y, w) }, tuning);
  },
  backward: ({ inputs, attrs }, [dy], needed) => {
    const [x, w] = inputs as [Tensor, Tensor];
    return [
      needed[0] ? conv2dBackwardInput(dy!, w, x.shape, attrs) : undefined,
      needed[1] ? conv2dBackwardWeight(dy!, x, w.shape, attrs) : undefined,
      needed[2] ? conv2dBackwardBias(dy!) : undefined,
    ];
  },
};

/**
 * y[b, o, i, j] = b[o] + sum over c, ky, kx of w[o, c, ky, kx] x[b, c, stride i + ky - pad, stride j + kx - pad], as PyTorch's `conv2d`
 * with pad = (K - 1) / 2. `x` is [B, C, H, W], `w` [O, C, K, K] with K 1, 3, 5 or 7, `b` [O]; the result is
 * [B, O, floor((H - 1) / stride) + 1, floor((W - 1) / stride) + 1].
 * @throws ShapeError when they do not fit, or when reflection would need more pixels than there are
 */
export function conv2d(x: Tensor, w: Tensor, b?: Tensor, { stride = 1, padding = 'zeros' }: Conv2dOptions = {}): Tensor {
  return addNode(conv2dOp, b ? [x, w, b] : [x, w], { stride, padding });
}
