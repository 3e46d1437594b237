/** Convolutions that gather, each element of `y` from a window of `x`: conv2d and its gradient by the input. */
import { wgsl } from './wgsl.js';

/** Sizes and operands. All sizes but the window are in `dims`, so that one pipeline serves many layers. */
export const gatherDims = wgsl`
override K: u32;  // window
struct Dims {
  B: u32,
  N: u32,   // channels written
  R: u32,   // channels summed over
  WN: u32,  // step of w from one written channel to the next
  WR: u32,  // step of w from one summed channel to the next
  XH: u32, XW: u32,
  YH: u32, YW: u32,
  LH: u32, LW: u32,  // size of a lattice of written pixels
  STRIPS: u32,       // strips in a row of it
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [B, R, XH, XW]
@group(0) @binding(2) var<storage, read> w: array<f32>;        // [O, C, K, K]
`;

/**
 * Sources of the pixels that a convolution writes. Written pixels form LATTICE x LATTICE interleaved lattices; on each of them
 * the taps that meet a source are the same. WGSL for either axis, `first` being the lattice's first pixel along it:
 *   const LATTICE: u32
 *   fn origin(v: u32, first: u32) -> i32          source of tap 0 of the lattice's pixel v, along one axis
 *   fn source(origin: i32, tap: u32) -> i32       source of another tap
 *   fn inside(at: i32, size: u32) -> i32          a source's place in memory, -1 for none
 *   fn window(tap: u32, first: u32) -> u32        the tap's place in w
 *   fn taps(first: u32) -> u32                    number of taps
 */
export interface Gather {
  readonly geometry: string;
  /** Most taps of a lattice along an axis. */
  readonly taps: number;
  /** Source of pixel q's tap t, relative to the source of pixel 0's tap 0. */
  readonly column: (q: number, t: number) => number;
}

/** The addend of a gathering convolution: a value per written channel, or a tensor of y's shape. */
export type Added = 'bias' | 'tensor';

/** `y` and what is added to it; `put(at, n, value)` writes an element of channel n. */
export const gatherOutput = (added: Added | undefined): string => wgsl`
#if ${added === undefined}
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [B, N, YH, YW]
fn put(at: u32, n: u32, value: f32) { y[at] = value; }
#else
@group(0) @binding(3) var<storage, read> added: array<f32>;    // [N] or [B, N, YH, YW]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;  // [B, N, YH, YW]
fn put(at: u32, n: u32, value: f32) { y[at] = value + added[${added === 'bias' ? 'n' : 'at'}]; }
#endif
`;
