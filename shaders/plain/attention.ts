/** Attention as plain loops, without tiles or a streaming softmax: what calibration compares other kernels with. */
import { backwardBindings, backwardLoads, forwardBindings, LOWEST_SCORE } from '../attention.js';
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

/** `NAME(tokens a and b, head)`: the product of a head's rows in two tensors, as `load_A` and `load_B` give them. */
const rowProduct = (name: string, a: string, b: string): string => wgsl`
fn ${name}(at: u32, other: u32, head: u32) -> f32 {
  var total = 0.0;
  for (var n = 0u; n < G; n++) { total += dot(load_${a}(at, head, n), load_${b}(other, head, n)); }
  return total;
}
`;

/** `attentionTiled`'s function by its formula: first the largest score, then the sums. */
export const attentionPlain = remembered(String, (HS: number) => wgsl`
${forwardBindings(HS, headArray)}
${headLoad('qkv', HS)}
${headStore('y', HS)}
${partLoads('vec4f', 'load')}
const G = ${groupsPerLane(HS)}u;
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
    for (var n = 0u; n < G; n++) { sums[n] += p * load_v(tokens + key, head, n); }
  }
  for (var n = 0u; n < G; n++) { store_y(row_start(token, 1u, 0u, head), n, sums[n] / total); }
  lse[stats + t] = peak + log(total);
}
`);

/** `attentionBackwardTiled`'s function by its formula, for a token a thread: as a query `t`, then as a key. */
export const attentionBackwardPlain = remembered(String, (HS: number) => wgsl`
${backwardBindings(HS, headArray)}
${headLoad('qkv', HS)}
${headLoad('dys', HS)}
${headStore('dqkv', HS)}
${backwardLoads('vec4f', 'load')}
const G = ${groupsPerLane(HS)}u;
${rowProduct('score', 'q', 'k')}
${rowProduct('change', 'dy', 'v')}
@compute @workgroup_size(${PLAIN_ROWS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
${rowOfThread}
  var dq = array<vec4f, G>();
  var dk = array<vec4f, G>();
  var dv = array<vec4f, G>();
  for (var j = 0u; j < T; j++) {
    let other = tokens + j;
    let p_query = exp(SCALE * score(token, other, head) - lse[stats + t]);
    let p_key = exp(SCALE * score(other, token, head) - lse[stats + j]);
    let ds_query = SCALE * p_query * (change(token, other, head) - delta[stats + t]);
    let ds_key = SCALE * p_key * (change(other, token, head) - delta[stats + j]);
    for (var n = 0u; n < G; n++) {
      dq[n] += ds_query * load_k(other, head, n);
      dk[n] += ds_key * load_q(other, head, n);
      dv[n] += p_key * load_dy(other, head, n);
    }
  }
  for (var n = 0u; n < G; n++) {
    store_dqkv(row_start(token, 3u, 0u, head), n, dq[n]);
    store_dqkv(row_start(token, 3u, 1u, head), n, dk[n]);
    store_dqkv(row_start(token, 3u, 2u, head), n, dv[n]);
  }
}
`);
