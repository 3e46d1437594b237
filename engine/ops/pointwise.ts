/** Launches of pointwise kernels over vectors of four elements; see shaders/pointwise.ts. */
import { ceilDiv, linearGrid, type Tuning } from '../kernel.js';

export interface VectorLaunch {
  /** Vectors in N elements. Every tensor's memory is a whole number of vectors, so the last one needs no care. */
  readonly N4: number;
  readonly constants: { readonly WG: number; readonly PER: number };
  readonly workgroups: readonly [number, number, number];
}

/** The launch of a kernel of `spans` over N elements. A GPU hides latency by many threads; a CPU pays for every workgroup, so it gets fewer, longer ones. */
export function spanLaunch(N: number, { software, workgroupSize: WG }: Tuning): Omit<VectorLaunch, 'N4'> {
  const PER = software ? 16 : 1;
  return { constants: { WG, PER }, workgroups: linearGrid(N, WG * PER) };
}

/** The same over vectors of four elements. */
export function vectorLaunch(N: number, tuning: Tuning): VectorLaunch {
  const N4 = ceilDiv(N, 4);
  return { N4, ...spanLaunch(N4, tuning) };
}
