/** Bilinear enlargement to exactly twice the size, the generators' way up. */
import { upsample2xBackward, upsample2xForward } from '../../shaders/upsample2x.js';
import { addNode, type Op, type Tensor } from '../graph.js';
import { ceilDiv, linearGrid } from '../kernel.js';
import { expectRank, ShapeError, showShape, type Shape } from '../shape.js';

/** The part of the enlarged picture that is kept, in pixels of it. */
export interface UpsampleWindow {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

const windowDims = ({ top, left, height, width }: UpsampleWindow): number[] => [top, left, height, width];

const upsample2xOp: Op<UpsampleWindow> = {
  name: 'upsample2x',
  shapes: ([x], { top, left, height, width }) => {
    expectRank('upsample2x', 'x', x!.shape, 4);
    const [B, C, H, W] = x!.shape as [number, number, number, number];
    if (top < 0 || left < 0 || top + height > 2 * H || left + width > 2 * W) {
      throw new ShapeError(`upsample2x: a window of ${height} x ${width} at ${top}, ${left} reaches beyond twice ${showShape(x!.shape)}`);
    }
    return [[B, C, height, width]];
  },
  kernel: ({ inputs: [x], attrs }, { workgroupSize: WG }) => {
    const [B, C, H, W] = x!.shape as [number, number, number, number];
    const threads = B * C * (H + 1) * (W + 1);
    const dims = [threads, H, W, ...windowDims(attrs)];
    return { code: upsample2xForward, constants: { WG }, dims, workgroups: linearGrid(threads, WG), flops: 24 * threads };
  },
  backward: ({ inputs: [x], attrs }, [dy]) => [addNode(upsample2xBackwardOp, [dy!], { ...attrs, shape: x!.shape })],
};

const upsample2xBackwardOp: Op<UpsampleWindow & { readonly shape: Shape }> = {
  name: 'upsample2xBackward',
  shapes: (_, { shape }) => [shape],
  kernel: ({ attrs }, { workgroupSize: WG }) => {
    const [B, C, H, W] = attrs.shape as [number, number, number, number];
    const threads = B * C * ceilDiv(H, 2) * ceilDiv(W, 2);
    const dims = [threads, H, W, ...windowDims(attrs)];
    return { code: upsample2xBackward, constants: { WG }, dims, workgroups: linearGrid(threads, WG), flops: 64 * threads };
  },
};

/**
 * x [B, C, H, W] enlarged bilinearly to [B, C, 2H, 2W]: the numbers of `resize`, in one launch instead of two. With a window only
 * that part of it, [B, C, height, width], whose size and place may be those of any image without a new pipeline.
 * @throws ShapeError when the window reaches beyond the enlarged picture
 */
export const upsample2x = (x: Tensor, window: UpsampleWindow = { top: 0, left: 0, height: 2 * x.shape[2]!, width: 2 * x.shape[3]! }): Tensor =>
  addNode(upsample2xOp, [x], window);
