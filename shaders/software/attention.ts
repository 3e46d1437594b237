/** Attention for a CPU that pretends to be a GPU, in registers; see headLanes.ts. */
import { backwardBindings, backwardLoads, forwardBindings, LOWEST_SCORE } from '../attention.js';
import { each, each2 } from '../parts/common.js';
import { partLoads } from '../parts/heads.js';
import { remembered } from '../parts/remembered.js';
import { wgsl } from '../parts/wgsl.js';
import {
  groupRows, laneColumns, laneProducts, laneRows, laneSums, laneTokens, ofRows, pairArray, pairLoad, pairStores, rowsType,
} from './headLanes.js';
import { fromLanes } from './lanes.js';

/** As `attentionTiled`: a lane has a few queries and passes through keys and values in tiles. */
export const attentionLanes = remembered((HS: number, lanes: number) => `${HS} ${lanes}`, (HS, lanes) => {
  const columns = laneColumns(lanes);
  return wgsl`
enable subgroups;
${forwardBindings(HS, pairArray)}
${pairLoad('qkv', HS)}
${partLoads('vec2f', 'pair')}
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let T = dims.T;
  let token = group.z * T;
  let head = group.y;
  let first = (group.x * ${lanes}u + lane) * ${laneRows(lanes)}u;
${each(laneRows(lanes), (j) => `  let row${j} = min(first + ${j}u, T - 1u);`)}
  var peak = ${rowsType(lanes)}(${LOWEST_SCORE});
  var total = ${rowsType(lanes)}();
  var sums = array<${rowsType(lanes)}, HS>();
  for (var t = 0u; t < T; t += ${columns}u) {
${laneTokens(lanes)}
${laneProducts('p', 'q', 'k', HS, lanes)}
    let before = peak;
${each(columns, (i) => `
    p[${i}] = select(${rowsType(lanes)}(${LOWEST_SCORE}), SCALE * LOG2E * p[${i}], t + ${i}u < T);
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

/** The rows of a workgroup of the gradient are queries, or they are keys. The others are its columns. */
interface Role {
  /** Tensors of a row and of a column: the product of the first two is the score, that of the second two the gradient of p. */
  readonly row: readonly [string, string];
  readonly column: readonly [string, string];
  /** Parts of dqkv that it gives: the sum of ds times the column's first and, for keys, that of p times its second. */
  readonly parts: readonly number[];
}
const queries: Role = { row: ['q', 'dy'], column: ['k', 'v'], parts: [0] };
const keys: Role = { row: ['k', 'v'], column: ['q', 'dy'], parts: [1, 2] };

/** The entry point: the rows of even workgroups along z are keys, which take longer, those of odd ones queries. */
const backwardMain = (size: number): string => wgsl`
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

/**
 * The gradient of attention by the formulas of shaders/attentionBackward.ts, in one launch: a lane has a few rows and passes
 * through columns in tiles.
 */
export const attentionBackwardLanes = remembered((HS: number, lanes: number) => `${HS} ${lanes}`, (HS, lanes) => wgsl`
enable subgroups;
${backwardBindings(HS, pairArray)}
${pairLoad('qkv', HS)}
${pairLoad('dys', HS)}
${backwardLoads('vec2f', 'pair')}
const ROWS = ${groupRows(lanes)}u;
${lanesRole('keys', keys, HS, lanes)}
${lanesRole('queries', queries, HS, lanes)}
${backwardMain(lanes)}
`);

function lanesRole(name: string, { row, column, parts }: Role, HS: number, lanes: number): string {
  const columns = laneColumns(lanes);
  const rowsAreQueries = row[0] === 'q';
  /** A statistic of the queries: of the lane's rows, or of column i, which one lane has loaded. */
  const statistic = (name: string, i: number): string => (rowsAreQueries ? name : fromLanes(name, i, lanes));
  return wgsl`
fn ${name}(group_first: u32, head: u32, token: u32, stats: u32, lane: u32) {
  let T = dims.T;
  let first = group_first + lane * ${laneRows(lanes)}u;
${each(laneRows(lanes), (j) => `  let row${j} = min(first + ${j}u, T - 1u);`)}
#if ${rowsAreQueries}
  let lses = ${ofRows(lanes, (j) => `lse[stats + row${j}]`)};
  let deltas = ${ofRows(lanes, (j) => `delta[stats + row${j}]`)};
#endif
${each(parts.length, (m) => `  var sums${m} = array<${rowsType(lanes)}, HS>();`)}
  for (var t = 0u; t < T; t += ${columns}u) {
${laneTokens(lanes)}
${laneProducts('p', row[0], column[0], HS, lanes)}
${laneProducts('ds', row[1], column[1], HS, lanes)}
#if ${!rowsAreQueries}
${each(columns / lanes, (h) => `    let lses${h} = lse[stats + column${h}]; let deltas${h} = delta[stats + column${h}];`)}
#endif
${each(columns, (i) => `
    p[${i}] = select(${rowsType(lanes)}(), exp2(LOG2E * (SCALE * p[${i}] - ${statistic('lses', i)})), t + ${i}u < T);
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
