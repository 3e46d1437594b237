/** Attention of the first token alone, for the last block of a ViT, of which only that row is used. */
import { attentionClsBackward, attentionClsForward, type ClsVariant } from '../../shaders/attentionCls.js';
import { addNode, type Op, type Tensor } from '../graph/index.js';
import { headConstants, headSizes, type Heads } from './launch/heads.js';
import { longRowLanes } from './launch/rows.js';

/** Launch with one workgroup per head; `flops` per element of the keys. */
const headKernel = (code: (variant: ClsVariant) => string, flops: number): NonNullable<Op<Heads>['kernel']> =>
  ({ op, inputs: [qkv], attrs }, tuning) => {
    const sizes = headSizes(op.name, qkv!, attrs.heads);
    const { B, T, C, NH, HS } = sizes;
    const variant = { HS, ...longRowLanes(tuning) };
    return { code: code(variant), constants: headConstants(sizes), dims: [T], workgroups: [NH, B, 1], flops: flops * B * T * C };
  };

/** Input qkv, outputs (y, lse). */
const attentionClsOp: Op<Heads> = {
  name: 'attentionCls',
  shapes: ([qkv], { heads }) => {
    const { B, C, NH } = headSizes('attentionCls', qkv!, heads);
    return [[B, 1, C], [B, NH, 1]];
  },
  kernel: headKernel(attentionClsForward, 4),
  backward: ({ inputs, outputs, attrs }, [dy]) => [addNode(backwardOp, [...inputs, ...outputs, dy!], attrs)],
};

/** Inputs (qkv, y, lse, dy), output dqkv. */
const backwardOp: Op<Heads> = {
  name: 'attentionClsBackward',
  shapes: ([qkv]) => [qkv!.shape],
  kernel: headKernel(attentionClsBackward, 8),
};

/**
 * The first row of `attention(qkv, heads)`: what the first token gathers from all. qkv `[B, T, 3C]`, gives `[B, 1, C]`.
 * @throws ShapeError unless qkv has three axes and its last is a multiple of 3 heads
 */
export const attentionCls = (qkv: Tensor, heads: number): Tensor => addNode(attentionClsOp, [qkv], { heads });
