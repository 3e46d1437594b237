/** Bilinear enlargement to exactly twice the size, the generators' way up. */
import { upsample2xBackward, upsample2xForward } from '../../shaders/upsample2x.js';
import { addNode, type Op, type Tensor } from '../graph/graph.js';
import { ceilDiv } from '../graph/kernel.js';
import { expectRank, ShapeError, showShape, sizeOf, type Shape } from '../graph/shape.js';
import { threadLaunch } from './launch/pointwise.js';

/** The part of the enlarged picture that is kept, in pixels of it. */
export interface UpsampleWindow {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** Where the planes of the enlarged picture lie: behind the first so many of so many. */
export interface Among {
  readonly first: number;
  readonly planes: number;
}

/** `dims` for a small picture of shape [B, C, H, W]. */
const dimsOf = (threads: number, [, C, H, W]: Shape, { top, left, height, width }: UpsampleWindow, { first, planes }: Among, copies = 0): number[] =>
  [threads, H!, W!, top, left, height, width, C!, first, planes, copies];

/** Threads of the forward kernel, which stand between the inputs. */
const forwardThreads = ([B, C, H, W]: Shape): number => B! * C! * (H! + 1) * (W! + 1);

const upsample2xOp: Op<UpsampleWindow> = {
  name: 'upsample2x',
  cheap: true,
  shapes: ([x], { top, left, height, width }) => {
    expectRank('upsample2x', 'x', x!.shape, 4);
    const [B, C, H, W] = x!.shape as [number, number, number, number];
    if (top < 0 || left < 0 || top + height > 2 * H || left + width > 2 * W) {
      throw new ShapeError(`upsample2x: a window of ${height} x ${width} at ${top}, ${left} reaches beyond twice ${showShape(x!.shape)}`);
    }
    return [[B, C, height, width]];
  },
  kernel: ({ inputs: [x], attrs }, tuning) => {
    const threads = forwardThreads(x!.shape);
    const dims = dimsOf(threads, x!.shape, attrs, { first: 0, planes: x!.shape[1]! });
    return { code: upsample2xForward(false), dims, ...threadLaunch(threads, tuning), flops: 24 * threads };
  },
  backward: ({ inputs: [x], attrs }, [dy]) => [addNode(upsample2xBackwardOp, [dy!], { ...attrs, shape: x!.shape })],
  fuse: (node, next, sole) => {
    const [side, large] = next.inputs;
    const joins = next.op.name === 'concat' && (next.attrs as { axis: number }).axis === 1 && next.inputs.length === 2;
    if (!joins || !sole || large !== node.outputs[0] || side === large) return undefined;
    return { op: upsample2xJoinOp, attrs: node.attrs, inputs: [...node.inputs, side!], outputs: next.outputs };
  },
};

/** Inputs (x, side): side's planes, then x enlarged, as `concat([side, upsample2x(x)], 1)`. */
const upsample2xJoinOp: Op<UpsampleWindow> = {
  name: 'upsample2xJoin',
  shapes: ([x, side]) => [[side!.shape[0]!, side!.shape[1]! + x!.shape[1]!, ...side!.shape.slice(2)]],
  kernel: ({ inputs: [x, side], attrs }, tuning) => {
    const [threads, copies, first] = [forwardThreads(x!.shape), sizeOf(side!.shape), side!.shape[1]!];
    const dims = dimsOf(threads, x!.shape, attrs, { first, planes: first + x!.shape[1]! }, copies);
    return { code: upsample2xForward(true), dims, ...threadLaunch(threads + copies, tuning), flops: 24 * threads };
  },
};

/** `among` is set where a slice of dy was fused: the planes it takes. */
const upsample2xBackwardOp: Op<UpsampleWindow & { readonly shape: Shape; readonly among?: Among }> = {
  name: 'upsample2xBackward',
  shapes: (_, { shape }) => [shape],
  kernel: ({ attrs }, tuning) => {
    const { shape, among = { first: 0, planes: shape[1]! } } = attrs;
    const [B, C, H, W] = shape as [number, number, number, number];
    const threads = B * C * ceilDiv(H, 2) * ceilDiv(W, 2);
    return { code: upsample2xBackward, dims: dimsOf(threads, shape, attrs, among), ...threadLaunch(threads, tuning), flops: 64 * threads };
  },
};

/**
 * x [B, C, H, W] enlarged bilinearly to [B, C, 2H, 2W]: the numbers of `resize`, in one launch instead of two. With a window only
 * that part of it, [B, C, height, width], whose size and place may be those of any image without a new pipeline. A following `concat([side, y], 1)`
 * is done in the same launch.
 * @throws ShapeError when the window reaches beyond the enlarged picture
 */
export const upsample2x = (x: Tensor, window: UpsampleWindow = { top: 0, left: 0, height: 2 * x.shape[2]!, width: 2 * x.shape[3]! }): Tensor =>
  addNode(upsample2xOp, [x], window);
