/** Parts of tensors and paddings: slice, crop, pad, flip and a crop that moves from step to step. */
import { windowBackwardReflect, windowForward } from '../../shaders/window.js';
import {
  addNode, expectRank, expectSame, ShapeError, showShape, sizeOf, type Op, type Shape, type Shape2, type Tensor,
} from '../graph/index.js';
import { threadLaunch } from './launch/pointwise.js';
import { ALIGNMENT } from './view.js';

interface WindowAttrs {
  /** Height and width of a plane of x; all axes before it are planes. */
  readonly plane: Shape2;
  /** Height and width of a plane of y. */
  readonly size: Shape2;
  /** The position in x of y's first row and column; may be negative. */
  readonly top: number;
  readonly left: number;
  readonly flip: boolean;
  readonly reflect: boolean;
  /** Shape of y. */
  readonly shape: Shape;
}

/** A window that starts at the first row and column, and is neither flipped nor reflected. */
const plain = { top: 0, left: 0, flip: false, reflect: false };

/** Fields of `dims` after the number of threads; negative numbers as the two's complement that an i32 field reads. */
const dimsOf = ({ plane, size, top, left, flip }: WindowAttrs): number[] =>
  [...plane, ...size, top >>> 0, left >>> 0, Number(flip)];

const windowOp: Op<WindowAttrs> = {
  name: 'window',
  shapes: (_, { shape }) => [shape],
  kernel: ({ attrs }, tuning) => {
    const code = windowForward({ reflect: attrs.reflect, moving: false });
    return { code, ...threadLaunch(sizeOf(attrs.shape), tuning, dimsOf(attrs)) };
  },
  backward: ({ inputs: [x], attrs }, [dy]) => {
    const { shape } = x!;
    const { plane, size, top, left, flip, reflect } = attrs;
    if (reflect) return [addNode(windowBackwardOp, [dy!], { ...attrs, shape })];
    // The same window seen from y; columns of a flipped one count from its right edge.
    const back = { plane: size, size: plane, top: -top, left: flip ? size[1] - plane[1] + left : -left, flip, reflect, shape };
    return [addNode(windowOp, [dy!], back)];
  },
};

/** If `t` is a slice of channels that copies: the whole [B, C, H, W] and its first channel. For ops that absorb it. */
export function channelSlice({ node: { op, inputs: [x], attrs } }: Tensor): { whole: Tensor; first: number } | undefined {
  if (op !== windowOp || x!.shape.length !== 4) return undefined;
  const { plane: [channels, inner], size, top: first, left, flip } = attrs as WindowAttrs;
  const isChannels = channels === x!.shape[1] && inner === sizeOf(x!.shape.slice(2)) && inner === size[1] && left === 0 && !flip;
  return isChannels && first >= 0 && first + size[0] <= channels ? { whole: x!, first } : undefined;
}

/** A part along an axis before which all sizes are 1, hence of x's memory: `count` along the axis, from element `offset` on. */
const sectionOp: Op<{ readonly shape: Shape; readonly offset: number; readonly count: number }> = {
  name: 'section',
  memory: 'view',
  shapes: (_, { shape }) => [shape],
  backward: ({ inputs: [x], attrs: { offset, count } }, [dy]) => {
    const { shape } = x!;
    const inner = sizeOf(dy!.shape) / count;
    const size: Shape2 = [sizeOf(shape) / inner, inner];
    return [addNode(windowOp, [dy!], { ...plain, plane: [count, inner], size, top: -offset / inner, shape })];
  },
};

/** Gradient of a mirrored window; `attrs` are the forward's except `shape`, which is x's. */
const windowBackwardOp: Op<WindowAttrs> = {
  name: 'windowBackward',
  shapes: (_, { shape }) => [shape],
  kernel: ({ attrs }, tuning) => {
    const N = sizeOf(attrs.shape);
    return { code: windowBackwardReflect, ...threadLaunch(N, tuning, dimsOf(attrs)), flops: 9 * N };
  },
};

