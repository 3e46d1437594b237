/** Launches of convolutions that gather: conv2d, and its gradient by the input. */
import { gatherTiles } from '../../../shaders/conv2d.js';
import type { Added, Gather } from '../../../shaders/parts/gather.js';
import { tileProduct, tileSize } from '../../../shaders/parts/tileProduct.js';
import { plainProduct } from '../../../shaders/plain/product.js';
import { gatherStrips, stripOf } from '../../../shaders/software/conv2d.js';
import { ceilDiv, linearGrid, sizeOf, type Kernel, type Shape, type Shape4, type Tuning } from '../../graph/index.js';

/** A convolution that gathers `R` channels of `x` into `N` channels of the node's output `y`. */
interface GatherLaunch {
  readonly gather: Gather;
  readonly x: Shape;
  readonly w: Shape;
  readonly y: Shape;
  /** For the gradient, in which the first two axes of w change roles: the stride, hence the number of lattices along an axis. */
  readonly backward?: number;
  /** The kind of the third input, if there is one. */
  readonly added: Added | undefined;
}

/** The launch of a gathering convolution. */
export function gatherKernel(launch: GatherLaunch, { software, subgroupSize, plain, channels, manySums }: Tuning): Kernel {
  const { gather, x, w, y, backward, added } = launch;
  const [, C, K] = w as Shape4;
  const lattice = backward ?? 1; // interleaved lattices along an axis; see `Gather`
  // A 1x1 window with stride 1 does not depend on rows: as one long row it wastes nothing at the ends of rows.
  const flat = K === 1 && lattice === 1 && x[2] === y[2] && x[3] === y[3];
  const flatten = ([B, C, H, W]: Shape): Shape4 => (flat ? [B!, C!, 1, H! * W!] : [B!, C!, H!, W!]);
  const [[B, R, XH, XW], [, N, YH, YW]] = [flatten(x), flatten(y)];
  const [LH, LW] = [ceilDiv(YH, lattice), ceilDiv(YW, lattice)];
  // Elements of `w` from one written channel to the next, and from one summed channel to the next.
  const steps = backward ? [K * K, C * K * K] : [C * K * K, K * K];
  const strip = stripOf(N);
  const strips = ceilDiv(LW, strip.pixels);
  const { TM, TN, KC } = tileSize(N, channels);
  const asStrips = software && subgroupSize > 0;
  // Kernels of a 1x1 window have no registers to spare: padded, one spills.
  const product = plain ? plainProduct : tileProduct(manySums && K > 1);
  const [gx, gy] = asStrips ? linearGrid(B * LH * strips, subgroupSize) : linearGrid(B * LH * LW, TN);
  const rows = ceilDiv(N, asStrips ? strip.channels : TM);
  return {
    code: asStrips ? gatherStrips(gather, added, N, subgroupSize) : gatherTiles(gather, added, product),
    constants: asStrips ? { K } : { K, TM, TN, KC },
    dims: [B, N, R, ...steps, XH, XW, YH, YW, LH, LW, strips],
    workgroups: [gx, gy, rows * lattice ** 2],
    workgroupsPerTurn: Number(asStrips),
    flops: conv2dFlops(backward ? x : y, w),
  };
}

/** Operations of the product that the forward convolution and both of its gradients have in common. */
export const conv2dFlops = (y: Shape, w: Shape): number => 2 * y[0]! * y[2]! * y[3]! * sizeOf(w);
