/** Bilinear enlargement to exactly twice the size, the generators' way up. */
import { upsample2xBackward, upsample2xForward } from '../../shaders/upsample2x.js';
import { addNode, type Op, type Tensor } from '../graph.js';
import { ceilDiv, linearGrid } from '../kernel.js';
import { expectRank } from '../shape.js';

type Upsample = Op<Record<string, never>>;

const upsample2xOp: Upsample = {
  name: 'upsample2x',
  shapes: ([x]) => {
    expectRank('upsample2x', 'x', x!.shape, 4);
    const [B, C, H, W] = x!.shape as [number, number, number, number];
    return [[B, C, 2 * H, 2 * W]];
  },
  kernel: (node, { workgroupSize: WG }) => {
    const [B, C, H, W] = node.inputs[0]!.shape as [number, number, number, number];
    const threads = B * C * (H + 1) * (W + 1);
    return { code: upsample2xForward, constants: { WG }, dims: [threads, H, W], workgroups: linearGrid(threads, WG), flops: 24 * threads };
  },
  backward: (_, [dy]) => [addNode(upsample2xBackwardOp, [dy!], {})],
};

const upsample2xBackwardOp: Upsample = {
  name: 'upsample2xBackward',
  shapes: ([dy]) => {
    const [B, C, OH, OW] = dy!.shape as [number, number, number, number];
    return [[B, C, OH / 2, OW / 2]];
  },
  kernel: (node, { workgroupSize: WG }) => {
    const [B, C, H, W] = node.outputs[0]!.shape as [number, number, number, number];
    const threads = B * C * ceilDiv(H, 2) * ceilDiv(W, 2);
    return { code: upsample2xBackward, constants: { WG }, dims: [threads, H, W], workgroups: linearGrid(threads, WG), flops: 64 * threads };
  },
  backward: (_, [dy]) => [addNode(upsample2xOp, [dy!], {})],
};

/** x [B, C, H, W] enlarged bilinearly to [B, C, 2H, 2W]: the numbers of `resize`, in one launch instead of two. */
export const upsample2x = (x: Tensor): Tensor => addNode(upsample2xOp, [x], {});
