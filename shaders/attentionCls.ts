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

/**
 * Slices of lanes share the keys of a weighted sum if a workgroup of several subgroups has more lanes than a head has groups of
 * elements. A single subgroup is one slice, whose lanes must stay together to show each other values.
 */
function slicesOf({ HS, WG, oneSubgroup }: ClsVariant) {
  const G = groupsPerLane(HS);
  const count = oneSubgroup ? 1 : Math.max(1, Math.floor(WG / G));
  const width = count > 1 ? G : WG;
  const functions = wgsl`
fn slice_of(lane: u32) -> u32 { return lane / ${width}u; }
fn group_of(lane: u32) -> u32 { return lane % ${width}u; }
#if ${count > 1}
// The sum over all slices. All threads must call it.
var<workgroup> slices: array<vec4f, WG>;
fn over_slices(lane: u32, value: vec4f) -> vec4f {
  slices[lane] = value;
  workgroupBarrier();
  var total = vec4f();
  for (var i = group_of(lane); i < ${count * width}u; i += ${width}u) { total += slices[i]; }
  return total;
}
#else
fn over_slices(lane: u32, value: vec4f) -> vec4f { return value; }
#endif
`;
  const keys = count > 1
    ? `for (var key = t + slice_of(lane); key < min(t + WG, T); key += ${count}u)`
    : 'for (var key = t; key < min(t + WG, T); key++)';
  return { functions, keys };
}

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
export const attentionClsForward = (variant: ClsVariant): string => {
  const { HS, WG, oneSubgroup } = variant;
  const { functions, keys } = slicesOf(variant);
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
${functions}
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
    ${keys} {
      let weight = value_of(key - t);
      let v_start = row_start(image * T + key, 3u, 2u, head);
${each(G, (n) => `      y${n} += weight * load_qkv(v_start, group_of(lane) + ${n}u * WG);`)}
    }
  }
  total = workgroup_sum(lane, total);
${each(G, (n) => `
  y${n} = over_slices(lane, y${n});
  if (slice_of(lane) == 0u) { store_y(y_start, group_of(lane) + ${n}u * WG, y${n} / total); }`)}
  if (lane == 0u) { lse[stats] = (peak + log2(total)) / LOG2E; }
}
`;
};

/**
 * dq = ds k for token 0 and zero for the others, dk = ds q, dv = p dy with p = exp(q k^T SCALE - lse) and
 * ds = p * (dy v^T - sum(dy y)) * SCALE.
 */
export const attentionClsBackward = (variant: ClsVariant): string => {
  const { HS, WG, oneSubgroup } = variant;
  const { functions, keys } = slicesOf(variant);
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
${functions}
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
    ${keys} {
      let weight = value_of(key - t);
      let k_start = row_start(image * T + key, 3u, 1u, head);
${each(G, (n) => `      dq${n} += weight * load_qkv(k_start, group_of(lane) + ${n}u * WG);`)}
    }
  }
${each(G, (n) => `
  dq${n} = over_slices(lane, dq${n});
  if (slice_of(lane) == 0u) { store_dqkv(q_start, group_of(lane) + ${n}u * WG, dq${n}); }`)}
}
`;
};
