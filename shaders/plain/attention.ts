/** Attention as plain loops, without tiles or a streaming softmax: what calibration compares other kernels with. */
import { backwardBindings, backwardLoads, forwardBindings, LOWEST_SCORE } from '../attention.js';
import { partsBindings, TILE_TOKENS } from '../attentionBackward.js';
import { groupsPerLane, headArray, headLoad, headStore, partLoads } from '../parts/heads.js';
import { remembered } from '../parts/remembered.js';
import { wgsl } from '../parts/wgsl.js';

/** Queries, or keys, of a workgroup, one per thread. */
export const PLAIN_ROWS = 64;

/** The beginning of `main`: the thread's row `t` of a head, and where the image's tokens begin. */
const rowOfThread = wgsl`
  let t = group.x * ${PLAIN_ROWS}u + lane;
  let T = dims.T;
  if (t >= T) { return; }
  let head = group.y;
  let tokens = group.z * T;
  let token = tokens + t;
  let stats = (group.z * groups.y + head) * T;
`;

/** Groups of a head, `G`, in a way that compilers do not see: they would unroll each loop, and then take seconds. */
const groupsOf = (HS: number): string => wgsl`
const G = ${groupsPerLane(HS)}u;
fn group_count() -> u32 { return select(0u, G, dims.T > 0u); }
`;

/** `NAME(tokens a and b, head)`: the product of a head's rows in two tensors, as `load_A` and `load_B` give them. */
const rowProduct = (name: string, a: string, b: string): string => wgsl`
fn ${name}(at: u32, other: u32, head: u32) -> f32 {
  var total = 0.0;
  for (var n = 0u; n < group_count(); n++) { total += dot(load_${a}(at, head, n), load_${b}(other, head, n)); }
  return total;
}
`;

/** `attentionTiled`'s function by its formula: first the largest score, then the sums. */
export const attentionPlain = remembered(String, (HS: number) => wgsl`
${forwardBindings(HS, headArray)}
${headLoad('qkv', HS)}
${headStore('y', HS)}
${partLoads('vec4f', 'load')}
${groupsOf(HS)}
${rowProduct('score', 'q', 'k')}
@compute @workgroup_size(${PLAIN_ROWS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
${rowOfThread}
  var peak = ${LOWEST_SCORE};
  for (var key = 0u; key < T; key++) { peak = max(peak, SCALE * score(token, tokens + key, head)); }
  var total = 0.0;
  var sums = array<vec4f, G>();
  for (var key = 0u; key < T; key++) {
    let p = exp(SCALE * score(token, tokens + key, head) - peak);
    total += p;
    for (var n = 0u; n < group_count(); n++) { sums[n] += p * load_v(tokens + key, head, n); }
  }
  for (var n = 0u; n < group_count(); n++) { store_y(row_start(token, 1u, 0u, head), n, sums[n] / total); }
  lse[stats + t] = peak + log(total);
}
`);

/** The gradient's products and the beginning of its `main`. */
const gradientStart = (HS: number): string => wgsl`
${headLoad('qkv', HS)}
${headLoad('dys', HS)}
${backwardLoads('vec4f', 'load')}
${groupsOf(HS)}
${rowProduct('score', 'q', 'k')}
${rowProduct('change', 'dy', 'v')}
fn ds_of(query: u32, key: u32, head: u32, stats: u32, t: u32) -> f32 {
  let p = exp(SCALE * score(query, key, head) - lse[stats + t]);
  return SCALE * p * (change(query, key, head) - delta[stats + t]);
}
@compute @workgroup_size(${PLAIN_ROWS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
${rowOfThread}
  var dk = array<vec4f, G>();
  var dv = array<vec4f, G>();
  for (var j = 0u; j < T; j++) {
    let query = tokens + j;
    let p = exp(SCALE * score(query, token, head) - lse[stats + j]);
    let ds = ds_of(query, token, head, stats, j);
    for (var n = 0u; n < group_count(); n++) {
      dk[n] += ds * load_q(query, head, n);
      dv[n] += p * load_dy(query, head, n);
    }
  }
`;

/** The gradient by its formula, for a token a thread: as a key, then as query `t`. */
export const attentionBackwardPlain = remembered(String, (HS: number) => wgsl`
${backwardBindings(HS, headArray)}
${headStore('dqkv', HS)}
${gradientStart(HS)}
  var dq = array<vec4f, G>();
  for (var key = tokens; key < tokens + T; key++) {
    let ds = ds_of(token, key, head, stats, t);
    for (var n = 0u; n < group_count(); n++) { dq[n] += ds * load_k(key, head, n); }
  }
  for (var n = 0u; n < group_count(); n++) {
    store_dqkv(row_start(token, 3u, 0u, head), n, dq[n]);
    store_dqkv(row_start(token, 3u, 1u, head), n, dk[n]);
    store_dqkv(row_start(token, 3u, 2u, head), n, dv[n]);
  }
}
`);

/** `attentionBackwardTiled`'s function by its formula, for a token a thread; a part of dq is the sum over every PARTS-th tile. */
export const attentionPartsPlain = remembered(String, (HS: number) => wgsl`
${partsBindings(HS)}
${headStore('dkv', HS)}
${headStore('dqs', HS)}
${gradientStart(HS)}
  for (var n = 0u; n < group_count(); n++) {
    store_dkv(row_start(token, 2u, 0u, head), n, dk[n]);
    store_dkv(row_start(token, 2u, 1u, head), n, dv[n]);
  }
  for (var part = 0u; part < dims.PARTS; part++) {
    var dq = array<vec4f, G>();
    for (var key = 0u; key < T; key++) {
      if (key / ${TILE_TOKENS}u % dims.PARTS != part) { continue; }
      let ds = ds_of(token, tokens + key, head, stats, t);
      for (var n = 0u; n < group_count(); n++) { dq[n] += ds * load_k(tokens + key, head, n); }
    }
    let start = row_start((part * groups.z + group.z) * T + t, 1u, 0u, head);
    for (var n = 0u; n < group_count(); n++) { store_dqs(start, n, dq[n]); }
  }
}
`);
