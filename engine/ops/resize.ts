/** Image resampling with PyTorch's numbers: `F.interpolate(..., align_corners=False)`. */
import { resizeBackward, resizeForward, resizeTotals } from '../../shaders/resize.js';
import {
  addNode, ceilDiv, expectRank, f32Bits, ShapeError, showShape, sizeOf, type Op, type Shape, type Shape2, type Tensor,
  type Tuning,
} from '../graph/index.js';
import { threadLaunch } from './launch/pointwise.js';
import { normalizationConstants, normalizeOp, type Normalization } from './normalize.js';

export interface ResizeOptions {
  /** `bicubic` uses a = -0.75, or -0.5 when antialiased, as PyTorch does. */
  readonly mode: 'bilinear' | 'bicubic';
  /** Stretch the filter by the reduction, so that every input pixel counts. Default false. */
  readonly antialias?: boolean;
  /** Input pixels per output pixel, [vertical, horizontal], if not H / OH, W / OW: PyTorch's 1 / scale_factor. */
  readonly scale?: readonly [number, number];
  /** x and y are parts of larger pictures. Has no gradient. */
  readonly part?: ResizePart;
}

/** Sizes of the whole input and output, and the positions of x and y in them: [vertical, horizontal], in pixels. */
export interface ResizePart {
  readonly input: Shape2;
  readonly output: Shape2;
  readonly x: Shape2;
  readonly y: Shape2;
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
  /** The whole input's size, if x is a part of it, with the positions of x and y. */
  readonly part?: { readonly whole: number; readonly first: number; readonly start: number };
  /** Set by fusion: the output is normalised. */
  readonly normalize?: Normalization;
}

const withSize = (shape: Shape, axis: number, size: number): Shape => shape.map((n, i) => (i === axis ? size : n));

/** The last fields of `dims`. */
const places = ({ from, part: { whole, first, start } = { whole: from, first: 0, start: 0 } }: ResizeAttrs): number[] =>
  [whole, first, start];

/** A launch whose threads do three elements each, of `along` along the axis: x's or y's size. */
function launch(shape: Shape, attrs: ResizeAttrs, along: number, tuning: Tuning) {
  const { axis, from, to, step, mode, antialias } = attrs;
  const outer = sizeOf(shape.slice(0, axis));
  const inner = sizeOf(shape.slice(axis + 1));
  const threads = inner * along * ceilDiv(outer, 3); // as in `shared_rows`
  const planeRows = sizeOf(shape.slice(2, axis));
  const taps = (mode === 'bicubic' ? 4 : 2) * (antialias ? Math.max(step, 1) : 1);
  const dims = [inner, from, to, outer, planeRows, f32Bits(step), ...places(attrs)];
  return { ...threadLaunch(threads, tuning, dims), flops: Math.round(2 * outer * inner * to * taps) };
}

const resizeOp: Op<ResizeAttrs> = {
  name: 'resize',
  shapes: ([x], { axis, to }) => [withSize(x!.shape, axis, to)],
  kernel: ({ inputs: [x], attrs }, tuning) => {
    const { mode, antialias, normalize, to } = attrs;
    const { constants, ...rest } = launch(x!.shape, attrs, to, tuning);
    return {
      code: resizeForward({ bicubic: mode === 'bicubic', antialias, normalize: normalize !== undefined }),
      constants: { ...constants, ...(normalize && normalizationConstants(normalize)) },
      ...rest,
    };
  },
  backward: ({ graph, attrs }, [dy]) => {
    const totals = attrs.antialias ? graph.add(resizeTotalsOp, [], { ...attrs, axis: 0 }) : [];
    return [addNode(resizeBackwardOp, [dy!, ...totals], attrs)];
  },
  fuse: ({ inputs, attrs }, next, sole) => {
    if (!sole || next.op !== normalizeOp || attrs.normalize) return undefined;
    return { op: resizeOp, attrs: { ...attrs, normalize: next.attrs as Normalization }, inputs, outputs: next.outputs };
  },
};

/** Of a part, without a gradient. */
const resizePartOp: Op<ResizeAttrs> = { name: 'resize', shapes: resizeOp.shapes, kernel: resizeOp.kernel! };

