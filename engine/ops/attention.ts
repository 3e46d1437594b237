/** Multi-head self-attention. */
import {
  attentionBackwardTiled, attentionDelta, attentionTiled, BACKWARD_TILE_ROWS, TILE_ROWS, valueParts,
} from '../../shaders/attention.js';
import { attentionBackwardPlain, attentionPlain, PLAIN_ROWS } from '../../shaders/plain/attention.js';
import { attentionBackwardLanes, attentionLanes } from '../../shaders/software/attention.js';
import { groupRows } from '../../shaders/software/headLanes.js';
import { addNode, ceilDiv, type Op, type Shape3, type Tensor } from '../graph/index.js';
import { headConstants, headSizes, type Heads } from './launch/heads.js';

/** Workgroup memory that every device has, in bytes. */
const SHARED_BYTES = 16384;

/** Columns per step of the tiled gradient, whose two tiles and parts of products are in workgroup memory. */
const tileColumns = (HS: number): number =>
  [8, 4, 2].find((columns) => columns * (128 * Math.ceil(HS / 16) + 32 * BACKWARD_TILE_ROWS) <= SHARED_BYTES) ?? 1;

/** A kernel for GPUs: the rows of a head that a workgroup has, and the workgroups that share them. */
interface Tiled {
  readonly code: (HS: number) => string;
  readonly rows: number;
  readonly parts: (HS: number) => number;
}

/**
 * The launch of an op whose first input is qkv. A workgroup does some rows of a head: with `lanesCode` those of a CPU's subgroup,
 * else those of a GPU's tile, or with `plainCode` a row a thread. `passes` over all rows, `flops` per pair of rows and element
 * of a head.
 */
const rowsKernel = (
  lanesCode: (HS: number, lanes: number) => string, tiled: Tiled, passes: number, flops: number,
  plainCode: (HS: number) => string,
): NonNullable<Op<Heads>['kernel']> => ({ op, inputs: [qkv], attrs }, { software, subgroupSize, plain }) => {
  const sizes = headSizes(op.name, qkv!, attrs.heads);
  const { B, T, NH, HS } = sizes;
  const lanes = software ? subgroupSize : 0;
  const launch = { constants: headConstants(sizes), dims: [T], flops: flops * B * NH * T * T * HS };
  if (plain) return { ...launch, code: plainCode(HS), workgroups: [ceilDiv(T, PLAIN_ROWS), NH, B] };
  return {
    ...launch,
    code: lanes ? lanesCode(HS, lanes) : tiled.code(HS),
    workgroups: [lanes ? ceilDiv(T, groupRows(lanes)) : ceilDiv(T, tiled.rows) * tiled.parts(HS), NH, passes * B],
    workgroupsPerTurn: lanes ? 1 : 0,
  };
};

/** Input qkv, outputs (y, lse). */
const attentionOp: Op<Heads> = {
  name: 'attention',
  shapes: ([qkv], { heads }) => {
    const { B, T, C, NH } = headSizes('attention', qkv!, heads);
    return [[B, T, C], [B, NH, T]];
  },
  kernel: rowsKernel(attentionLanes, { code: attentionTiled, rows: TILE_ROWS, parts: valueParts }, 1, 4, attentionPlain),
  backward: ({ inputs: [qkv], outputs: [y, lse], attrs }, [dy]) =>
    [addNode(backwardOp, [qkv!, dy!, lse!, addNode(deltaOp, [dy!, y!], attrs)], attrs)],
};

/** Inputs (dy, y), output delta [B, NH, T]. */
const deltaOp: Op<Heads> = {
  name: 'attentionDelta',
  shapes: ([dy], { heads }) => [[dy!.shape[0]!, heads, dy!.shape[1]!]],
  kernel: ({ inputs: [dy], attrs: { heads: NH } }, { workgroupSize: WG }) => {
    const [B, T, C] = dy!.shape as Shape3;
    const HS = C / NH;
    const constants = { ...headConstants({ C, HS }), WG };
    return { code: attentionDelta(HS), constants, dims: [T], workgroups: [ceilDiv(T, WG), NH, B], flops: 2 * B * T * C };
  },
};

/** Inputs (qkv, dy, lse, delta), output dqkv. One launch for queries and keys, whose workgroups do not depend on each other. */
const backwardOp: Op<Heads> = {
  name: 'attentionBackward',
  shapes: ([qkv]) => [qkv!.shape],
  kernel: rowsKernel(attentionBackwardLanes, {
    code: (HS) => attentionBackwardTiled(HS, tileColumns(HS)), rows: BACKWARD_TILE_ROWS, parts: () => 1,
  }, 2, 14, attentionBackwardPlain),
};

/**
 * softmax(q k^T / sqrt(HS)) v for each head, without the T x T matrix in memory. qkv `[B, T, 3C]` holds queries, keys and values,
 * each of `heads` heads of HS = C / heads elements (the layout of timm's and DINO's `qkv` layer). Gives `[B, T, C]`.
 * @throws ShapeError unless qkv has three axes and its last is a multiple of 3 heads
 */
export const attention = (qkv: Tensor, heads: number): Tensor => addNode(attentionOp, [qkv], { heads });
