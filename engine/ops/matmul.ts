/** Batched matrix products, and the launch that all matrix products share. */
import { MAX_GRID, wholeSubgroups } from '../../shaders/parts/common.js';
import {
  FEW_COLUMNS, FEW_ROWS, matmulFewRows, matmulTiled, tileColumns, tileRows, tiles, type Tile,
} from '../../shaders/matmul.js';
import { matmulUnits, unitTiles } from '../../shaders/units/product.js';
import type { MatrixUnits } from '../../shaders/units/usable.js';
import { matmulPlain, PLAIN_SIDE } from '../../shaders/plain/product.js';
import { matmulLanes, type RegisterTile } from '../../shaders/software/matmul.js';
import { plainEpilogue, type Product } from '../../shaders/parts/tile.js';
import {
  addNode, ceilDiv, sameShape, ShapeError, showShape, sizeOf, type Kernel, type Op, type Shape, type Tensor, type Tuning,
} from '../graph/index.js';
import { sumLeading } from './sum.js';
import { reshape } from './view.js';

/** Sizes of a product C[M, N] = opA(A) opB(B), `batch` times; an operand without a batch is shared by all. */
export interface ProductSizes {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly batch?: number;
  readonly sharedA?: boolean;
  readonly sharedB?: boolean;
}

/**
 * The register tile for a CPU: 48 rows, or as near as subgroups allow. Without subgroups a lane loads all of its rows itself, so
 * it takes fewer.
 */
export const registerTile = (lanes: number): RegisterTile =>
  lanes >= 4 ? { lanes, rows: wholeSubgroups(lanes, 48), subgroup: true } : { lanes: 8, rows: 8, subgroup: false };

/**
 * The tile for a GPU. The size of an image must not choose the kernel, so only the columns of aligned products do, which are a
 * size of the model. Few columns make few workgroups, so their tiles are smaller.
 */
function productTile(N: number, aligned: boolean, { tile, manySums }: Tuning): Tile {
  if (tile) return tiles[tile];
  if (!aligned) return tiles.square;
  if (N < 640) return tiles.narrow;
  return N < 1536 ? tiles[manySums ? 'compact' : 'square'] : tiles[manySums ? 'large' : 'wide'];
}

/** What a product on matrix units needs to know: see `matmulUnits`. */
export interface UnitProduct {
  readonly units: MatrixUnits;
  readonly scaled: boolean;
}

/** The launch of a matrix product with the device's kernel; on matrix units if `on` says so. */
export function productKernel(product: Product, sizes: ProductSizes, tuning: Tuning, on?: UnitProduct): Kernel {
  const { M, N, K, batch = 1, sharedA = false, sharedB = false } = sizes;
  const launch = (code: string, rows: number, columns: number): Kernel => ({
    code,
    dims: [M, N, K, sharedA ? 0 : M * K, sharedB ? 0 : K * N],
    workgroups: [ceilDiv(N, columns), ceilDiv(M, rows), batch],
    flops: 2 * batch * M * N * K,
  });
  if (tuning.plain) return launch(matmulPlain(product), PLAIN_SIDE, 4 * PLAIN_SIDE);
  const isFew = product.aligned && !product.transposeA && M <= FEW_ROWS;
  if (!tuning.software && isFew && !tuning.tile) return launch(matmulFewRows(product), FEW_ROWS, FEW_COLUMNS);
  if (on) {
    const tile = unitTiles[tuning.tile === 'wide' || (!tuning.tile && N >= 1536) ? 'wide' : 'narrow'];
    return launch(matmulUnits(product, on.units, tile, on.scaled), tile.rows, tile.columns);
  }
  if (!tuning.software) {
    const tile = productTile(N, product.aligned, tuning);
    return launch(matmulTiled(product, tile), tileRows(tile), tileColumns(tile));
  }
  const tile = registerTile(tuning.subgroupSize);
  return { ...launch(matmulLanes(product, tile), tile.rows, 4 * tile.lanes), workgroupsPerTurn: Number(tile.subgroup) };
}

