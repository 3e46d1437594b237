/** Launches that reduce rows: which lanes work on one row. */
import type { Tuning } from '../../graph/kernel.js';

/** A workgroup of `WG` threads, exactly one subgroup when `oneSubgroup`. */
export interface RowLanes {
  readonly WG: number;
  readonly oneSubgroup: boolean;
}

/** For rows of hundreds of elements: a subgroup each, which needs no barriers, where there are subgroups. */
export const shortRowLanes = ({ subgroupSize, workgroupSize }: Tuning): RowLanes => ({
  WG: subgroupSize || workgroupSize,
  oneSubgroup: subgroupSize > 0,
});

/** For rows of thousands, and for elements each on its own: a full workgroup, but for CPUs, whose barriers cost more than the lanes gain. */
export const longRowLanes = (tuning: Tuning): RowLanes =>
  tuning.software ? shortRowLanes(tuning) : { WG: tuning.workgroupSize, oneSubgroup: false };
