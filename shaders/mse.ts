/** Mean squared error, in two stages. */
import { spanKernel } from './parts/pointwise.js';
import { chunkSums, totalOfChunks } from './parts/rows.js';
import { wgsl } from './parts/wgsl.js';

/** partial[s] = sum of (a - b)^2 over the s-th chunk of CHUNK vectors; memory after the N-th element counts as zero. */
export const msePartial = (oneSubgroup: boolean): string => chunkSums(oneSubgroup, '(dims.N + 3u) / 4u', wgsl`
@group(0) @binding(1) var<storage, read> a: array<vec4f>;            // [N]
@group(0) @binding(2) var<storage, read> b: array<vec4f>;            // [N]
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;  // [ceil(N / (4 CHUNK))]
fn term(i: u32) -> f32 {
  let d = select(vec4f(), a[i] - b[i], 4u * i + vec4u(0u, 1u, 2u, 3u) < vec4u(dims.N));
  return dot(d, d);
}
`);

/** y = sum(partial) / N */
export const mseForward = (oneSubgroup: boolean): string =>
  totalOfChunks(oneSubgroup, 'CHUNKS: u32, N: u32', 'total / f32(dims.N)');

/** da = FACTOR * (a - b) * dy with FACTOR = 2 / N; with the operands exchanged, db. */
export const mseBackward = spanKernel('dims.N4', wgsl`
struct Dims { N4: u32, FACTOR: f32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;         // [N]
@group(0) @binding(2) var<storage, read> b: array<vec4f>;         // [N]
@group(0) @binding(3) var<storage, read> dy: array<f32>;          // [1]
@group(0) @binding(4) var<storage, read_write> da: array<vec4f>;  // [N]
`, wgsl`
  da[i] = factor * (a[i] - b[i]);
`, wgsl`
  let factor = dims.FACTOR * dy[0];
`);
