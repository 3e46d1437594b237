/** Attention of the first token alone, for the last block of a ViT, of which only that row is used. */
import { attentionClsBackward, attentionClsForward, type ClsVariant } from '../../shaders/attentionCls.js';
import { addNode, type Node, type Op, type Tensor } from '../graph/graph.js';
import type { Kernel, Tuning } from '../graph/kernel.js';
import { headConstants, headSizes, type Heads } from './launch/heads.js';
import { shortRowLanes } from './launch/rows.js';

/** Launch with one workgroup per head; `flops` per element of the keys. */
function headKernel(node: Node<Heads>, tuning: Tuning, code: (variant: ClsVariant) => string, flops: number): Kernel {
  const sizes = headSizes(node.op.name, node.inputs[0]!, node.attrs.heads);
  const { B, T, C, NH, HS } = sizes;
  return { code: code({ HS, ...shortRowLanes(tuning) }), constants: headConstants(sizes), dims: [T], workgroups: [NH, B, 1], flops: flops * B * T * C };
}

/** Input qkv, outputs (y, lse). */
const attentionClsOp: Op<Heads> = {
  name: 'attentionCls',
  shapes: ([qkv], { heads }) => {
    const { B, C, NH } = headSizes('attentionCls', qkv!, heads);
    return [[B, 1, C], [B, NH, 1]];
  },
  kernel: (node, tuning) => headKernel(node, tuning, attentionClsForward, 4),
  backward: (node, [dy]) => [addNode(backwardOp, [...node.inputs, ...node.outputs, dy!], node.attrs)],
};

/** Inputs (qkv, y, lse, dy), output dqkv. */
const backwardOp: Op<Heads> = {
  name: 'attentionClsBackward',
  shapes: ([qkv]) => [qkv!.shape],
  kernel: (node, tuning) => headKernel(node, tuning, attentionClsBackward, 8),
};

/**
 * The first row of `attention(qkv, heads)`: what the first token gathers from all. qkv `[B, T, 3C]`, gives `[B, 1, C]`.
 * @throws ShapeError unless qkv has three axes and its last is a multiple of 3 heads
 */
export const attentionCls = (qkv: Tensor, heads: number): Tensor => qkv.graph.add(attentionClsOp, [qkv], { heads })[0]!;
