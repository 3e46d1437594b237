/** Attention with a streaming softmax: keys and values are read in tiles, and the T x T matrix is never in memory. */
import { each, each2 } from './parts/common.js';
import { groupsPerLane, headArray, headLayout, headLoad, headStore, partLoads } from './parts/heads.js';
import { remembered } from './parts/remembered.js';
import { wgsl } from './parts/wgsl.js';

/** Below every score, and still finite: the difference of two of them is 0, not NaN. */
export const LOWEST_SCORE = '-1e30';

/** Queries of a workgroup of the forward kernel, one per thread. */
export const TILE_ROWS = 64;

/** Queries or keys of a workgroup of the backward kernel, four threads each. */
export const BACKWARD_TILE_ROWS = 16;

/** Bindings of the forward kernels, heads being arrays of type `array(HS)`. */
export const forwardBindings = (HS: number, array: (HS: number) => string): string => wgsl`
${headLayout(HS)}
@group(0) @binding(1) var<storage, read> qkv: ${array(HS)};      // [B, T, 3, NH, HS]
@group(0) @binding(2) var<storage, read_write> y: ${array(HS)};  // [B, T, NH, HS]
@group(0) @binding(3) var<storage, read_write> lse: array<f32>;      // [B, NH, T]
`;

/**
 * y = softmax(q k^T SCALE) v and lse = log(sum(exp(q k^T SCALE))), a query per thread: q and y stay in registers, while `keys`
 * keys and values at a time are in workgroup memory. The sum is of exp(s - peak), peak being the largest score so far; a larger
 * one scales the sum down by exp(old - new) (https://arxiv.org/abs/1805.02867).
 */
export const attentionTiled = remembered((HS: number, keys: number) => `${HS} ${keys}`, (HS, keys) => {
  const G = groupsPerLane(HS);
  return wgsl`
${forwardBindings(HS, headArray)}
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
  var peak = ${LOWEST_SCORE};
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

/** delta = sum of dy y over a head's elements; a thread per head and token. */
export const attentionDelta = (HS: number): string => wgsl`
override WG: u32;
${headLayout(HS)}
@group(0) @binding(1) var<storage, read> dy: ${headArray(HS)};     // [B, T, NH, HS]
@group(0) @binding(2) var<storage, read> y: ${headArray(HS)};      // [B, T, NH, HS]
@group(0) @binding(3) var<storage, read_write> delta: array<f32>;  // [B, NH, T]
${headLoad('dy', HS)}
${headLoad('y', HS)}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let t = group.x * WG + lane;
  if (t >= dims.T) { return; }
  let start = row_start(group.z * dims.T + t, 1u, 0u, group.y);
  var total = 0.0;
  for (var g = 0u; 4u * g < HS; g++) { total += dot(load_dy(start, g), load_y(start, g)); }
  delta[(group.z * groups.y + group.y) * dims.T + t] = total;
}
`;

/**
 * The gradient of attention, with scores computed again from the saved log-sum-exp. With p = exp(q k^T SCALE - lse) and
 * ds = p * (dy v^T - delta) * SCALE: dq = ds k, dk = ds^T q, dv = p^T dy. The rows of a workgroup are queries, or they are keys.
 * The others are its columns, which it passes through in tiles.
 */
export interface Role {
  /** Tensors of a row and of a column: the product of the first two is the score, that of the second two the gradient of p. */
  readonly row: readonly [string, string];
  readonly column: readonly [string, string];
  /** Parts of dqkv that it gives: the sum of ds times the column's first and, for keys, that of p times its second. */
  readonly parts: readonly number[];
}
export const queries: Role = { row: ['q', 'dy'], column: ['k', 'v'], parts: [0] };
export const keys: Role = { row: ['k', 'v'], column: ['q', 'dy'], parts: [1, 2] };

/** Bindings of the gradients' kernels, heads being arrays of type `array(HS)`. */
export const backwardBindings = (HS: number, array: (HS: number) => string): string => wgsl`
${headLayout(HS)}
@group(0) @binding(1) var<storage, read> qkv: ${array(HS)};         // [B, T, 3, NH, HS]
@group(0) @binding(2) var<storage, read> dys: ${array(HS)};         // [B, T, NH, HS]
@group(0) @binding(3) var<storage, read> lse: array<f32>;           // [B, NH, T]
@group(0) @binding(4) var<storage, read> delta: array<f32>;         // [B, NH, T]
@group(0) @binding(5) var<storage, read_write> dqkv: ${array(HS)};  // [B, T, 3, NH, HS]
`;

/** `partLoads`, and `load_dy` in the same way. */
export const backwardLoads = (type: string, load: string): string => wgsl`
${partLoads(type, load)}
fn load_dy(token: u32, head: u32, g: u32) -> ${type} { return ${load}_dys(row_start(token, 1u, 0u, head), g); }
`;

/** The entry point: the rows of even workgroups along z are keys, which take longer, those of odd ones queries. */
export const backwardMain = (size: number): string => wgsl`
@compute @workgroup_size(${size})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let image = group.z / 2u;
  let token = image * dims.T;
  let stats = (image * groups.y + group.y) * dims.T;
  if (group.z % 2u == 0u) {
    keys(group.x * ROWS, group.y, token, stats, lane);
  } else {
    queries(group.x * ROWS, group.y, token, stats, lane);
  }
}
`;

/** Four threads share a row, each with every fourth group of its elements; `columns` columns at a time form a tile. */
export const attentionBackwardTiled = remembered((HS: number, columns: number) => `${HS} ${columns}`, (HS, columns) => wgsl`
${backwardBindings(HS, headArray)}
${headLoad('qkv', HS)}
${headLoad('dys', HS)}
${headStore('dqkv', HS)}
${backwardLoads('vec4f', 'load')}
fn probability(product: f32, query: u32) -> f32 { return exp2(LOG2E * (SCALE * product - lse[query])); }
fn score_gradient(p: f32, dp: f32, query: u32) -> f32 { return SCALE * p * (dp - delta[query]); }
const ROWS = ${BACKWARD_TILE_ROWS}u;
const COLUMNS = ${columns}u;
const G = ${4 * groupsPerLane(HS, 4)}u;  // groups of a head, filled up to whole fours with zeros
var<workgroup> tile_0: array<vec4f, COLUMNS * G>;
var<workgroup> tile_1: array<vec4f, COLUMNS * G>;
// Four parts of the products of each row and column; ds and p replace the first of the four.
var<workgroup> part_0: array<f32, ROWS * COLUMNS * 4u>;
var<workgroup> part_1: array<f32, ROWS * COLUMNS * 4u>;
fn whole(v: vec4f) -> f32 { return v.x + v.y + v.z + v.w; }
${tiledRole('keys', keys, HS)}
${tiledRole('queries', queries, HS)}
${backwardMain(4 * BACKWARD_TILE_ROWS)}
`);

function tiledRole(name: string, { row, column, parts }: Role, HS: number): string {
  const G = groupsPerLane(HS, 4);
  return wgsl`
