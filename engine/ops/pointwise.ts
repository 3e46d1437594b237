/** Launches of pointwise kernels over vectors of four elements; see shaders/pointwise.ts. */
import { ceilDiv, linearGrid, type Kernel, type Tuning } from '../kernel.js';

export interface VectorLaunch {
  /** Vectors in N elements. Every tensor's memory is a whole number of vectors, so the last one needs no care. */
  readonly N4: number;
  readonly constants: { readonly WG: number; readonly PER: number };
  readonly workgroups: readonly [number, number, number];
  readonly queued: number;
}

/** The launch of a kernel of `spans` over N elements. A GPU hides latency by many threads; a CPU pays for every workgroup, so it gets fewer, longer ones. */
export function spanLaunch(N: number, { software, subgroupSize, workgroupSize }: Tuning): Omit<VectorLaunch, 'N4'> {
  const lanes = software ? subgroupSize : 0;
  const WG = lanes || workgroupSize;
  const PER = software ? Math.ceil(1024 / WG) : 1;
  return { constants: { WG, PER }, workgroups: linearGrid(N, WG * PER), queued: lanes ? 1 : 0 };
}

/** The launch of a kernel of `linearIndex` with so many threads. */
export function threadLaunch(threads: number, { software, subgroupSize, workgroupSize }: Tuning): Pick<Kernel, 'workgroups' | 'queued'> & { readonly constants: { readonly WG: number } } {
  const lanes = software ? subgroupSize : 0;
  const WG = lanes || workgroupSize;
  return { constants: { WG }, workgroups: linearGrid(threads, WG), queued: lanes ? Math.ceil(1024 / WG) : 0 };
}

/** The same over vectors of four elements. */
export function vectorLaunch(N: number, tuning: Tuning): VectorLaunch {
  const N4 = ceilDiv(N, 4);
  return { N4, ...spanLaunch(N4, tuning) };
}
