/** A Gaussian blur of 3 x 3 pixels. */
import { threadKernel } from './parts/pointwise.js';
import { wgsl } from './parts/wgsl.js';

/**
 * y[i, j] = sum over a, b = -1..1 of k[a] k[b] x[i + a, j + b], or x if off. x is mirrored at its edges.
 * k[a] = exp(-a^2 / (2 sigma^2)), divided by their sum.
 */
export const blurForward = threadKernel('dims.N', wgsl`
struct Dims { N: u32, H: u32, W: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [planes, H, W]
@group(0) @binding(2) var<storage, read> draw: array<f32, 2>;  // on, sigma
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [planes, H, W]
/** The positions before and after i; at an edge both are the inner neighbour. */
fn neighbours(i: u32, n: u32) -> vec2u {
  return vec2u(select(i - 1u, 1u, i == 0u), select(i + 1u, n - 2u, i == n - 1u));
}
`, wgsl`
  if (draw[0] < 0.5) {
    y[index] = x[index];
    return;
  }
  let side = exp(-0.5 / (draw[1] * draw[1]));
  let kernel = vec3f(side, 1.0, side) / (1.0 + 2.0 * side);
  let column = index % dims.W;
  let row = (index / dims.W) % dims.H;
  let columns = neighbours(column, dims.W);
  let rows = neighbours(row, dims.H);
  let first_row = index / dims.W - row; // of the plane
  let starts = (first_row + vec3u(rows.x, row, rows.y)) * dims.W;
  var sum = 0.0;
  for (var a = 0u; a < 3u; a++) {
    let line = vec3f(x[starts[a] + columns.x], x[starts[a] + column], x[starts[a] + columns.y]);
    sum += kernel[a] * dot(kernel, line);
  }
  y[index] = sum;
`);
