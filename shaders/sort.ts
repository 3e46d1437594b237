/** Rows in ascending order, by merging: blocks of a few elements, then runs of twice the length each time. */
import { threadKernel } from './parts/pointwise.js';
import { wgsl } from './parts/wgsl.js';

/** The order within each block: order[b BLOCK + rank of x[n] in block b] = n; of equal elements the first comes first. */
export const sortBlocks = threadKernel('dims.COUNT', wgsl`
override BLOCK: u32;
struct Dims { COUNT: u32, N: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;            // [ROWS, N]
@group(0) @binding(2) var<storage, read_write> order: array<f32>;  // [ROWS, N], positions in a row
`, wgsl`
  let first = index / dims.N * dims.N;
  let n = index - first;
  let start = n / BLOCK * BLOCK;
  let value = x[index];
  var rank = 0u;
  for (var m = start; m < min(start + BLOCK, dims.N); m++) {
    let other = x[first + m];
    rank += select(0u, 1u, other < value || (other == value && m < n));
  }
  order[first + start + rank] = f32(n);
`);

/**
 * Two neighbouring runs of RUN elements become one: an element moves on by the number of elements of the other run that come
 * before it. Of equal elements those of the left run come first.
 */
export const sortMerge = threadKernel('dims.COUNT', wgsl`
struct Dims { COUNT: u32, N: u32, RUN: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;             // [ROWS, N]
@group(0) @binding(2) var<storage, read> order: array<f32>;         // [ROWS, N], sorted in runs of RUN
@group(0) @binding(3) var<storage, read_write> merged: array<f32>;  // [ROWS, N], sorted in runs of 2 RUN
`, wgsl`
  let first = index / dims.N * dims.N;
  let p = index - first;
  let run = p / dims.RUN;
  let is_left = run % 2u == 0u;
  let value = x[first + u32(order[index])];
  let other = min(select(run - 1u, run + 1u, is_left) * dims.RUN, dims.N);
  var low = other;
  var high = min(other + dims.RUN, dims.N);
  while (low < high) {
    let middle = (low + high) / 2u;
    let there = x[first + u32(order[first + middle])];
    if (there < value || (there == value && !is_left)) { low = middle + 1u; } else { high = middle; }
  }
  let before = low - other;
  let start = (run - run % 2u) * dims.RUN;
  merged[first + start + p - run * dims.RUN + before] = order[index];
`);

/** y[n] = x[order[n]] */
export const sortForward = threadKernel('dims.COUNT', wgsl`
struct Dims { COUNT: u32, N: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [ROWS, N]
@group(0) @binding(2) var<storage, read> order: array<f32>;    // [ROWS, N]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [ROWS, N]
`, wgsl`
  y[index] = x[index / dims.N * dims.N + u32(order[index])];
`);

/** dx[order[n]] = dy[n]; every element is written once, since the order is a permutation. */
export const sortBackward = threadKernel('dims.COUNT', wgsl`
struct Dims { COUNT: u32, N: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> order: array<f32>;     // [ROWS, N]
@group(0) @binding(2) var<storage, read> dy: array<f32>;        // [ROWS, N]
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;  // [ROWS, N]
`, wgsl`
  dx[index / dims.N * dims.N + u32(order[index])] = dy[index];
`);
