/** The gradient of attention. */
import { attentionBackwardTiled, attentionDelta, BACKWARD_TILE_ROWS } from '../../shaders/attention.js';
import { attentionBackwardLanes } from '../../shaders/software/attention.js';
import { groupRows } from '../../shaders/software/headLanes.js';
import { addNode, type Node, type Op, type Tensor } from '../graph/graph.js';
import { ceilDiv } from '../graph/kernel.js';
import { headConstants, headSizes, type Heads } from './launch/heads.js';

/** Inputs (dy, y), output delta [B, NH, T]. */
const deltaOp: Op<Heads> = {
  name: 'attentionDelta',
  shapes: ([dy], { heads }) => [[dy!.shape[0]!, heads, dy!.shape[1]!]],
  kernel: (node, { workgroupSize: WG }) => {
    const [B, NH, T] = node.outputs[0]!.shape as [number, number, number];
    const C = node.inputs[0]!.shape[2]!;
    const HS = C / NH;
    return { code: attentionDelta(HS), constants: { ...headConstants({ C, HS }), WG }, dims: [T], workgroups: [ceilDiv(T, WG), NH, B], flops: 2 * B * T * C };
  },
};

/** Columns per step of the tiled kernel: two tiles and the parts of the products fill at most the 16 KiB of workgroup memory that every device has. */
const tileColumns = (HS: number): number => [8, 4, 2].find((columns) => columns * (128 * Math.ceil(HS / 16) + 32 * BACKWARD_TILE_ROWS) <= 16384) ?? 1;

/** Inputs (qkv, dy, lse, delta), output dqkv. One launch for queries and keys, whose workgroups do not depend on each other. */
const backwardOp: Op<Heads> = {
  name: 'attentionBackward',
  shapes: ([qkv]) => [qkv!.shape],
  kernel: (node, { software, subgroupSize }) => {
    const sizes = headSizes('attentionBackward', node.inputs[0]!, node.attrs.heads);
    const { B, T, NH, HS } = sizes;
    const lanes = software ? subgroupSize : 0;
    return {
      code: lanes ? attentionBackwardLanes(HS, lanes) : attentionBackwardTiled(HS, tileColumns(HS)),
      constants: headConstants(sizes),
      dims: [T],
      workgroups: [ceilDiv(T, lanes ? groupRows(lanes) : BACKWARD_TILE_ROWS), NH, 2 * B],
      queued: lanes ? 1 : 0,
      flops: 14 * B * NH * T * T * HS,
    };
  },
};

/** Gradient of the qkv of an attention node with inputs (qkv) and outputs (y, lse). */
export function attentionBackward(node: Node<Heads>, dy: Tensor): Tensor {
  const [y, lse] = node.outputs as [Tensor, Tensor];
  const delta = addNode(deltaOp, [dy, y], node.attrs);
  return addNode(backwardOp, [...node.inputs, dy, lse, delta], node.attrs);
}
