/** Attention with a streaming softmax: keys and values are read in tiles, and the T x T matrix is never in memory. */
import { each, each2, list } from './parts/common.js';
import { groupsPerLane, headArray, headLayout, headLoad, headStore, partLoads } from './parts/heads.js';
import { remembered } from './parts/remembered.js';
import { wgsl } from './parts/wgsl.js';

/** Below every score, and still finite: the difference of two of them is 0, not NaN. */
export const LOWEST_SCORE = '-1e30';

/** Queries of a workgroup of the forward kernel, and the keys that it takes at a time. */
export const TILE_ROWS = 64;
const TILE_KEYS = 32;

/** Most groups of values of a workgroup: sums of more would not fit a thread's registers. */
const MOST_GROUPS = 32;

/**
 * Steps along both products in a turn of their loops. With 4 the loops have a tenth fewer instructions on NVIDIA's GPUs, and
 * AMD's need 8 registers more, which costs vega10 its second wave.
 */
export type Steps = 2 | 4;

/** Workgroups that share the rows of a head, each with a part of its values. */
export const valueParts = (HS: number): number => Math.ceil(groupsPerLane(HS) / MOST_GROUPS);

/** Bindings of the forward kernels, heads being arrays of type `array(HS)`. */
export const forwardBindings = (HS: number, array: (HS: number) => string): string => wgsl`
${headLayout(HS)}
@group(0) @binding(1) var<storage, read> qkv: ${array(HS)};      // [B, T, 3, NH, HS]
@group(0) @binding(2) var<storage, read_write> y: ${array(HS)};  // [B, T, NH, HS]
@group(0) @binding(3) var<storage, read_write> lse: array<f32>;      // [B, NH, T]
`;

/** Constants of the forward kernel's text: sizes are in groups of four elements, strides and places in vectors. */
function forwardSizes(HS: number) {
  const G = groupsPerLane(HS);
  const VG = Math.ceil(Math.min(G, MOST_GROUPS) / 8) * 8; // values of a workgroup, filled up to whole columns of threads
  const D = Math.min(8, G); // of a head, in memory at a time
  const Q = TILE_ROWS + 1; // four steps of all queries; one more, so that the threads that store them hit different banks
  const K = TILE_KEYS + 1;
  const VALUES = Q * 8; // where keys and values begin
  const VK = [32, 16, 8, 4].find((keys) => keys * VG <= K * 8)!; // values in memory at a time
  return { G, VG, D, Q, K, VALUES, VK };
}

/** Copies blocks of four tokens by four elements to the tile, turned over: vectors of one element of four tokens. */
const turnOver = (name: string, first: string, lines: number, D: number, stride: number, at: number): string => `
      for (var i = lane; i < ${(lines / 4) * D}u; i += ${TILE_ROWS}u) {
        let line = ${first} + i / ${D}u * 4u;
        let g = d + i % ${D}u;
${each(4, (j) => `        let v${j} = load_${name}(token + min(line + ${j}u, T - 1u), head, g);`)}
        let to = ${at}u + i % ${D}u * ${stride}u + i / ${D}u;
${each(4, (e) => `        tile[to + ${(e * lines) / 4}u] = vec4f(${list(4, (j) => `v${j}[${e}]`)});`)}
      }`;

/** Scores of a thread's eight queries with its four keys: `s0` ... `s7`. */
const forwardScores = (HS: number, steps: Steps): string => {
  const { G, D, Q, K, VALUES } = forwardSizes(HS);
  return wgsl`
${each(8, (i) => `    var s${i} = vec4f();`)}
    for (var d = 0u; d < ${G}u; d += ${D}u) {
      workgroupBarrier();
${turnOver('q', 'first', TILE_ROWS, D, Q, 0)}
${turnOver('k', 't', TILE_KEYS, D, K, VALUES)}
      workgroupBarrier();
      for (var turn = 0u; turn < ${(4 / steps) * D}u; turn++) {
        let at_q = turn / ${4 / steps}u * ${Q}u + turn % ${4 / steps}u * ${(steps * TILE_ROWS) / 4}u + ty;
        let at_k = ${VALUES}u + turn / ${4 / steps}u * ${K}u + turn % ${4 / steps}u * ${(steps * TILE_KEYS) / 4}u + tx;
${each(steps, (e) => `
        let k${e} = tile[at_k + ${(e * TILE_KEYS) / 4}u];
${each(2, (r) => `        let q${e}_${r} = tile[at_q + ${(e * TILE_ROWS) / 4 + 8 * r}u];`)}
${each(8, (i) => `        s${i} = fma(vec4f(q${e}_${i >> 2}[${i % 4}]), k${e}, s${i});`)}`)}
      }
    }
    if (t + ${TILE_KEYS}u > T) {
      let inside = t + 4u * tx + vec4u(0u, 1u, 2u, 3u) < vec4u(T);
${each(8, (i) => `      s${i} = select(vec4f(${LOWEST_SCORE}), s${i}, inside);`)}
    }
`;
};