/** -> [to]: the sums of the antialiased weights, which every line of the image shares. */
const resizeTotalsOp: Op<ResizeAttrs> = {
  name: 'resizeTotals',
  shapes: (_, { to }) => [[to]],
  kernel: ({ attrs }, tuning) => {
    const { mode, from, to, step } = attrs;
    const dims = [1, from, to, 1, 1, f32Bits(step), ...places(attrs)];
    return { code: resizeTotals({ bicubic: mode === 'bicubic' }), ...threadLaunch(to, tuning, dims) };
  },
};

/** (dy, and when antialiased the totals) -> dx */
const resizeBackwardOp: Op<ResizeAttrs> = {
  name: 'resizeBackward',
  shapes: ([dy], { axis, from }) => [withSize(dy!.shape, axis, from)],
  kernel: ({ inputs: [dy], attrs }, tuning) => {
    const { mode, antialias, from } = attrs;
    return { code: resizeBackward({ bicubic: mode === 'bicubic', antialias }), ...launch(dy!.shape, attrs, from, tuning) };
  },
  backward: ({ attrs }, [dz]) => [addNode(resizeOp, [dz!], attrs)],
};

/**
 * The pixels of an axis of `from` that `count` of its `to` outputs may read, from output `start` on: [first, end). One more than
 * needed on each side, as the device rounds otherwise.
 */
export function resizeSources(
  from: number, to: number, start: number, count: number, { mode, antialias = false }: ResizeOptions,
): [number, number] {
  const step = from / to;
  const reach = (mode === 'bicubic' ? 2 : 1) * (antialias ? Math.max(step, 1) : 1);
  const inside = (i: number): number => Math.min(Math.max(i, 0), from);
  const [first, last] = [step * (start + 0.5), step * (start + count - 0.5)];
  return [Math.min(inside(Math.floor(first - reach - 0.5)), from - 1), Math.max(inside(Math.ceil(last + reach + 0.5)), 1)];
}

/** One axis of a part. @throws ShapeError when y is not in the whole output or x lacks pixels that y needs */
function partAlong(axis: 0 | 1, from: number, to: number, options: ResizeOptions): Pick<ResizeAttrs, 'part' | 'step'> {
  const { input, output, x, y } = options.part!;
  const [whole, all, first, start] = [input[axis], output[axis], x[axis], y[axis]];
  const [least, end] = resizeSources(whole, all, start, to, options);
  if (start < 0 || start + to > all || first > least || first + from < end) {
    const both = `y has ${to} of ${all} from ${start}, x has ${from} of ${whole} from ${first}`;
    throw new ShapeError(`resize: a part needs pixels ${least} to ${end} along axis ${2 + axis}: ${both}`);
  }
  return { step: whole / all, part: { whole, first, start } };
}

/**
 * x [B, C, H, W] resampled to [B, C, OH, OW], any ratio up or down, as PyTorch's `F.interpolate(align_corners=False)`. One launch
 * per axis whose size changes; x itself when none does. For exactly twice the size `upsample2x` is faster.
 * With `part`, x and y are parts of larger pictures, and the numbers are those of the whole.
 * @throws ShapeError when x does not have four axes, a size is not a positive integer, or x lacks pixels of its part
 */
export function resize(x: Tensor, [OH, OW]: Shape2, options: ResizeOptions): Tensor {
  const { mode, antialias = false, scale, part } = options;
  expectRank('resize', 'x', x.shape, 4);
  if (scale && !scale.every((s) => s > 0)) {
    throw new ShapeError(`resize: scale must be positive: ${showShape(scale)} for ${showShape(x.shape)}`);
  }
  return [OH, OW].reduce((y, to, i) => {
    const axis = 2 + i;
    const from = x.shape[axis]!;
    if (part) {
      const along = partAlong(i as 0 | 1, from, to, options);
      return addNode(resizePartOp, [y], { axis, from, to, mode, antialias, ...along });
    }
    const step = scale?.[i] ?? from / to;
    return from === to && step === 1 ? y : addNode(resizeOp, [y], { axis, from, to, step, mode, antialias });
  }, x);
}

/**
 * [height, width] that bring the shorter side of an h x w image to `size`, the longer one to at most `longest`, rounded down
 * like torchvision's `Resize(size, max_size)`.
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
