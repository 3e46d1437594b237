/** Attention of the first token alone: a workgroup per head, whose threads have a key at a time each and a part of the result. */
import { each } from './parts/common.js';
import { groupsPerLane, headArray, headLayout, headLoad, headStore } from './parts/heads.js';
import { rowFragments } from './parts/rows.js';
import { wgsl } from './parts/wgsl.js';

/** Variants of the kernels: head size, and threads of a workgroup, which may be exactly one subgroup. */
export interface ClsVariant {
  readonly HS: number;
  readonly WG: number;
  readonly oneSubgroup: boolean;
}

/** `show(lane, value)`, then `value_of(lane)`: the last value that thread has shown. All threads must call both. */
const exchange = (oneSubgroup: boolean): string => wgsl`
var<private> shown = 0.0;
#if ${oneSubgroup}
fn show(lane: u32, value: f32) { shown = value; }
fn value_of(lane: u32) -> f32 { return subgroupShuffle(shown, lane); }
#else
var<workgroup> shown_by: array<f32, WG>;
fn show(lane: u32, value: f32) {
  workgroupBarrier();
  shown_by[lane] = value;
  workgroupBarrier();
}
fn value_of(lane: u32) -> f32 { return shown_by[lane]; }
#endif
`;

const main = (WG: number): string => wgsl`
@compute @workgroup_size(${WG})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let T = dims.T;
  let head = group.x;
  let image = group.y;
  let q_start = row_start(image * T, 3u, 0u, head);
  let y_start = row_start(image, 1u, 0u, head);
  let stats = image * groups.x + head;
`;

/** y = softmax(q k^T SCALE) v and lse = log(sum(exp(q k^T SCALE))) with q of token 0 */
export const attentionClsForward = ({ HS, WG, oneSubgroup }: ClsVariant): string => {
  const G = groupsPerLane(HS, WG);
  const { enable, sum, max } = rowFragments(oneSubgroup);
  return wgsl`
${enable}
const WG = ${WG}u;
${headLayout(HS)}
@group(0) @binding(1) var<storage, read> qkv: ${headArray(HS)};      // [B, T, 3, NH, HS]
@group(0) @binding(2) var<storage, read_write> y: ${headArray(HS)};  // [B, 1, NH, HS]
@group(0) @binding(3) var<storage, read_write> lse: array<f32>;      // [B, NH, 1]
${headLoad('qkv', HS)}
${headStore('y', HS)}
${sum}
${max}
${exchange(oneSubgroup)}
${main(WG)}
  var peak = -1e30;
  var total = 0.0;
${each(G, (n) => `  var y${n} = vec4f();`)}
  for (var t = 0u; t < T; t += WG) {
    let k_start = row_start(image * T + min(t + lane, T - 1u), 3u, 1u, head);
    var product = 0.0;
    for (var g = 0u; 4u * g < HS; g++) { product += dot(load_qkv(q_start, g), load_qkv(k_start, g)); }
    let score = select(-1e30, LOG2E * SCALE * product, t + lane < T);
    let top = max(peak, workgroup_max(lane, score));
    let fade = exp2(peak - top);
    peak = top;
    let p = exp2(score - top);
    total = total * fade + p;
    show(lane, p);
${each(G, (n) => `    y${n} *= fade;`)}
    for (var key = t; key < min(t + WG, T); key++) {
      let weight = value_of(key - t);
      let v_start = row_start(image * T + key, 3u, 2u, head);
${each(G, (n) => `      y${n} += weight * load_qkv(v_start, lane + ${n}u * WG);`)}
    }
  }
  total = workgroup_sum(lane, total);
${each(G, (n) => `  store_y(y_start, lane + ${n}u * WG, y${n} / total);`)}
  if (lane == 0u) { lse[stats] = (peak + log2(total)) / LOG2E; }
}
`;
};

/**
 * dq = ds k for token 0 and zero for the others, dk = ds q, dv = p dy with p = exp(q k^T SCALE - lse) and
 * ds = p * (dy v^T - sum(dy y)) * SCALE.
 */
export const attentionClsBackward = ({ HS, WG, oneSubgroup }: ClsVariant): string => {
  const G = groupsPerLane(HS, WG);
  return wgsl`
${rowFragments(oneSubgroup).enable}
const WG = ${WG}u;
${headLayout(HS)}
@group(0) @binding(1) var<storage, read> qkv: ${headArray(HS)};         // [B, T, 3, NH, HS]
@group(0) @binding(2) var<storage, read> y: ${headArray(HS)};           // [B, 1, NH, HS]
@group(0) @binding(3) var<storage, read> lse: array<f32>;               // [B, NH, 1]
@group(0) @binding(4) var<storage, read> dy: ${headArray(HS)};          // [B, 1, NH, HS]
@group(0) @binding(5) var<storage, read_write> dqkv: ${headArray(HS)};  // [B, T, 3, NH, HS]
${headLoad('qkv', HS)}
${headLoad('y', HS)}
${headLoad('dy', HS)}
${headStore('dqkv', HS)}
${exchange(oneSubgroup)}
${main(WG)}
  var delta = 0.0;
  for (var g = 0u; 4u * g < HS; g++) { delta += dot(load_dy(y_start, g), load_y(y_start, g)); }
${each(G, (n) => `  var dq${n} = vec4f();`)}
  for (var t = 0u; t < T; t += WG) {
    let start = row_start(image * T + min(t + lane, T - 1u), 3u, 0u, head);
    var product = 0.0;
    var dp = 0.0;
    for (var g = 0u; 4u * g < HS; g++) {
      product += dot(load_qkv(q_start, g), load_qkv(start + C, g));
      dp += dot(load_dy(y_start, g), load_qkv(start + 2u * C, g));
    }
    let p = exp2(LOG2E * (SCALE * product - lse[stats]));
    let ds = SCALE * p * (dp - delta);
    show(lane, ds);
    for (var g = 0u; 4u * g < HS && t + lane < T; g++) {
      if (t + lane > 0u) { store_dqkv(start, g, vec4f()); }
      store_dqkv(start + C, g, ds * load_qkv(q_start, g));
      store_dqkv(start + 2u * C, g, p * load_dy(y_start, g));
    }
    for (var key = t; key < min(t + WG, T); key++) {
      let weight = value_of(key - t);
      let k_start = row_start(image * T + key, 3u, 1u, head);
${each(G, (n) => `      dq${n} += weight * load_qkv(k_start, lane + ${n}u * WG);`)}
    }
  }
${each(G, (n) => `  store_dqkv(q_start, lane + ${n}u * WG, dq${n});`)}
}
`;
};
