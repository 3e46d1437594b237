/** Multi-head self-attention. */
import { attentionTiled, TILE_ROWS } from '../../shaders/attention.js';
import { attentionLanes } from '../../shaders/software/attention.js';
import { groupRows } from '../../shaders/software/headLanes.js';
import type { Op, Tensor } from '../graph/graph.js';
import { ceilDiv } from '../graph/kernel.js';
import { attentionBackward } from './attentionBackward.js';
import { headConstants, headSizes, type Heads } from './launch/heads.js';

/** Keys per step of the tiled kernel: keys, values and scores fill at most the 16 KiB of workgroup memory that every device has. */
const tileKeys = (HS: number): number => [16, 8, 4, 2].find((keys) => keys * (32 * Math.ceil(HS / 4) + 4 * TILE_ROWS) <= 16384) ?? 1;

/** Input qkv, outputs (y, lse). */
const attentionOp: Op<Heads> = {
  name: 'attention',
  shapes: ([qkv], { heads }) => {
    const { B, T, C, NH } = headSizes('attention', qkv!, heads);
    return [[B, T, C], [B, NH, T]];
  },
  kernel: (node, { software, subgroupSize }) => {
    const sizes = headSizes('attention', node.inputs[0]!, node.attrs.heads);
    const { B, T, NH, HS } = sizes;
    const lanes = software ? subgroupSize : 0;
    return {
      code: lanes ? attentionLanes(HS, lanes) : attentionTiled(HS, tileKeys(HS)),
      constants: headConstants(sizes),
      dims: [T],
      workgroups: [ceilDiv(T, lanes ? groupRows(lanes) : TILE_ROWS), NH, B],
      queued: lanes ? 1 : 0,
      flops: 4 * B * NH * T * T * HS,
    };
  },
  backward: (node, [dy]) => [attentionBackward(node, dy!)],
};

/**
 * softmax(q k^T / sqrt(HS)) v for each head, without the T x T matrix in memory. qkv `[B, T, 3C]` holds queries, keys and values side by side, each
 * of `heads` heads of HS = C / heads elements (the layout of timm's and DINO's `qkv` layer). Gives `[B, T, C]`.
 * @throws ShapeError unless qkv has three axes and its last is a multiple of 3 heads
 */
export const attention = (qkv: Tensor, heads: number): Tensor => qkv.graph.add(attentionOp, [qkv], { heads })[0]!;
