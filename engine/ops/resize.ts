/** Image resampling with PyTorch's numbers: `F.interpolate(..., align_corners=False)`. */
import { resizeBackward, resizeForward, resizeTotals } from '../../shaders/resize.js';
import { addNode, type Op, type Tensor } from '../graph/graph.js';
import { ceilDiv, f32Bits, type Tuning } from '../graph/kernel.js';
import { expectRank, ShapeError, showShape, sizeOf, type Shape } from '../graph/shape.js';
import { normalizationConstants, normalizeOp, type Normalization } from './normalize.js';
import { threadLaunch } from './launch/pointwise.js';

export interface ResizeOptions {
  /** `bicubic` uses a = -0.75, or -0.5 when antialiased, as PyTorch does. */
  readonly mode: 'bilinear' | 'bicubic';
  /** Stretch the filter by the reduction, so that every input pixel counts. Default false. */
  readonly antialias?: boolean;
  /** Input pixels per output pixel, [vertical, horizontal], where it is not H / OH, W / OW: PyTorch's 1 / scale_factor. */
  readonly scale?: readonly [number, number];
}

interface ResizeAttrs {
  readonly axis: number;
  /** Sizes of x and y along the axis. */
  readonly from: number;
  readonly to: number;
  /** Input pixels per output pixel. */
  readonly step: number;
  readonly mode: ResizeOptions['mode'];
  readonly antialias: boolean;
  /** Set by fusion: what is written is normalised. */
  readonly normalize?: Normalization;
}

const withSize = (shape: Shape, axis: number, size: number): Shape => shape.map((n, i) => (i === axis ? size : n));

/** Grid, dims and work of a launch whose threads each own three elements of `along`, x's or y's size along the axis. */
function launch(shape: Shape, { axis, from, to, step, mode, antialias }: ResizeAttrs, along: number, tuning: Tuning) {
  const outer = sizeOf(shape.slice(0, axis));
  const inner = sizeOf(shape.slice(axis + 1));
  const threads = inner * along * ceilDiv(outer, 3); // as in `shared_rows`
  const planeRows = sizeOf(shape.slice(2, axis));
  const taps = (mode === 'bicubic' ? 4 : 2) * (antialias ? Math.max(step, 1) : 1);
  return {
    dims: [threads, inner, from, to, outer, planeRows, f32Bits(step)],
    ...threadLaunch(threads, tuning),
    flops: Math.round(2 * outer * inner * to * taps),
  };
}

const resizeOp: Op<ResizeAttrs> = {
  name: 'resize',
  shapes: ([x], { axis, to }) => [withSize(x!.shape, axis, to)],
  kernel: (node, tuning) => {
    const { mode, antialias, normalize: normalization } = node.attrs;
    const { constants, ...rest } = launch(node.inputs[0]!.shape, node.attrs, node.attrs.to, tuning);
    return {
      code: resizeForward({ bicubic: mode === 'bicubic', antialias, normalize: normalization !== undefined }),
      constants: { ...constants, ...(normalization && normalizationConstants(normalization)) },
      ...rest,
    };
  },
  backward: (node, [dy]) => {
    const { attrs } = node;
    const totals = attrs.antialias ? node.graph.add(resizeTotalsOp, [], { ...attrs, axis: 0 }) : [];
    return [addNode(resizeBackwardOp, [dy!, ...totals], attrs)];
  },
  fuse: (node, next, sole) => {
    if (!sole || next.op !== normalizeOp || node.attrs.normalize) return undefined;
    return { op: resizeOp, attrs: { ...node.attrs, normalize: next.attrs as Normalization }, inputs: node.inputs, outputs: next.outputs };
  },
};

/** -> [to]: the sums of the antialiased weights, which every line of the image shares. */
const resizeTotalsOp: Op<ResizeAttrs> = {
  name: 'resizeTotals',
  shapes: (_, { to }) => [[to]],
  kernel: (node, tuning) => {
    const { mode, from, to, step } = node.attrs;
    const dims = [to, 1, from, to, 1, 1, f32Bits(step)];
    return { code: resizeTotals({ bicubic: mode === 'bicubic' }), dims, ...threadLaunch(to, tuning) };
  },
};

/** (dy, and when antialiased the totals) -> dx */
const resizeBackwardOp: Op<ResizeAttrs> = {
  name: 'resizeBackward',
  shapes: ([dy], { axis, from }) => [withSize(dy!.shape, axis, from)],
  kernel: (node, tuning) => {
    const { mode, antialias, from } = node.attrs;
    return { code: resizeBackward({ bicubic: mode === 'bicubic', antialias }), ...launch(node.inputs[0]!.shape, node.attrs, from, tuning) };
  },
  backward: (node, [dy]) => [addNode(resizeOp, [dy!], node.attrs)],
};

/**
 * x [B, C, H, W] resampled to [B, C, OH, OW], any ratio up or down, as PyTorch's `F.interpolate(align_corners=False)`. One launch per
 * axis whose size changes; x itself when none does. For exactly twice the size `upsample2x` is faster.
 * @throws ShapeError when x has not four axes or a size is no positive integer
 */
export function resize(x: Tensor, [OH, OW]: readonly [number, number], { mode, antialias = false, scale }: ResizeOptions): Tensor {
  expectRank('resize', 'x', x.shape, 4);
  if (scale && !scale.every((s) => s > 0)) throw new ShapeError(`resize: scale must be positive: ${showShape(scale)} for ${showShape(x.shape)}`);
  return [OH, OW].reduce((y, to, i) => {
    const axis = 2 + i;
    const from = x.shape[axis]!;
    const step = scale?.[i] ?? from / to;
    return from === to && step === 1 ? y : addNode(resizeOp, [y], { axis, from, to, step, mode, antialias });
  }, x);
}

/**
 * [height, width] that bring the shorter side of an h x w image to `size`, the longer one to at most `longest`, rounded down as
 * torchvision's `Resize(size, max_size)` does.
 */
export function shorterSideSize(h: number, w: number, size: number, longest?: number): [number, number] {
  let short = size;
  let long = Math.trunc((size * Math.max(h, w)) / Math.min(h, w));
  if (longest !== undefined && long > longest) {
    short = Math.trunc((longest * short) / long);
    long = longest;
  }
  return h <= w ? [short, long] : [long, short];
}
