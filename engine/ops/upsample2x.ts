/** Bilinear enlargement to exactly twice the size, used by the generators' decoders. */
import { upsample2xBackward, upsample2xForward } from '../../shaders/upsample2x.js';
import {
  addNode, ceilDiv, expectRank, ShapeError, showShape, sizeOf, type Op, type Shape, type Shape4, type Tensor,
} from '../graph/index.js';
import { concatOp } from './concat.js';
import { threadLaunch } from './launch/pointwise.js';
import { channelSlice } from './window.js';

/** The part of the enlarged picture that is kept, in pixels of it. */
export interface UpsampleWindow {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** The place of the enlarged planes in their tensor: from plane `first` on, of `planes` per image. */
interface Planes {
  readonly first: number;
  readonly planes: number;
}

/** Fields of `dims` after the number of threads, for a small picture of shape [B, C, H, W]. */
const dimsOf = ([, C, H, W]: Shape, { top, left, height, width, first, planes }: UpsampleWindow & Planes, copies = 0): number[] =>
  [H!, W!, top, left, height, width, C!, first, planes, copies];

/** Threads of the forward kernel, one for each four inputs that are neighbours; edges repeat. */
const forwardThreads = ([B, C, H, W]: Shape): number => B! * C! * (H! + 1) * (W! + 1);

const upsample2xOp: Op<UpsampleWindow> = {
  name: 'upsample2x',
  cheap: true,
  shapes: ([x], { top, left, height, width }) => {
    expectRank('upsample2x', 'x', x!.shape, 4);
    const [B, C, H, W] = x!.shape as Shape4;
    if (top >= 0 && left >= 0 && top + height <= 2 * H && left + width <= 2 * W) return [[B, C, height, width]];
    const window = `a window of ${height} x ${width} at ${top}, ${left}`;
    throw new ShapeError(`upsample2x: ${window} reaches beyond twice ${showShape(x!.shape)}`);
  },
  kernel: ({ inputs: [x], attrs }, tuning) => {
    const threads = forwardThreads(x!.shape);
    const dims = dimsOf(x!.shape, { ...attrs, first: 0, planes: x!.shape[1]! });
    return { code: upsample2xForward(false), ...threadLaunch(threads, tuning, dims), flops: 24 * threads };
  },
  // The gradient of a `concat` slices dy; the backward kernel reads the slice's channels from the whole.
  backward: ({ inputs: [x], attrs }, [dy]) => {
    const { whole, first } = channelSlice(dy!) ?? { whole: dy!, first: 0 };
    return [addNode(upsample2xBackwardOp, [whole], { ...attrs, shape: x!.shape, first, planes: whole.shape[1]! })];
  },
  fuse: ({ inputs, outputs, attrs }, next, sole) => {
    const [side, large] = next.inputs;
    const joins = next.op === concatOp && (next.attrs as { axis: number }).axis === 1 && next.inputs.length === 2;
    if (!joins || !sole || large !== outputs[0] || side === large) return undefined;
    return { op: upsample2xJoinOp, attrs, inputs: [...inputs, side!], outputs: next.outputs };
  },
};

/** Inputs (x, side): side's planes, then x enlarged, as `concat([side, upsample2x(x)], 1)`. */
const upsample2xJoinOp: Op<UpsampleWindow> = {
  name: 'upsample2xJoin',
  shapes: ([x, side]) => [[side!.shape[0]!, side!.shape[1]! + x!.shape[1]!, ...side!.shape.slice(2)]],
  kernel: ({ inputs: [x, side], attrs }, tuning) => {
    const [threads, copies, first] = [forwardThreads(x!.shape), sizeOf(side!.shape), side!.shape[1]!];
    const dims = [threads, ...dimsOf(x!.shape, { ...attrs, first, planes: first + x!.shape[1]! }, copies)];
    return { code: upsample2xForward(true), ...threadLaunch(threads + copies, tuning), dims, flops: 24 * threads };
  },
};

/** Input dy, of which it reads the planes that `Planes` describes; output dx of `shape`. */
const upsample2xBackwardOp: Op<UpsampleWindow & Planes & { readonly shape: Shape }> = {
  name: 'upsample2xBackward',
  shapes: (_, { shape }) => [shape],
  kernel: ({ attrs }, tuning) => {
    const [B, C, H, W] = attrs.shape as Shape4;
    const threads = B * C * ceilDiv(H, 2) * ceilDiv(W, 2);
    return { code: upsample2xBackward, ...threadLaunch(threads, tuning, dimsOf(attrs.shape, attrs)), flops: 64 * threads };
  },
};

/**
 * x [B, C, H, W] enlarged bilinearly to [B, C, 2H, 2W]: the numbers of `resize`, in one launch instead of two. With a window
 * only that part, [B, C, height, width], by the same pipeline. The same launch does a `concat([side, y], 1)` that follows.
 * @throws ShapeError when the window reaches beyond the enlarged picture
 */
export const upsample2x = (
  x: Tensor, window: UpsampleWindow = { top: 0, left: 0, height: 2 * x.shape[2]!, width: 2 * x.shape[3]! },
): Tensor => addNode(upsample2xOp, [x], window);
