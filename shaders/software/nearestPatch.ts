/** The nearest of many rows for a CPU that pretends to be a GPU: the register tiles of a product. */
import { compareKeys, nearestProduct } from '../nearestPatch.js';
import { remembered } from '../parts/remembered.js';
import { productFunctions } from '../parts/tile.js';
import { wgsl } from '../parts/wgsl.js';
import { laneSums, type RegisterTile } from './matmul.js';

const key = (aligned: boolean, { lanes, rows, subgroup }: RegisterTile): string => `${aligned} ${lanes} ${rows} ${subgroup}`;

/** As `nearestPatchTiled`: a lane has four queries and passes through all keys, `tile.rows` at a time. */
export const nearestPatchLanes = remembered(key, (aligned, tile) => wgsl`
#if ${tile.subgroup}
enable subgroups;
#endif
${productFunctions(nearestProduct(aligned), { a: 2, b: 2 }, false)}
@compute @workgroup_size(${tile.lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let a_base = 0u;
  let b_base = 0u;
  let n = (group.x * ${tile.lanes}u + lane) * 4u;
  var best = vec4f(FARTHEST);
  var nearest = vec4f();
  for (var m = 0u; m < dims.M; m += ${tile.rows}u) {
    var sums = array<vec4f, ${tile.rows}>();
${laneSums(nearestProduct(aligned), tile)}
${compareKeys(`min(${tile.rows}u, dims.M - m)`)}
  }
  for (var j = 0u; j < 4u && n + j < dims.N; j++) { index[n + j] = nearest[j]; }
}
`);