/** Turns scores into exp2(factor s - peak), in the tile, after the peaks of all queries have risen. */
const forwardProbabilities = (HS: number): string => {
  const { Q } = forwardSizes(HS);
  return wgsl`
${each(2, (r) => `    parts[tx * 16u + ty + ${8 * r}u] = vec4f(${list(4, (i) => `top(s${4 * r + i})`)});`)}
    workgroupBarrier();
    var highest = ${LOWEST_SCORE};
    for (var x = 0u; x < columns; x++) { highest = max(highest, parts[x * 16u + lane / 4u][lane % 4u]); }
    let risen = max(peak, factor * highest);
    fades[lane] = exp2(peak - risen);
    peaks[lane] = risen;
    peak = risen;
    workgroupBarrier();
${each(2, (r) => `
    {
${each(4, (i) => `      let p${i} = exp2(factor * s${4 * r + i} - peaks[${32 * r + i}u + 4u * ty]);`)}
${each(4, (j) => `      tile[tx * ${Q}u + ${16 * j + 8 * r}u + ty] = vec4f(${list(4, (i) => `p${i}[${j}]`)});`)}
      parts[tx * 16u + ty + ${8 * r}u] = vec4f(${list(4, (i) => `whole(p${i})`)});
    }`)}
`;
};

/** Adds to the thread's sums of eight queries by some groups of values the keys of the tile. */
const forwardSums = (HS: number, steps: Steps): string => {
  const { VG, Q, VALUES, VK } = forwardSizes(HS);
  return wgsl`
    for (var key = 0u; key < ${TILE_KEYS}u; key += ${VK}u) {
      if (key > 0u) { workgroupBarrier(); }
      for (var i = lane; i < ${VK * VG}u; i += ${TILE_ROWS}u) {
        tile[${VALUES}u + i] = load_v(token + min(t + key + i / ${VG}u, T - 1u), head, part * ${MOST_GROUPS}u + i % ${VG}u);
      }
      workgroupBarrier();
      if (key == 0u) {
        total *= fades[lane];
        for (var x = 0u; x < columns; x++) { total += parts[x * 16u + lane / 4u][lane % 4u]; }
${each(8, (i) => `
        let fade${i} = fades[${32 * (i >> 2) + (i % 4)}u + 4u * ty];
${each(VG / 8, (n) => `        y${i}_${n} *= fade${i};`)}`)}
      }
      for (var turn = 0u; turn < ${VK / steps}u; turn++) {
        let at_p = (key / 4u + turn / ${4 / steps}u) * ${Q}u + turn % ${4 / steps}u * ${16 * steps}u + ty;
        let at_v = ${VALUES}u + turn * ${steps * VG}u + tx;
${each(steps, (j) => `
${each(2, (r) => `        let p${j}_${r} = tile[at_p + ${16 * j + 8 * r}u];`)}
${each(VG / 8, (n) => `        let v${j}_${n} = tile[at_v + ${j * VG + 8 * n}u];`)}
${each2(8, VG / 8, (i, n) => `        y${i}_${n} = fma(vec4f(p${j}_${i >> 2}[${i % 4}]), v${j}_${n}, y${i}_${n});`)}`)}
      }
    }
`;
};

