/** The gradient of attention: scores are computed again from the saved log-sum-exp, tile by tile. */
import { each, each2, remembered } from './parts/common.js';
import { groupRows, laneColumns, laneProducts, laneRows, laneSums, laneTokens, ofColumn, ofRows, pairArray, pairLoad, pairStores, rowVector } from './software/headLanes.js';
import { groupsPerLane, headArray, headLayout, headLoad, headStore, partLoads } from './parts/heads.js';
import { wgsl } from './parts/wgsl.js';

/** Queries or keys of a workgroup of the tiled kernel, four threads each. */
export const BACKWARD_TILE_ROWS = 16;

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
 * What a workgroup does: rows are queries or keys, columns, which pass by, the other ones. With p = exp(q k^T SCALE - lse) and
 * ds = p * (dy v^T - delta) * SCALE: dq = ds k for rows that are queries; dk = ds^T q and dv = p^T dy for rows that are keys.
 */
interface Role {
  /** What a row and a column have: the product of the first is the score, that of the second the gradient of p. */
  readonly row: readonly [string, string];
  readonly column: readonly [string, string];
  /** Parts of dqkv: sums of ds times the column's first and, for keys, of p times its second. */
  readonly parts: readonly number[];
}
const queries: Role = { row: ['q', 'dy'], column: ['k', 'v'], parts: [0] };
const keys: Role = { row: ['k', 'v'], column: ['q', 'dy'], parts: [1, 2] };

const declarations = (HS: number, array: (HS: number) => string): string => wgsl`
${headLayout(HS)}
@group(0) @binding(1) var<storage, read> qkv: ${array(HS)};         // [B, T, 3, NH, HS]
@group(0) @binding(2) var<storage, read> dys: ${array(HS)};         // [B, T, NH, HS]
@group(0) @binding(3) var<storage, read> lse: array<f32>;           // [B, NH, T]
@group(0) @binding(4) var<storage, read> delta: array<f32>;         // [B, NH, T]
@group(0) @binding(5) var<storage, read_write> dqkv: ${array(HS)};  // [B, T, 3, NH, HS]
`;

/** `partLoads`, and `load_dy` in the same way. */
const loads = (type: string, load: string): string => wgsl`
${partLoads(type, load)}
fn load_dy(token: u32, head: u32, g: u32) -> ${type} { return ${load}_dys(row_start(token, 1u, 0u, head), g); }
`;

/** The entry point: even workgroups along z have keys, which take longer, for rows; odd ones queries. */
const main = (size: number): string => wgsl`
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

/** Four threads share a row, each with every fourth group of its elements; `columns` columns at a time pass through workgroup memory. */
export const attentionBackwardTiled = remembered((HS: number, columns: number): string => wgsl`
${declarations(HS, headArray)}
${headLoad('qkv', HS)}
${headLoad('dys', HS)}
${headStore('dqkv', HS)}
${loads('vec4f', 'load')}
fn probability(product: f32, query: u32) -> f32 { return exp2(LOG2E * (SCALE * product - lse[query])); }
fn score_gradient(p: f32, dp: f32, query: u32) -> f32 { return SCALE * p * (dp - delta[query]); }
const ROWS = ${BACKWARD_TILE_ROWS}u;
const COLUMNS = ${columns}u;
const G = ${4 * groupsPerLane(HS, 4)}u;  // groups of a head, filled up to whole fours with zeros
var<workgroup> tile_0: array<vec4f, COLUMNS * G>;
var<workgroup> tile_1: array<vec4f, COLUMNS * G>;
// Of each row and column four parts of the products; their sums become p and ds, kept in the first of the four.
var<workgroup> part_0: array<f32, ROWS * COLUMNS * 4u>;
var<workgroup> part_1: array<f32, ROWS * COLUMNS * 4u>;
fn whole(v: vec4f) -> f32 { return v.x + v.y + v.z + v.w; }
${tiledRole('keys', keys, HS)}
${tiledRole('queries', queries, HS)}
${main(4 * BACKWARD_TILE_ROWS)}
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

/** The same for a CPU, in registers: a lane has a few rows, columns pass by in tiles; see headLanes.ts. */
export const attentionBackwardLanes = remembered((HS: number, lanes: number): string => wgsl`
enable subgroups;
${declarations(HS, pairArray)}
${pairLoad('qkv', HS)}
${pairLoad('dys', HS)}
${loads('vec2f', 'pair')}
const ROWS = ${groupRows(lanes)}u;
${lanesRole('keys', keys, HS, lanes)}
${lanesRole('queries', queries, HS, lanes)}
${main(lanes)}
`);

function lanesRole(name: string, { row, column, parts }: Role, HS: number, lanes: number): string {
  const columns = laneColumns(lanes);
  const rowsAreQueries = row[0] === 'q';
  /** A statistic of query i: of the lane's rows, or of a column that one lane has loaded. */
  const statistic = (name: string, i: number): string => (rowsAreQueries ? name : ofColumn(name, i, lanes));
  return wgsl`
fn ${name}(group_first: u32, head: u32, token: u32, stats: u32, lane: u32) {
  let T = dims.T;
  let first = group_first + lane * ${laneRows(lanes)}u;
${each(laneRows(lanes), (j) => `  let row${j} = min(first + ${j}u, T - 1u);`)}
#if ${rowsAreQueries}
  let lses = ${ofRows(lanes, (j) => `lse[stats + row${j}]`)};
  let deltas = ${ofRows(lanes, (j) => `delta[stats + row${j}]`)};
#endif
${each(parts.length, (m) => `  var sums${m} = array<${rowVector(lanes)}, HS>();`)}
  for (var t = 0u; t < T; t += ${columns}u) {
${laneTokens(lanes)}
${laneProducts('p', row[0], column[0], HS, lanes)}
${laneProducts('ds', row[1], column[1], HS, lanes)}
#if ${!rowsAreQueries}
${each(columns / lanes, (h) => `    let lses${h} = lse[stats + column${h}]; let deltas${h} = delta[stats + column${h}];`)}
#endif
${each(columns, (i) => `
    p[${i}] = select(${rowVector(lanes)}(), exp2(LOG2E * (SCALE * p[${i}] - ${statistic('lses', i)})), t + ${i}u < T);
    ds[${i}] = SCALE * p[${i}] * (ds[${i}] - ${statistic('deltas', i)});`)}
${each(parts.length, (m) => laneSums(`sums${m}`, ['ds', 'p'][m]!, column[m]!, HS, lanes))}
  }
${each2(parts.length, laneRows(lanes), (m, j) => `
  {
    let start = row_start(token + row${j}, 3u, ${parts[m]!}u, head);
${pairStores('dqkv', HS, `first + ${j}u < T`, (d) => `sums${m}[${d}][${j}]`)}
  }`)}
}
`;
}
