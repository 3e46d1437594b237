/** Attention with a streaming softmax: keys and values pass by in tiles, the tokens x tokens matrix is never in memory. */
import { each, each2, remembered } from './common.js';
import { groupsPerLane, headArray, headLayout, headLoad, headStore } from './heads.js';
import { wgsl } from './wgsl.js';

/** Below every score, and still finite: the difference of two of them is 0, not NaN. */
const LOWEST = '-1e30';

/** Queries of a workgroup: of one subgroup, and of the tiled kernel (one per thread). */
export const SUBGROUP_ROWS = 16;
export const TILE_ROWS = 64;

const declarations = (HS: number): string => wgsl`
${headLayout(HS)}
@group(0) @binding(1) var<storage, read> qkv: ${headArray(HS)};      // [B, T, 3, NH, HS]
@group(0) @binding(2) var<storage, read_write> y: ${headArray(HS)};  // [B, T, NH, HS]
@group(0) @binding(3) var<storage, read_write> lse: array<f32>;      // [B, NH, T]
${headLoad('qkv', HS)}
${headStore('y', HS)}
`;

/**
 * y = softmax(q k^T SCALE) v and lse = log(sum(exp(q k^T SCALE))), a query per thread: q and y stay in registers while `keys` keys at a time pass
 * through workgroup memory. The sum is of exp(s - peak), peak the largest score so far; a larger one fades what was summed by exp(old - new)
 * (https://arxiv.org/abs/1805.02867).
 */
export const attentionTiled = remembered((HS: number, keys: number): string => {
  const G = groupsPerLane(HS);
  return wgsl`
${declarations(HS)}
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

/**
 * The same for a workgroup of one subgroup, without workgroup memory. Queries, eight of them, are spread over the lanes, which hand each other what they hold:
 * for the scores a lane looks at one key, for y at its own elements of all values. So every load of a key or value serves all queries.
 */
export const attentionLanes = remembered((HS: number, lanes: number): string => {
  const G = groupsPerLane(HS, lanes);
  const R = SUBGROUP_ROWS;
  return wgsl`
enable subgroups;
${declarations(HS)}
const LANES = ${lanes}u;
fn largest_of_lanes(value: f32) -> f32 {
  var peak = value;
  for (var step = 1u; step < LANES; step *= 2u) { peak = max(peak, subgroupShuffleXor(peak, step)); }
  return peak;
}
@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let T = dims.T;
  let token = group.z * T;
  let head = group.y;
  let first = group.x * ${R}u;
${each2(R, G, (i, n) => `
  let q${i}_${n} = SCALE * LOG2E * load_qkv(row_start(token + min(first + ${i}u, T - 1u), 3u, 0u, head), lane + ${n}u * LANES);
  var y${i}_${n} = vec4f();`)}
${each(R, (i) => `  var peak${i} = ${LOWEST}; var total${i} = 0.0;`)}
  for (var t = 0u; t < T; t += LANES) {
    let k_start = row_start(token + min(t + lane, T - 1u), 3u, 1u, head);
${each(R, (i) => `    var s${i} = 0.0;`)}
    for (var l = 0u; l < LANES; l++) {
${each(G, (n) => `
      let k${n} = load_qkv(k_start, l + ${n}u * LANES);
${each(R, (i) => `      s${i} += dot(subgroupShuffle(q${i}_${n}, l), k${n});`)}`)}
    }
${each(R, (i) => `
    s${i} = select(${LOWEST}, s${i}, t + lane < T);
    let top${i} = max(peak${i}, largest_of_lanes(s${i}));
    let p${i} = exp2(s${i} - top${i});
    let fade${i} = exp2(peak${i} - top${i});
    total${i} = total${i} * fade${i} + p${i};
    peak${i} = top${i};
${each(G, (n) => `    y${i}_${n} *= fade${i};`)}`)}
    for (var key = t; key < min(t + LANES, T); key++) {
      let v_start = row_start(token + key, 3u, 2u, head);
${each(G, (n) => `      let v${n} = load_qkv(v_start, lane + ${n}u * LANES);`)}
${each(R, (i) => `
      let w${i} = subgroupShuffle(p${i}, key - t);
${each(G, (n) => `      y${i}_${n} += w${i} * v${n};`)}`)}
    }
  }
${each(R, (i) => `
  if (first + ${i}u < T) {
    let total = subgroupAdd(total${i});
    let start = row_start(token + first + ${i}u, 1u, 0u, head);
${each(G, (n) => `    store_y(start, lane + ${n}u * LANES, y${i}_${n} / total);`)}
    if (lane == 0u) { lse[(group.z * groups.y + head) * T + first + ${i}u] = (peak${i} + log2(total)) / LOG2E; }
  }`)}
}
`;
});
