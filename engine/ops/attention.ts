/** Multi-head self-attention. */
import { attentionDelta, attentionTiled, TILE_ROWS, valueParts } from '../../shaders/attention.js';
import {
  attentionBackwardSum, attentionBackwardTiled, chunksOf, gradientShares, TILE_TOKENS,
} from '../../shaders/attentionBackward.js';
import { attentionBackwardPlain, attentionPartsPlain, attentionPlain, PLAIN_ROWS } from '../../shaders/plain/attention.js';
import { attentionBackwardLanes, attentionLanes } from '../../shaders/software/attention.js';
import type { MatrixUnits } from '../../shaders/units/usable.js';
import { attendsBackOnUnits, attentionBackwardUnits } from '../../shaders/units/attentionBackward.js';
import { attendsOnUnits, attentionUnits, UNIT_QUERIES } from '../../shaders/units/attention.js';
import { groupRows } from '../../shaders/software/headLanes.js';
import {
  addNode, ceilDiv, sizeOf, type Node, type Op, type PlainOp, type Shape, type Shape3, type Shape4, type Tensor, type Tuning,
} from '../graph/index.js';
import { headConstants, headSizes, type Heads } from './launch/heads.js';
import { threadLaunch } from './launch/pointwise.js';

/** Elements that the parts of a gradient of queries may have: as many as a device with WebGPU's least limits binds. */
const MOST_PART_ELEMENTS = 2 ** 25;

/** Parts that the gradient of queries `[B, T, C]` is the sum of: one for each tile of keys, if memory suffices. */
function gradientParts([B, T, width]: Shape): number {
  const tiles = ceilDiv(T!, TILE_TOKENS);
  const most = Math.max(1, Math.floor(MOST_PART_ELEMENTS / (B! * T! * (width! / 3))));
  return ceilDiv(tiles, ceilDiv(tiles, most));
}

/** The launch of an op whose first input is qkv, apart from its grid; `flops` per pair of rows and element of a head. */
function headLaunch<A extends Heads>({ op, inputs: [qkv], attrs }: Node<A>, flops: number) {
  const sizes = headSizes(op.name, qkv!, attrs.heads);
  const { B, T, NH, HS } = sizes;
  const launch = { constants: headConstants(sizes), dims: [T], flops: flops * B * NH * T * T * HS };
  return { launch, sizes, plainGrid: [ceilDiv(T, PLAIN_ROWS), NH, B] as const };
}

/** The device's matrix units if they compute attention: those of f16 round operands, so only what is stored that way. */
function unitsFor({ units }: Tuning, qkv: Tensor, HS: number): MatrixUnits | undefined {
  return units && (units.type === 'f32' || qkv.dtype === 'f16') && attendsOnUnits(units, HS) ? units : undefined;
}

/** Input qkv, outputs (y, lse). */
const attentionOp: Op<Heads> = {
  name: 'attention',
  shapes: ([qkv], { heads }) => {
    const { B, T, C, NH } = headSizes('attention', qkv!, heads);
    return [[B, T, C], [B, NH, T]];
  },
  kernel: (node, tuning) => {
    const { software, subgroupSize, plain, manySums } = tuning;
    const { launch, sizes: { B, T, NH, HS }, plainGrid } = headLaunch(node, 4);
    if (plain) return { ...launch, code: attentionPlain(HS), workgroups: plainGrid };
    if (software && subgroupSize > 0) {
      const workgroups = [ceilDiv(T, groupRows(subgroupSize)), NH, B] as const;
      return { ...launch, code: attentionLanes(HS, subgroupSize), workgroups, workgroupsPerTurn: 1 };
    }
    const units = unitsFor(tuning, node.inputs[0]!, HS);
    if (units) return { ...launch, code: attentionUnits(units, HS), workgroups: [ceilDiv(T, UNIT_QUERIES), NH, B] };
    return { ...launch, code: attentionTiled(HS, manySums ? 4 : 2), workgroups: [ceilDiv(T, TILE_ROWS) * valueParts(HS), NH, B] };
  },
  backward: ({ inputs: [qkv], outputs: [y, lse], attrs, graph }, [dy]) => {
    const inputs = [qkv!, dy!, lse!, addNode(deltaOp, [dy!, y!], attrs)];
    if (!graph.wide) return [addNode(backwardOp, inputs, attrs)];
    return [gradientOfParts(inputs, { ...attrs, parts: gradientParts(qkv!.shape) })];
  },
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
  kernel: (node, { software, subgroupSize }) => {
    const { launch, sizes: { B, T, NH, HS }, plainGrid } = headLaunch(node, 14);
    if (!software || subgroupSize === 0) return { ...launch, code: attentionBackwardPlain(HS), workgroups: plainGrid };
    const workgroups = [ceilDiv(T, groupRows(subgroupSize)), NH, 2 * B] as const;
    return { ...launch, code: attentionBackwardLanes(HS, subgroupSize), workgroups, workgroupsPerTurn: 1 };
  },
};