fn ${name}(first: u32, head: u32, token: u32, stats: u32, lane: u32) {
  let T = dims.T;
  let row = first + lane / 4u;
  let own = lane % 4u;
  let row_token = token + min(row, T - 1u);
  let parts = lane / 4u * COLUMNS * 4u;
${each2(2, G, (m, n) => `  let r${m}_${n} = load_${row[m]!}(row_token, head, own + ${4 * n}u);`)}
${each2(parts.length, G, (m, n) => `  var d${m}_${n} = vec4f();`)}
  for (var t = 0u; t < T; t += COLUMNS) {
    workgroupBarrier();
    for (var i = lane; i < COLUMNS * G; i += 4u * ROWS) {
      let column_token = token + min(t + i / G, T - 1u);
      tile_0[i] = load_${column[0]}(column_token, head, i % G);
      tile_1[i] = load_${column[1]}(column_token, head, i % G);
    }
    workgroupBarrier();
    let end = min(t + COLUMNS, T);
    for (var column = t; column < end; column++) {
      let j = column - t;
      var product_0 = vec4f();
      var product_1 = vec4f();
${each2(2, G, (m, n) => `      product_${m} += r${m}_${n} * tile_${m}[j * G + own + ${4 * n}u];`)}
      part_0[parts + 4u * j + own] = whole(product_0);
      part_1[parts + 4u * j + own] = whole(product_1);
    }
    workgroupBarrier();
    for (var column = t + own; column < end; column += 4u) {
      let at = parts + 4u * (column - t);
      let query = stats + ${row[0] === 'q' ? 'min(row, T - 1u)' : 'column'};
      let p = probability(part_0[at] + part_0[at + 1u] + part_0[at + 2u] + part_0[at + 3u], query);
      let ds = score_gradient(p, part_1[at] + part_1[at + 1u] + part_1[at + 2u] + part_1[at + 3u], query);
      part_0[at] = ds;
      part_1[at] = p;
    }
    workgroupBarrier();
    for (var column = t; column < end; column++) {
      let j = column - t;
${each(parts.length, (m) => `
      let w${m} = part_${m}[parts + 4u * j];
${each(G, (n) => `      d${m}_${n} += w${m} * tile_${m}[j * G + own + ${4 * n}u];`)}`)}
    }
  }
  if (row >= T) { return; }
${each2(parts.length, G, (m, n) => `  store_dqkv(row_start(row_token, 3u, ${parts[m]!}u, head), own + ${4 * n}u, d${m}_${n});`)}
}
`;
}
