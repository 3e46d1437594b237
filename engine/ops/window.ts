/** Parts of tensors and paddings: slice, crop, pad, flip and a crop that moves from step to step. */
import { windowBackwardReflect, windowForward } from '../../shaders/window.js';
import { addNode, type Op, type Tensor } from '../graph/graph.js';
import { expectRank, expectSame, ShapeError, showShape, sizeOf, type Shape } from '../graph/shape.js';
import { threadLaunch } from './launch/pointwise.js';
import { ALIGNMENT } from './view.js';

interface WindowAttrs {
  /** Sizes of a plane of x; all axes before it are planes. */
  readonly plane: readonly [height: number, width: number];
  /** Sizes of a plane of y. */
  readonly size: readonly [height: number, width: number];
  /** Where y's first row and column lie in x; may be negative. */
  readonly top: number;
  readonly left: number;
  readonly flip: boolean;
  readonly reflect: boolean;
  /** Shape of y. */
  readonly shape: Shape;
}

/** Fields of `Dims`; negative numbers as the two's complement that an i32 field reads. */
const dimsOf = (count: number, { plane, size, top, left, flip }: WindowAttrs): number[] =>
  [count, ...plane, ...size, top >>> 0, left >>> 0, Number(flip)];

const windowOp: Op<WindowAttrs> = {
  name: 'window',
  shapes: (_, { shape }) => [shape],
  kernel: (node, tuning) => {
    const N = sizeOf(node.attrs.shape);
    const code = windowForward({ reflect: node.attrs.reflect, moving: false });
    return { code, dims: dimsOf(N, node.attrs), ...threadLaunch(N, tuning) };
  },
  backward: (node, [dy]) => {
    const { plane, size, top, left, flip, reflect } = node.attrs;
    const { shape } = node.inputs[0]!;
    if (reflect) return [addNode(windowBackwardOp, [dy!], { ...node.attrs, shape })];
    // The same window seen from y; columns of a flipped one count from its right edge.
    const back = { plane: size, size: plane, top: -top, left: flip ? size[1] - plane[1] + left : -left, flip, reflect, shape };
    return [addNode(windowOp, [dy!], back)];
  },
  // The gradient of an enlargement reads its planes from where they lie.
  fuse: (node, next, sole) => {
    const { plane, size, top: first, left, flip } = node.attrs;
    const x = node.inputs[0]!;
    const takesChannels = x.shape.length === 4 && plane[0] === x.shape[1] && plane[1] === size[1] && left === 0 && !flip;
    if (!sole || !takesChannels || next.op.name !== 'upsample2xBackward') return undefined;
    return { op: next.op, attrs: { ...(next.attrs as object), among: { first, planes: plane[0] } }, inputs: [x], outputs: next.outputs };
  },
};

/** Elements of x along an axis before which all sizes are 1: they lie together in x's memory, from `offset` on. */
const sectionOp: Op<{ readonly shape: Shape; readonly offset: number; readonly count: number }> = {
  name: 'section',
  memory: 'view',
  shapes: (_, { shape }) => [shape],
  backward: ({ inputs: [x], attrs: { offset, count } }, [dy]) => {
    const inner = sizeOf(dy!.shape) / count;
    const plane: [number, number] = [count, inner];
    const size: [number, number] = [sizeOf(x!.shape) / inner, inner];
    return [addNode(windowOp, [dy!], { plane, size, top: -offset / inner, left: 0, flip: false, reflect: false, shape: x!.shape })];
  },
};

/** Gradient of a mirrored window; `attrs` are the forward's but for `shape`, which is x's. */
const windowBackwardOp: Op<WindowAttrs> = {
  name: 'windowBackward',
  shapes: (_, { shape }) => [shape],
  kernel: (node, tuning) => {
    const N = sizeOf(node.attrs.shape);
    return { code: windowBackwardReflect, dims: dimsOf(N, node.attrs), ...threadLaunch(N, tuning), flops: 9 * N };
  },
};

