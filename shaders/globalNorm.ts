/** The length of all gradients of a model taken together, in two stages. */
import { chunkSums, totalOfChunks } from './parts/rows.js';
import { wgsl } from './parts/wgsl.js';

/** partial[s] = sum of x^2 over the s-th chunk of CHUNK elements, without those that have a negative role (gaps). */
export const globalNormPartial = (oneSubgroup: boolean): string => chunkSums(oneSubgroup, 'dims.N', wgsl`
@group(0) @binding(1) var<storage, read> x: array<f32>;              // [N]
@group(0) @binding(2) var<storage, read> roles: array<f32>;          // [N]
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;  // [ceil(N / CHUNK)]
fn term(i: u32) -> f32 {
  let value = select(0.0, x[i], roles[i] >= 0.0);
  return value * value;
}
`);

/** y = sqrt(sum(partial)) */
export const globalNormForward = (oneSubgroup: boolean): string => totalOfChunks(oneSubgroup, 'CHUNKS: u32', 'sqrt(total)');