export interface MatmulOptions {
  /** Takes a as [..., K, M]. */
  readonly transposeA?: boolean;
  /** Takes b as [..., N, K]. */
  readonly transposeB?: boolean;
}

/** Shape without the last two axes. */
const leading = (shape: Shape): Shape => shape.slice(0, -2);

type Sizes = Required<ProductSizes> & { readonly axes: Shape };

function sizesOf(a: Tensor, b: Tensor, { transposeA, transposeB }: Required<MatmulOptions>): Sizes {
  const [sharedA, sharedB] = [a.shape.length === 2, b.shape.length === 2];
  const axes = leading((sharedA ? b : a).shape);
  const [M, K] = [a.shape.at(transposeA ? -1 : -2)!, a.shape.at(transposeA ? -2 : -1)!];
  return { M, N: b.shape.at(transposeB ? -2 : -1)!, K, batch: sizeOf(axes), sharedA, sharedB, axes };
}

const matmulOp: Op<Required<MatmulOptions>> = {
  name: 'matmul',
  shapes: ([a, b], attrs) => {
    const both = `a is ${showShape(a!.shape)}, b is ${showShape(b!.shape)}`;
    if (a!.shape.length < 2 || b!.shape.length < 2) throw new ShapeError(`matmul: matrices have at least 2 axes: ${both}`);
    const { M, N, K, axes, sharedA, sharedB } = sizesOf(a!, b!, attrs);
    const sameLeading = sharedA || sharedB || sameShape(leading(a!.shape), leading(b!.shape));
    if (!sameLeading) throw new ShapeError(`matmul: leading axes differ: ${both}`);
    if (b!.shape.at(attrs.transposeB ? -1 : -2) !== K) throw new ShapeError(`matmul: inner sizes differ: ${both}`);
    if (sizeOf(axes) > MAX_GRID) throw new ShapeError(`matmul: at most ${MAX_GRID} matrices: ${both}`);
    return [[...axes, M, N]];
  },
  // Any size may depend on the image, and an image's size must not choose the kernel: so there are no loads of 4 floats.
  kernel: ({ inputs: [a, b], attrs }, tuning) =>
    productKernel({ ...attrs, aligned: false, epilogue: plainEpilogue }, sizesOf(a!, b!, attrs), tuning),
  backward: ({ inputs, attrs: { transposeA, transposeB } }, [dc], needed) => {
    const [a, b] = inputs as [Tensor, Tensor];
    const da = (): Tensor =>
      (transposeA ? matmul(b, dc!, { transposeA: transposeB, transposeB: true }) : matmul(dc!, b, { transposeB: !transposeB }));
    const db = (): Tensor =>
      (transposeB ? matmul(dc!, a, { transposeA: true, transposeB: transposeA }) : matmul(a, dc!, { transposeA: !transposeA }));
    return [needed[0] ? sumTo(da(), a.shape) : undefined, needed[1] ? sumTo(db(), b.shape) : undefined];
  },
};

/** Sums the gradient of an operand that all matrices of a batch share over the batch. */
const sumTo = (gradient: Tensor, shape: Shape): Tensor =>
  (gradient.shape.length > shape.length ? sumLeading(gradient, shape) : gradient);

/**
 * The matrix product of the last two axes, [..., M, K] by [..., K, N] to [..., M, N]. Leading axes are equal, or one operand has
 * none and is shared.
 * @throws ShapeError when inner sizes or leading axes differ
 */
export function matmul(a: Tensor, b: Tensor, { transposeA = false, transposeB = false }: MatmulOptions = {}): Tensor {
  const attrs = { transposeA, transposeB };
  if (b.shape.length !== 2 || a.shape.length <= 2 || transposeA) return addNode(matmulOp, [a, b], attrs);
  matmulOp.shapes([a, b], attrs); // errors show the shape that the caller gave
  // One matrix for all rows of the batch: a single product with more rows, and a single one for each gradient.
  const K = a.shape.at(-1)!;
  const c = addNode(matmulOp, [reshape(a, [sizeOf(a.shape) / K, K]), b], attrs);
  return reshape(c, [...a.shape.slice(0, -1), c.shape[1]!]);
}
