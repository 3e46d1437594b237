/** Launches of pointwise kernels, a thread per element or several elements each; see shaders/parts/pointwise.ts. */
import { ceilDiv, linearGrid, type Kernel, type Tuning } from '../../graph/index.js';
import { longRowLanes } from './rows.js';

/** Elements that a CPU does at a time: some tens of microseconds. */
const SOFTWARE_SPAN = 1024;

type Launch = Required<Pick<Kernel, 'constants' | 'dims' | 'workgroups' | 'workgroupsPerTurn'>>;

/** The launch of a kernel of `linearIndex`; `dims` are the number of threads and the fields after it. */
export function threadLaunch(threads: number, tuning: Tuning, dims: readonly number[] = []): Launch {
  const { WG, oneSubgroup } = longRowLanes(tuning);
  const workgroupsPerTurn = oneSubgroup ? ceilDiv(SOFTWARE_SPAN, WG) : 0;
  return { constants: { WG }, dims: [threads, ...dims], workgroups: linearGrid(threads, WG), workgroupsPerTurn };
}

/**
 * The launch of a kernel of `spans` over N elements; `dims` are N and the fields after it. A GPU hides latency by many threads;
 * a CPU pays for every workgroup, so it gets fewer, longer ones.
 */
export function spanLaunch(N: number, tuning: Tuning, dims: readonly number[] = []): Launch {
  const { WG, oneSubgroup } = longRowLanes(tuning);
  const PER = tuning.software ? ceilDiv(SOFTWARE_SPAN, WG) : 1;
  const workgroups = linearGrid(N, WG * PER);
  return { constants: { WG, PER }, dims: [N, ...dims], workgroups, workgroupsPerTurn: Number(oneSubgroup) };
}

/** The same over vectors of four elements. Every tensor's memory is a whole number of vectors: the last needs no special case. */
export const vectorLaunch = (N: number, tuning: Tuning, dims?: readonly number[]): Launch =>
  spanLaunch(ceilDiv(N, 4), tuning, dims);
