/** Launches of pointwise kernels, a thread per element or several elements each; see shaders/parts/pointwise.ts. */
import { ceilDiv, linearGrid, type Tuning } from '../../graph/kernel.js';
import { longRowLanes } from './rows.js';

/** Elements that a CPU does at a time: some tens of microseconds. */
const SOFTWARE_SPAN = 1024;

export interface ThreadLaunch {
  readonly constants: { readonly WG: number };
  readonly workgroups: readonly [number, number, number];
  readonly queued: number;
}

export interface SpanLaunch extends ThreadLaunch {
  readonly constants: { readonly WG: number; readonly PER: number };
}

export interface VectorLaunch extends SpanLaunch {
  /** Vectors in N elements. Every tensor's memory is a whole number of vectors, so the last one needs no care. */
  readonly N4: number;
}

/** The launch of a kernel of `linearIndex` with so many threads. */
export function threadLaunch(threads: number, tuning: Tuning): ThreadLaunch {
  const { WG, oneSubgroup } = longRowLanes(tuning);
  return { constants: { WG }, workgroups: linearGrid(threads, WG), queued: oneSubgroup ? ceilDiv(SOFTWARE_SPAN, WG) : 0 };
}

/** The launch of a kernel of `spans` over N elements. A GPU hides latency by many threads; a CPU pays for every workgroup, so it gets fewer, longer ones. */
export function spanLaunch(N: number, tuning: Tuning): SpanLaunch {
  const { WG, oneSubgroup } = longRowLanes(tuning);
  const PER = tuning.software ? ceilDiv(SOFTWARE_SPAN, WG) : 1;
  return { constants: { WG, PER }, workgroups: linearGrid(N, WG * PER), queued: Number(oneSubgroup) };
}

/** The same over vectors of four elements. */
export function vectorLaunch(N: number, tuning: Tuning): VectorLaunch {
  const N4 = ceilDiv(N, 4);
  return { N4, ...spanLaunch(N4, tuning) };
}
