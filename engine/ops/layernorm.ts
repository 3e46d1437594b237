/** Layer normalisation over the last axis. */
import {
  layernormBackwardInput, layernormBackwardParameters, layernormForward, layernormPartial, type LayernormVariant,
} from '../../shaders/layernorm.js';
import {
  addNode, ceilDiv, linearGrid, sameShape, ShapeError, showShape, sizeOf, type Kernel, type Op, type PlainOp, type Shape3,
  type Tensor, type Tuning,
} from '../graph/index.js';
import { fuseAdd } from './binary.js';
import { shortRowLanes } from './launch/rows.js';

/** Rows that one thread adds up for dw and db. */
const CHUNK = 64;

/** Rows that a CPU normalises at a time, where a load costs as much as many multiply-adds. GPUs gain from more workgroups. */
const SOFTWARE_ROWS = 2;

/** Rows and columns of x. */
function rowsOf(x: Tensor): { ROWS: number; C: number } {
  const C = x.shape.at(-1)!;
  return { ROWS: sizeOf(x.shape) / C, C };
}

type Code = (variant: LayernormVariant) => string;

/** Launch with one workgroup per row, or per `rows`. */
function rowKernel(x: Tensor, tuning: Tuning, code: Code, extra: Record<string, number> = {}, rows = 1): Kernel {
  const { ROWS, C } = rowsOf(x);
  const { WG, oneSubgroup } = shortRowLanes(tuning);
  return {
    code: code({ oneSubgroup, vectors: C % 4 === 0 }),
    constants: { WG, C, ...extra },
    dims: [ROWS],
    workgroups: linearGrid(ROWS, rows),
    workgroupsPerTurn: oneSubgroup ? Math.ceil(16 / rows) : 0,
    flops: 10 * ROWS * C,
  };
}

/** Inputs (x, w, b), outputs (y, mean, rstd). */
const layernormOp: Op<{ readonly eps: number }> = {
  name: 'layernorm',
  shapes: ([x, w, b]) => {
    for (const [name, t] of Object.entries({ w: w!, b: b! })) {
      if (sameShape(t.shape, x!.shape.slice(-1))) continue;
      throw new ShapeError(`layernorm: ${name} must have the last axis of x: ${showShape(t.shape)} and ${showShape(x!.shape)}`);
    }
    const rows = x!.shape.slice(0, -1);
    return [x!.shape, rows, rows];
  },
  kernel: ({ inputs: [x], attrs }, tuning) => {
    const rows = tuning.software ? SOFTWARE_ROWS : 1;
    return rowKernel(x!, tuning, (variant) => layernormForward(variant, rows), { EPS: attrs.eps }, rows);
  },
  backward: ({ graph, inputs: [x, w], outputs: [, mean, rstd] }, [dy], needed) => {
    const dx = needed[0] ? addNode(backwardInputOp, [x!, w!, mean!, rstd!, dy!], {}) : undefined;
    if (!needed[1] && !needed[2]) return [dx];
    const partial = addNode(partialOp, [x!, mean!, rstd!, dy!], {});
    return [dx, ...graph.add(backwardParametersOp, [partial], {})];
  },
};

/** Inputs (x, w, mean, rstd, dy) and, once fused, another gradient of x to add; output dx. */
const backwardInputOp: PlainOp = {
  name: 'layernormBackwardInput',
  shapes: ([x]) => [x!.shape],
  kernel: ({ inputs }, tuning) => rowKernel(inputs[0]!, tuning, (variant) => layernormBackwardInput(variant, inputs.length > 5)),
  fuse: (node, next, sole) => fuseAdd(backwardInputOp, node, next, sole && node.inputs.length === 5),
};

/** Inputs (x, mean, rstd, dy), output the sums over chunks of rows `[chunks, 2, C]`. */
const partialOp: PlainOp = {
  name: 'layernormPartial',
  shapes: ([x]) => [[ceilDiv(rowsOf(x!).ROWS, CHUNK), 2, rowsOf(x!).C]],
  kernel: ({ inputs: [x] }, tuning) => {
    const { ROWS, C } = rowsOf(x!);
    const [vectors, { WG }] = [C % 4 === 0, shortRowLanes(tuning)];
    const workgroups = [ceilDiv(vectors ? C / 4 : C, WG), ceilDiv(ROWS, CHUNK), 1] as const;
    return { code: layernormPartial(vectors), constants: { WG, C, CHUNK }, dims: [ROWS], workgroups, flops: 5 * ROWS * C };
  },
};

/** Input the sums over chunks, outputs (dw, db). */
const backwardParametersOp: PlainOp = {
  name: 'layernormBackwardParameters',
  shapes: ([partial]) => [[partial!.shape[2]!], [partial!.shape[2]!]],
  kernel: ({ inputs: [partial] }, { workgroupSize: WG }) => {
    const [chunks, , C] = partial!.shape as Shape3;
    const workgroups = [ceilDiv(C, WG), 1, 1] as const;
    return { code: layernormBackwardParameters, constants: { WG, C }, dims: [chunks], workgroups, flops: 2 * chunks * C };
  },
};

/**
 * (x - mean) / sqrt(var + eps) * w + b with mean and biased variance over the last axis (https://arxiv.org/abs/1607.06450).
 * x `[..., C]`, w and b `[C]`.
 * @throws ShapeError when w or b is not `[C]`
 */
export const layernorm = (x: Tensor, w: Tensor, b: Tensor, eps: number): Tensor => addNode(layernormOp, [x, w, b], { eps });
