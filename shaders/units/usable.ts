/** Which matrix units the kernels can use; apart from the kernels, so that a page that has none of them loads none. */

/** The product that a subgroup's unit computes at once: M by K by N, operands of `type`, sums of f32. */
export interface MatrixUnits {
  readonly type: 'f16' | 'f32';
  readonly M: number;
  readonly N: number;
  readonly K: number;
  /** Lanes of a subgroup. */
  readonly lanes: number;
  /** The device has subgroups of several sizes, and kernels ask for `lanes`. */
  readonly pinned: boolean;
}

/** The least side of a quarter of a tile, which the units' sides must divide, and the least steps along K in bytes. */
export const QUARTER = 32, LEAST_DEPTH = 32;

/** Sums that a subgroup hands to its threads at once. */
export const DRAINED = 256;

export const bytesOf = (type: MatrixUnits['type']): number => (type === 'f16' ? 2 : 4);

/** True for units that the kernels here can use: their matrices divide the tiles, and every thread loads whole vectors. */
export const areUsable = ({ type, M, N, K, lanes }: MatrixUnits): boolean =>
  QUARTER % M === 0 && QUARTER % N === 0 && LEAST_DEPTH / bytesOf(type) % K === 0
  && DRAINED % (M * N) === 0 && DRAINED / M <= QUARTER && [8, 16, 32, ...(type === 'f16' ? [64] : [])].includes(lanes);
