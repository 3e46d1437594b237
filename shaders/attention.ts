/** Attention with a streaming softmax: keys and values pass by in tiles, the tokens x tokens matrix is never in memory. */
import { each, remembered } from './parts/common.js';
import { laneColumns, laneProducts, laneRows, laneSums, laneTokens, pairArray, pairLoad, pairStores, rowVector } from './software/headLanes.js';
import { groupsPerLane, headArray, headLayout, headLoad, headStore, partLoads } from './parts/heads.js';
import { wgsl } from './parts/wgsl.js';

/** Below every score, and still finite: the difference of two of them is 0, not NaN. */
const LOWEST = '-1e30';

/** Queries of a workgroup of the tiled kernel, one per thread. */
export const TILE_ROWS = 64;

const declarations = (HS: number, array: (HS: number) => string): string => wgsl`
${headLayout(HS)}
@group(0) @binding(1) var<storage, read> qkv: ${array(HS)};      // [B, T, 3, NH, HS]
@group(0) @binding(2) var<storage, read_write> y: ${array(HS)};  // [B, T, NH, HS]
@group(0) @binding(3) var<storage, read_write> lse: array<f32>;      // [B, NH, T]
`;

/**
 * y = softmax(q k^T SCALE) v and lse = log(sum(exp(q k^T SCALE))), a query per thread: q and y stay in registers while `keys` keys at a time pass
 * through workgroup memory. The sum is of exp(s - peak), peak the largest score so far; a larger one fades what was summed by exp(old - new)
 * (https://arxiv.org/abs/1805.02867).
 */
export const attentionTiled = remembered((HS: number, keys: number): string => {
  const G = groupsPerLane(HS);
  return wgsl`
${declarations(HS, headArray)}
${headLoad('qkv', HS)}
${headStore('y', HS)}
const KEYS = ${keys}u;
const G = ${G}u;
var<workgroup> tile_k: array<vec4f, KEYS * G>;
var<workgroup> tile_v: array<vec4f, KEYS * G>;
var<workgroup> scores: array<f32, KEYS * ${TILE_ROWS}u>;
@compute @workgroup_size(${TILE_ROWS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let T = dims.T;
  let head = group.y;
  let query = group.x * ${TILE_ROWS}u + lane;
  let token = group.z * T + min(query, T - 1u);
  let q_start = row_start(token, 3u, 0u, head);
${each(G, (n) => `  let q${n} = SCALE * LOG2E * load_qkv(q_start, ${n}u); var y${n} = vec4f();`)}
  var peak = ${LOWEST};
  var total = 0.0;
  for (var t = 0u; t < T; t += KEYS) {
    workgroupBarrier();
    for (var i = lane; i < KEYS * G; i += ${TILE_ROWS}u) {
      let start = row_start(group.z * T + min(t + i / G, T - 1u), 3u, 1u, head);
      tile_k[i] = load_qkv(start, i % G);
      tile_v[i] = load_qkv(start + C, i % G);
    }
    workgroupBarrier();
    let end = min(t + KEYS, T);
    var top = peak;
    for (var key = t; key < end; key++) {
      let j = key - t;
      var products = vec4f();
${each(G, (n) => `      products += q${n} * tile_k[j * G + ${n}u];`)}
      let score = products.x + products.y + products.z + products.w;
      scores[j * ${TILE_ROWS}u + lane] = score;
      top = max(top, score);
    }
    let fade = exp2(peak - top);
    peak = top;
    total *= fade;
${each(G, (n) => `    y${n} *= fade;`)}
    for (var key = t; key < end; key++) {
      let j = key - t;
      let p = exp2(scores[j * ${TILE_ROWS}u + lane] - peak);
      total += p;
${each(G, (n) => `      y${n} += p * tile_v[j * G + ${n}u];`)}
    }
  }
  if (query >= T) { return; }
  let y_start = row_start(token, 1u, 0u, head);
${each(G, (n) => `  store_y(y_start, ${n}u, y${n} / total);`)}
  lse[(group.z * groups.y + head) * T + query] = (peak + log2(total)) / LOG2E;
}
`;
});

/** The same for a CPU, in registers: a lane has a few queries, keys and values pass by in tiles; see headLanes.ts. */
export const attentionLanes = remembered((HS: number, lanes: number): string => {
  const columns = laneColumns(lanes);
  return wgsl`
enable subgroups;
${declarations(HS, pairArray)}
${pairLoad('qkv', HS)}
${partLoads('vec2f', 'pair')}
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let T = dims.T;
  let token = group.z * T;
  let head = group.y;
  let first = (group.x * ${lanes}u + lane) * ${laneRows(lanes)}u;
${each(laneRows(lanes), (j) => `  let row${j} = min(first + ${j}u, T - 1u);`)}
  var peak = ${rowVector(lanes)}(${LOWEST});
  var total = ${rowVector(lanes)}();
  var sums = array<${rowVector(lanes)}, HS>();
  for (var t = 0u; t < T; t += ${columns}u) {
${laneTokens(lanes)}
${laneProducts('p', 'q', 'k', HS, lanes)}
    let before = peak;
${each(columns, (i) => `
    p[${i}] = select(${rowVector(lanes)}(${LOWEST}), SCALE * LOG2E * p[${i}], t + ${i}u < T);
    peak = max(peak, p[${i}]);`)}
    let fade = exp2(before - peak);
    total *= fade;
${each(columns, (i) => `
    p[${i}] = exp2(p[${i}] - peak);
    total += p[${i}];`)}
${each(HS, (d) => `    sums[${d}] *= fade;`)}
${laneSums('sums', 'p', 'v', HS, lanes)}
  }
${each(laneRows(lanes), (j) => `
  {
    let start = row_start(token + row${j}, 1u, 0u, head);
${pairStores('y', HS, `first + ${j}u < T`, (d) => `sums[${d}][${j}] / total[${j}]`)}
  }
  if (first + ${j}u < T) {
    lse[(group.z * groups.y + head) * T + row${j}] = (peak[${j}] + log2(total[${j}])) / LOG2E;
  }`)}
}
`;
});