/** Elements start <= i < end of x along `axis`; no launch where they lie at the front of x's memory, or along its first axis from a multiple of 64 elements on. @throws ShapeError when they are not inside x */
export function slice(x: Tensor, axis: number, start: number, end: number): Tensor {
  const n = x.shape[axis];
  if (n === undefined || start < 0 || end > n || start >= end) {
    throw new ShapeError(`slice: ${start} to ${end} of axis ${axis} is not inside x: ${showShape(x.shape)}`);
  }
  const inner = sizeOf(x.shape.slice(axis + 1));
  const shape = x.shape.map((size, i) => (i === axis ? end - start : size));
  const offset = start * inner;
  const isBindable = offset === 0 || (axis === 0 && x.dtype === 'f32' && offset % ALIGNMENT === 0);
  if (isBindable && sizeOf(x.shape.slice(0, axis)) === 1) return addNode(sectionOp, [x], { shape, offset, count: end - start });
  return addNode(windowOp, [x], { plane: [n, inner], size: [end - start, inner], top: start, left: 0, flip: false, reflect: false, shape });
}

/** Height and width of x [B, C, H, W]. */
function planeOf(who: string, x: Tensor): [number, number] {
  expectRank(who, 'x', x.shape, 4);
  return [x.shape[2]!, x.shape[3]!];
}

/**
 * x [B, C, H, W] with borders [left, right, top, bottom] added, as `F.pad`: of zeros, or x mirrored without repeating its edge.
 * A negative border cuts that many rows or columns off.
 * @throws ShapeError when nothing is left, or a mirrored border is not smaller than x
 */
export function pad(x: Tensor, [left, right, top, bottom]: readonly [number, number, number, number], mode: 'zeros' | 'reflect'): Tensor {
  const plane = planeOf('pad', x);
  const [H, W] = plane;
  const reflect = mode === 'reflect';
  if (reflect && (Math.max(left, right) >= W || Math.max(top, bottom) >= H)) {
    throw new ShapeError(`pad: mirrored borders must be smaller than x: ${showShape([left, right, top, bottom])} on ${showShape(x.shape)}`);
  }
  const size: [number, number] = [H + top + bottom, W + left + right];
  return addNode(windowOp, [x], { plane, size, top: -top, left: -left, flip: false, reflect, shape: [...x.shape.slice(0, 2), ...size] });
}

/** Rows top <= i < top + h and columns left <= j < left + w of x [B, C, H, W]. @throws ShapeError when they are not inside x */
export function crop(x: Tensor, top: number, left: number, h: number, w: number): Tensor {
  const [H, W] = planeOf('crop', x);
  if (top < 0 || left < 0 || top + h > H || left + w > W) {
    throw new ShapeError(`crop: ${h}x${w} at row ${top}, column ${left} is not inside x: ${showShape(x.shape)}`);
  }
  return pad(x, [-left, left + w - W, -top, top + h - H], 'zeros');
}

/** x mirrored along its last axis: left becomes right. */
export function flip(x: Tensor): Tensor {
  const W = x.shape.at(-1) ?? 1;
  const plane: [number, number] = [sizeOf(x.shape) / W, W];
  return addNode(windowOp, [x], { plane, size: plane, top: 0, left: 0, flip: true, reflect: false, shape: x.shape });
}

const cropAtOp: Op<{ readonly h: number; readonly w: number }> = {
  name: 'cropAt',
  shapes: ([x, at], { h, w }) => {
    const [H, W] = planeOf('cropAt', x!);
    expectSame('cropAt', '`at` holds top, left and flip', at!.shape, [3]);
    if (h > H || w > W) throw new ShapeError(`cropAt: ${h}x${w} is larger than x: ${showShape(x!.shape)}`);
    return [[...x!.shape.slice(0, 2), h, w]];
  },
  kernel: (node, tuning) => {
    const [x, shape] = [node.inputs[0]!, node.outputs[0]!.shape];
    const { h, w } = node.attrs;
    const attrs: WindowAttrs = { plane: planeOf('cropAt', x), size: [h, w], top: 0, left: 0, flip: false, reflect: false, shape };
    const N = sizeOf(shape);
    return { code: windowForward({ reflect: false, moving: true }), dims: dimsOf(N, attrs), ...threadLaunch(N, tuning) };
  },
};

/**
 * The h x w part of x [B, C, H, W] at a place that changes from step to step: `at` [3] holds the top row, the left column (whole numbers)
 * and 1 to mirror the part, else 0. What lies outside x reads as zero. Has no gradient.
 */
export const cropAt = (x: Tensor, at: Tensor, h: number, w: number): Tensor => addNode(cropAtOp, [x, at], { h, w });