/** Inputs (qkv, dy, lse, delta), outputs dk and dv `[B, T, 2C]` and parts of dq `[PARTS, B, T, C]`. */
const partsOp: Op<Heads & { readonly parts: number }> = {
  name: 'attentionBackwardParts',
  shapes: ([, dy], { parts }) => {
    const [B, T, C] = dy!.shape as Shape3;
    return [[B, T, 2 * C], [parts, B, T, C]];
  },
  kernel: (node, tuning) => {
    const { plain, manySums } = tuning;
    const { launch, sizes: { B, T, NH, HS }, plainGrid } = headLaunch(node, 10);
    const PARTS = node.attrs.parts;
    const dims = [T, PARTS, chunksOf(HS)];
    const units = plain ? undefined : unitsFor(tuning, node.inputs[0]!, HS);
    if (units && attendsBackOnUnits(units, HS)) {
      return { ...launch, code: attentionBackwardUnits(units, HS), dims, workgroups: [PARTS, NH, B] };
    }
    const workgroups = plain ? plainGrid : [PARTS * gradientShares(HS), NH, B] as const;
    const code = plain ? attentionPartsPlain(HS) : attentionBackwardTiled(HS, manySums ? 4 : 8);
    return { ...launch, code, dims, workgroups };
  },
};

/** Inputs (dkv, parts of dq), output dqkv. */
const sumOp: PlainOp = {
  name: 'attentionBackwardSum',
  shapes: ([, dqs]) => [[dqs!.shape[1]!, dqs!.shape[2]!, 3 * dqs!.shape[3]!]],
  kernel: ({ inputs: [, dqs], outputs: [dqkv] }, tuning) => {
    const [PARTS, , , C] = dqs!.shape as Shape4;
    const width = C % 4 === 0 ? 4 : 1;
    const { constants, ...launch } = threadLaunch(sizeOf(dqkv!.shape) / width, tuning, [PARTS]);
    const code = attentionBackwardSum(width === 4);
    return { code, ...launch, constants: { ...constants, C: C / width }, flops: sizeOf(dqs!.shape) };
  },
};

/** dqkv from (qkv, dy, lse, delta), in at most as many `parts` as there are tiles of keys. */
export const gradientOfParts = (inputs: readonly Tensor[], attrs: Heads & { readonly parts: number }): Tensor =>
  addNode(sumOp, inputs[0]!.graph.add(partsOp, inputs, attrs), {});

/**
 * softmax(q k^T / sqrt(HS)) v for each head, without the T x T matrix in memory. qkv `[B, T, 3C]` holds queries, keys and values,
 * each of `heads` heads of HS = C / heads elements (the layout of timm's and DINO's `qkv` layer). Gives `[B, T, C]`.
 * @throws ShapeError unless qkv has three axes and its last is a multiple of 3 heads
 */
export const attention = (qkv: Tensor, heads: number): Tensor => addNode(attentionOp, [qkv], { heads });