/**
 * Elements start <= i < end of x along `axis`. Without a launch if they are at the front of x's memory, or along its first axis
 * from a multiple of 64 elements on. @throws ShapeError when they are not inside x
 */
export function slice(x: Tensor, axis: number, start: number, end: number): Tensor {
  const n = x.shape[axis];
  if (n === undefined || start < 0 || end > n || start >= end) {
    throw new ShapeError(`slice: ${start} to ${end} of axis ${axis} is not inside x: ${showShape(x.shape)}`);
  }
  const inner = sizeOf(x.shape.slice(axis + 1));
  const [offset, count] = [start * inner, end - start];
  const shape = x.shape.map((size, i) => (i === axis ? count : size));
  const isBindable = offset === 0 || (axis === 0 && x.dtype === 'f32' && offset % ALIGNMENT === 0);
  if (isBindable && sizeOf(x.shape.slice(0, axis)) === 1) return addNode(sectionOp, [x], { shape, offset, count });
  return addNode(windowOp, [x], { ...plain, plane: [n, inner], size: [count, inner], top: start, shape });
}

/** Height and width of x [B, C, H, W]. @throws ShapeError unless x has four axes */
function planeOf(who: string, x: Tensor): Shape2 {
  expectRank(who, 'x', x.shape, 4);
  return x.shape.slice(2) as [number, number];
}

/**
 * x [B, C, H, W] with borders [left, right, top, bottom] added, as `F.pad`: of zeros, or x mirrored without repeating its edge.
 * A negative border cuts that many rows or columns off.
 * @throws ShapeError when nothing is left, or a mirrored border is not smaller than x
 */
export function pad(
  x: Tensor, [left, right, top, bottom]: readonly [number, number, number, number], mode: 'zeros' | 'reflect',
): Tensor {
  const plane = planeOf('pad', x);
  const [H, W] = plane;
  const reflect = mode === 'reflect';
  if (reflect && (Math.max(left, right) >= W || Math.max(top, bottom) >= H)) {
    const borders = showShape([left, right, top, bottom]);
    throw new ShapeError(`pad: mirrored borders must be smaller than x: ${borders} on ${showShape(x.shape)}`);
  }
  const size: Shape2 = [H + top + bottom, W + left + right];
  const shape = [...x.shape.slice(0, 2), ...size];
  return addNode(windowOp, [x], { plane, size, top: -top, left: -left, flip: false, reflect, shape });
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
  const plane: Shape2 = [sizeOf(x.shape) / W, W];
  return addNode(windowOp, [x], { ...plain, plane, size: plane, flip: true, shape: x.shape });
}

const cropAtOp: Op<{ readonly h: number; readonly w: number }> = {
  name: 'cropAt',
  shapes: ([x, at], { h, w }) => {
    const [H, W] = planeOf('cropAt', x!);
    expectSame('cropAt', '`at` holds top, left and flip', at!.shape, [3]);
    if (h > H || w > W) throw new ShapeError(`cropAt: ${h}x${w} is larger than x: ${showShape(x!.shape)}`);
    return [[...x!.shape.slice(0, 2), h, w]];
  },
  kernel: ({ inputs: [x], outputs: [y], attrs: { h, w } }, tuning) => {
    const dims = dimsOf({ ...plain, plane: planeOf('cropAt', x!), size: [h, w], shape: y!.shape });
    return { code: windowForward({ reflect: false, moving: true }), ...threadLaunch(sizeOf(y!.shape), tuning, dims) };
  },
};

/**
 * The h x w part of x [B, C, H, W] at a position that changes from step to step: `at` [3] holds the top row, the left column
 * (whole numbers) and 1 to mirror the part, else 0. Pixels outside x are zero. Has no gradient.
 * @throws ShapeError when the part is larger than x, or `at` is not [3]
 */
export const cropAt = (x: Tensor, at: Tensor, h: number, w: number): Tensor => addNode(cropAtOp, [x, at], { h, w });