/**
 * y = softmax(q k^T SCALE) v and lse = log(sum(exp(q k^T SCALE))), as two products with tiles in workgroup memory: a thread has
 * the scores of eight queries with four keys, then sums of the same queries by some groups of values; the probabilities between
 * the two take the place of the queries. The sum is of exp(s - peak), peak being the largest score so far; a larger one scales
 * the sum down by exp(old - new) (https://arxiv.org/abs/1805.02867).
 */
export const attentionTiled = remembered((HS: number, steps: Steps) => `${HS} ${steps}`, (HS, steps) => {
  const { G, VG, D, K, VALUES } = forwardSizes(HS);
  const columns = VG / 8;
  return wgsl`
${forwardBindings(HS, headArray)}
${headLoad('qkv', HS, G % D === 0 && G % VG === 0)}
${headStore('y', HS)}
${partLoads('vec4f', 'load')}
var<workgroup> tile: array<vec4f, ${VALUES + K * 8}>;  // queries, later probabilities; then keys, later values
var<workgroup> parts: array<vec4f, 128>;      // [8, 64 / 4]: the part of each column of threads in a query's maximum or sum
var<workgroup> peaks: array<f32, ${TILE_ROWS}>;
var<workgroup> fades: array<f32, ${TILE_ROWS}>;
fn top(v: vec4f) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }
fn whole(v: vec4f) -> f32 { return v.x + v.y + v.z + v.w; }
@compute @workgroup_size(${TILE_ROWS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let T = dims.T;
  let head = group.y;
  let part = group.x % ${valueParts(HS)}u;
  let first = group.x / ${valueParts(HS)}u * ${TILE_ROWS}u;
  let token = group.z * T;
  let ty = lane / 8u;
  let tx = lane % 8u;
  let factor = SCALE * LOG2E;
  var peak = ${LOWEST_SCORE};  // of query first + lane
  var total = 0.0;
${each2(8, columns, (i, n) => `  var y${i}_${n} = vec4f();`)}
  for (var t = 0u; t < T; t += ${TILE_KEYS}u) {
    let columns = min(${TILE_KEYS / 4}u, (T - t + 3u) / 4u);  // of threads that have keys
${forwardScores(HS, steps)}
${forwardProbabilities(HS)}
${forwardSums(HS, steps)}
  }
  workgroupBarrier();
  fades[lane] = 1.0 / total;
  workgroupBarrier();
${each(8, (i) => `
  {
    let query = first + ${32 * (i >> 2) + (i % 4)}u + 4u * ty;
    let scale = fades[query - first];
    if (query < T) {
      let start = row_start(token + query, 1u, 0u, head);
${each(columns, (n) => `      store_y(start, part * ${MOST_GROUPS}u + ${8 * n}u + tx, scale * y${i}_${n});`)}
    }
  }`)}
  if (part == 0u && first + lane < T) { lse[(group.z * groups.y + head) * T + first + lane] = (peak + log2(total)) / LOG2E; }
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

/** Inputs of the gradients' kernels, heads being arrays of type `array(HS)`; `fields` are those of `Dims`. */
export const gradientInputs = (HS: number, array: (HS: number) => string, fields?: string): string => wgsl`
${headLayout(HS, fields)}
@group(0) @binding(1) var<storage, read> qkv: ${array(HS)};   // [B, T, 3, NH, HS]
@group(0) @binding(2) var<storage, read> dys: ${array(HS)};   // [B, T, NH, HS]
@group(0) @binding(3) var<storage, read> lse: array<f32>;     // [B, NH, T]
@group(0) @binding(4) var<storage, read> delta: array<f32>;   // [B, NH, T]
`;

/** The same with the whole gradient as output. */
export const backwardBindings = (HS: number, array: (HS: number) => string): string => wgsl`
${gradientInputs(HS, array)}
@group(0) @binding(5) var<storage, read_write> dqkv: ${array(HS)};  // [B, T, 3, NH, HS]
`;

/** `partLoads`, and `load_dy` in the same way. */
export const backwardLoads = (type: string, load: string): string => wgsl`
${partLoads(type, load)}
fn load_dy(token: u32, head: u32, g: u32) -> ${type} { return ${load}_dys(row_start(token, 1u, 0u, head), g); }
`;
