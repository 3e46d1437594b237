/** Cosine similarity of all pairs of rows for a CPU that pretends to be a GPU. */
import { each } from '../parts/common.js';
import { remembered } from '../parts/remembered.js';
import { wgsl } from '../parts/wgsl.js';
import { similarityBindings } from '../selfSimilarity.js';
import { fromLanes } from './lanes.js';

/** Side of the square tiles of a workgroup, which is one subgroup. */
export const laneSide = (lanes: number): number => 2 * lanes;

/** As `similarityTiled`: a lane has two columns of the tile, and loads two of its rows, which it broadcasts. */
export const similarityLanes = remembered((vectors: boolean, lanes: number) => `${vectors} ${lanes}`, (vectors, lanes) => wgsl`
enable subgroups;
${similarityBindings(vectors)}
const LANES = ${lanes}u;
@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  if (group.x < group.y) { return; }
  let first = group.z * dims.T;
  let last = dims.T - 1u;
  let row = group.y * 2u * LANES;
  let column = group.x * 2u * LANES + lane;
  var sums = array<vec2f, 2u * LANES>();
  for (var g = 0u; 4u * g < C; g++) {
${each(2, (m) => `
    let a${m} = load_k(first + min(row + ${m}u * LANES + lane, last), g);
    let b${m} = load_k(first + min(column + ${m}u * LANES, last), g);`)}
${each(2 * lanes, (i) => `
    let r${i} = ${fromLanes('a', i, lanes)};
    sums[${i}] += vec2f(dot(r${i}, b0), dot(r${i}, b1));`)}
  }
  // The driver cannot unroll a loop with this bound: a store for each sum takes long to compile.
  let rows = min(2u * LANES, dims.T - row);
  for (var i = 0u; i < rows; i++) {
    store(group.z, row + i, column, sums[i].x);
    store(group.z, row + i, column + LANES, sums[i].y);
  }
}
`);
