/** Launches that reduce rows: the lanes that share a row. */
import { linearGrid, sizeOf, type Kernel, type Op, type Tuning } from '../../graph/index.js';

/** A workgroup of `WG` threads, exactly one subgroup when `oneSubgroup`. */
export interface RowLanes {
  readonly WG: number;
  readonly oneSubgroup: boolean;
}

/** For rows of hundreds of elements: a subgroup each, which needs no barriers, if there are subgroups. */
export const shortRowLanes = ({ subgroupSize, workgroupSize }: Tuning): RowLanes =>
  ({ WG: subgroupSize || workgroupSize, oneSubgroup: subgroupSize > 0 });

/** For rows of thousands, and for single elements: a full workgroup, except on CPUs, whose barriers are too expensive. */
export const longRowLanes = (tuning: Tuning): RowLanes =>
  tuning.software ? shortRowLanes(tuning) : { WG: tuning.workgroupSize, oneSubgroup: false };

type Code = (oneSubgroup: boolean) => string;

/** Code and overrides of a kernel for such workgroups. */
export const rowCode = (code: Code, { WG, oneSubgroup }: RowLanes, constants = {}): Pick<Kernel, 'code' | 'constants'> =>
  ({ code: code(oneSubgroup), constants: { WG, ...constants } });

/** The launch of an op with one workgroup per row of its first input; `flops` per element. */
export const rowKernel = (code: Code, flops: number): NonNullable<Op['kernel']> => ({ inputs: [x] }, tuning) => {
  const N = x!.shape.at(-1) ?? 1;
  const ROWS = sizeOf(x!.shape) / N;
  return { ...rowCode(code, shortRowLanes(tuning)), dims: [ROWS, N], workgroups: linearGrid(ROWS, 1), flops: flops * ROWS * N };
};
