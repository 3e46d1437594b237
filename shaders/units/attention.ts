/** Attention on a GPU's matrix units: the forward kernel. */
import { forwardBindings, LOWEST_SCORE } from '../attention.js';
import { each, each2 } from '../parts/common.js';
import { headArray, headLoad, headStore } from '../parts/heads.js';
import { remembered } from '../parts/remembered.js';
import { wgsl } from '../parts/wgsl.js';
import { unitEntry, unitHeader, unitThreads } from './parts.js';
import { bytesOf, type MatrixUnits } from './usable.js';

/** Queries of a workgroup, and those of a subgroup. */
export const UNIT_QUERIES = 64;
const ROWS = 16;
/** Columns that subgroups hand to their threads at a time, and the stride of their rows in memory. */
const COLUMNS = 16, DRAINED = 20;
/** Groups of four elements of a head that the sums have room for. */
const MOST_SIZE = 64;
/** Sums are scaled only where a score exceeds the row's peak by more than this power of two. 2^8 is well inside float16. */
const SLACK = '8.0';

/** Whether units can compute attention with heads of HS: threads share rows evenly, and sums fit registers. */
export const attendsOnUnits = ({ M, N, K, lanes }: MatrixUnits, HS: number): boolean =>
  HS <= MOST_SIZE && [M, N, K].every((side) => ROWS % side === 0) && lanes % ROWS === 0;

/** Sizes of the text: elements, rows and strides in the units' type. */
function sizesOf(units: MatrixUnits, HS: number) {
  const bytes = bytesOf(units.type);
  const pad = 16 / bytes; // so that neighbouring rows are in different banks
  const H = Math.ceil(HS / COLUMNS) * COLUMNS; // of a head, filled up with zeros
  const KEYS = 64 / bytes; // of a tile
  const [S, P] = [H + pad, KEYS + pad]; // strides of keys and values; of probabilities
  const VALUES = Math.max(UNIT_QUERIES * P, KEYS * S); // where values begin
  // A matrix counts as whole rows of its stride, so the last one reaches a row further than it reads.
  const tile = VALUES + (KEYS + 1) * S;
  const threads = unitThreads(units);
  return { H, KEYS, S, P, VALUES, tile, threads, OF_ROW: threads / UNIT_QUERIES, vectors: (KEYS * H) / 2 / threads };
}

/** Row matrices of a subgroup, and columns of matrices in 16 columns. */
const down = ({ M }: MatrixUnits): number => ROWS / M;
const across = ({ N }: MatrixUnits): number => COLUMNS / N;

/** Stores a block of 16 columns of the subgroup's sums `NAME_i_j`. */
const drain = (units: MatrixUnits, name: string, block: number): string => each2(down(units), across(units), (i, j) => wgsl`
      subgroupMatrixStore<row_major>(&drained, rows * ${DRAINED}u + ${i * units.M * DRAINED + j * units.N}u,
        ${name}_${i}_${block * across(units) + j}, ${DRAINED}u);`);

/** The subgroup's queries, as matrices \`kept_i_k\` for good: 16 elements of each head at a time come through the tile. */
const keepQueries = (units: MatrixUnits, HS: number): string => {
  const { H, P, threads } = sizesOf(units, HS);
  return each(H / COLUMNS, (c) => wgsl`
  workgroupBarrier();
  for (var i = lane; i < ${UNIT_QUERIES * 4}u; i += ${threads}u) {
    let q = load_qkv(row_start(token + min(first + i / 4u, T - 1u), 3u, 0u, head), ${4 * c}u + i % 4u);
    let at = i / 4u * ${P}u + i % 4u * 4u;
${each(4, (e) => `    tile[at + ${e}u] = unit(q[${e}]);`)}
  }
  workgroupBarrier();
${each2(down(units), COLUMNS / units.K, (i, k) => wgsl`
  let kept_${i}_${(c * COLUMNS) / units.K + k} = subgroupMatrixLoad<Left, row_major>(
    &tile, rows * ${P}u + ${i * units.M * P + k * units.K}u, ${P}u);`)}`);
};

/** Place of the thread's vector `j` of the keys and values of a tile. */
const placeOf = (units: MatrixUnits, HS: number, j: number): string => {
  const { H, KEYS, threads } = sizesOf(units, HS);
  return wgsl`
      let i = lane + ${j * threads}u;
      let line = i / ${H / 4}u;
      let g = i % ${H / 4}u;
      let key = line % ${KEYS}u;
      let kind = line / ${KEYS}u;  // 0: a key, 1: a value
`;
};

const loadKeys = (units: MatrixUnits, HS: number): string => each(sizesOf(units, HS).vectors, (j) => wgsl`
    {
${placeOf(units, HS, j)}
      next_${j} = load_qkv(row_start(token + min(t + key, T - 1u), 3u, 1u + kind, head), g);
    }`);

const storeKeys = (units: MatrixUnits, HS: number): string => {
  const { S, VALUES, vectors } = sizesOf(units, HS);
  return each(vectors, (j) => wgsl`
    {
${placeOf(units, HS, j)}
      let at = kind * ${VALUES}u + key * ${S}u + 4u * g;
${each(4, (e) => `      tile[at + ${e}u] = unit(next_${j}[${e}]);`)}
    }`);
};

/** Scores of the thread's query with its keys, as powers of two: `s_b_n`, every OF_ROW-th of each block of 16. */
const scores = (units: MatrixUnits, HS: number): string => {
  const { M, N, K } = units;
  const { H, KEYS, S, OF_ROW } = sizesOf(units, HS);
  const blocks = KEYS / COLUMNS;
  const own = COLUMNS / OF_ROW;
  return wgsl`
${each2(ROWS / M, KEYS / N, (i, j) => `    var score_${i}_${j} = Sums();`)}
${each2(H / K, KEYS / N, (k, j) => wgsl`
    {
      let key = subgroupMatrixLoad<Right, col_major>(&tile, ${j * N * S + k * K}u, ${S}u);
${each(ROWS / M, (i) => `      score_${i}_${j} = subgroupMatrixMultiplyAccumulate(kept_${i}_${k}, key, score_${i}_${j});`)}
    }`)}
${each(blocks, (b) => wgsl`
#if ${b > 0}
    workgroupBarrier();
#endif
${drain(units, 'score', b)}
    workgroupBarrier();
${each(own, (n) => `    var s_${b}_${n} = factor * drained[own + ${n * OF_ROW}u];`)}`)}
    if (t + ${KEYS}u > T) {
${each2(blocks, own, (b, n) => `
      if (t + column + ${b * COLUMNS + n * OF_ROW}u >= T) { s_${b}_${n} = ${LOWEST_SCORE}; }`)}
    }
    var top = s_0_0;
${each2(blocks, own, (b, n) => `    top = max(top, s_${b}_${n});`)}
`;
};

/** Raises the peaks of all rows, and scales their sums down: through memory, a block of columns at a time. */
const rescale = (units: MatrixUnits, HS: number): string => {
  const { H, OF_ROW } = sizesOf(units, HS);
  return wgsl`
    if (top > peak + ${SLACK}) { atomicStore(&rises, 1u); }
    if (workgroupUniformLoad(&rises) != 0u) {
      if (lane == 0u) { atomicStore(&rises, 0u); }
      shared_row[row * ${OF_ROW}u + column] = top;
      workgroupBarrier();
      var risen = peak;
${each(OF_ROW, (n) => `      risen = max(risen, shared_row[row * ${OF_ROW}u + ${n}u]);`)}
      let fade = exp2(peak - risen);
      peak = risen;
      total *= fade;
${each(H / COLUMNS, (b) => wgsl`
${drain(units, 'y', b)}
      workgroupBarrier();
      for (var n = column; n < ${COLUMNS}u; n += ${OF_ROW}u) { drained[row * ${DRAINED}u + n] *= fade; }
      workgroupBarrier();
${each2(down(units), across(units), (i, j) => wgsl`
      y_${i}_${b * across(units) + j} = subgroupMatrixLoad<Sums, row_major>(
        &drained, rows * ${DRAINED}u + ${i * units.M * DRAINED + j * units.N}u, ${DRAINED}u);`)}
      workgroupBarrier();`)}
    }
`;
};

/** Adds to the sums the probabilities times the values of the tile. */
const addValues = (units: MatrixUnits, HS: number): string => {
  const { M, N, K } = units;
  const { H, KEYS, S, P, VALUES, OF_ROW } = sizesOf(units, HS);
  return wgsl`
${each2(KEYS / COLUMNS, COLUMNS / OF_ROW, (b, n) => wgsl`
    let p_${b}_${n} = exp2(s_${b}_${n} - peak);
    total += p_${b}_${n};
    tile[row * ${P}u + column + ${b * COLUMNS + n * OF_ROW}u] = unit(p_${b}_${n});`)}
    workgroupBarrier();
    for (var step = 0u; step < ${KEYS}u; step += ${K}u) {
${each(ROWS / M, (i) => wgsl`
      let p${i} = subgroupMatrixLoad<Left, row_major>(&tile, (rows + ${i * M}u) * ${P}u + step, ${P}u);`)}
${each(H / N, (j) => wgsl`
      let v${j} = subgroupMatrixLoad<Right, row_major>(&tile, ${VALUES + j * N}u + step * ${S}u, ${S}u);
${each(ROWS / M, (i) => `      y_${i}_${j} = subgroupMatrixMultiplyAccumulate(p${i}, v${j}, y_${i}_${j});`)}`)}
    }
`;
};

const storeRows = (units: MatrixUnits, HS: number): string => {
  const { H, OF_ROW, threads } = sizesOf(units, HS);
  const sum = (row: string): string =>
    Array.from({ length: OF_ROW }, (_, n) => `shared_row[${row} * ${OF_ROW}u + ${n}u]`).join(' + ');
  return wgsl`
  shared_row[row * ${OF_ROW}u + column] = total;
${each(H / COLUMNS, (b) => wgsl`
  workgroupBarrier();
${drain(units, 'y', b)}
  workgroupBarrier();
  for (var i = lane; i < ${UNIT_QUERIES * 4}u; i += ${threads}u) {
    let line = i / 4u;
    let at = line * ${DRAINED}u + i % 4u * 4u;
    if (first + line < T) {
      let sums = vec4f(drained[at], drained[at + 1u], drained[at + 2u], drained[at + 3u]);
      store_y(row_start(token + first + line, 1u, 0u, head), ${4 * b}u + i % 4u, sums / (${sum('line')}));
    }
  }`)}
  if (column == 0u && first + row < T) {
    lse[(group.z * groups.y + head) * T + first + row] = (peak + log2(${sum('row')})) / LOG2E;
  }
`;
};

const keyOf = (units: MatrixUnits, HS: number): string => [...Object.values(units), HS].join();

/**
 * `attentionTiled` on matrix units. A subgroup has 16 queries, whose matrices it keeps. Scores and probabilities change hands
 * through memory, where threads share a row. Sums of values stay in matrices, of which no row can be scaled, so a row's peak
 * rises only when a score exceeds it by more than 2^8; then the sums go through memory too.
 */
export const attentionUnits = remembered(keyOf, (units, HS) => {
  const { H, KEYS, tile, threads, OF_ROW, vectors } = sizesOf(units, HS);
  return wgsl`
${unitHeader(units)}
${forwardBindings(HS, headArray)}
${headLoad('qkv', HS, HS === H)}
${headStore('y', HS)}
var<workgroup> tile: array<unit, ${tile}>;  // queries; then keys, later probabilities; then values
var<workgroup> drained: array<f32, ${(UNIT_QUERIES + 1) * DRAINED}>;
var<workgroup> shared_row: array<f32, ${threads}>;
var<workgroup> rises: atomic<u32>;
${unitEntry(units)}
fn main(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_id) part: u32, @builtin(subgroup_invocation_id) place: u32,
) {
  let T = dims.T;
  let head = group.y;
  let first = group.x * ${UNIT_QUERIES}u;
  let token = group.z * T;
  let factor = SCALE * LOG2E;
  let rows = part * ${ROWS}u;
  let row = rows + place / ${OF_ROW}u;     // the thread's query
  let column = place % ${OF_ROW}u;         // its first key
  let own = row * ${DRAINED}u + column;
  if (lane == 0u) { atomicStore(&rises, 0u); }
${keepQueries(units, HS)}
  var peak = ${LOWEST_SCORE};
  var total = 0.0;  // of the thread's keys
${each2(ROWS / units.M, H / units.N, (i, j) => `  var y_${i}_${j} = Sums();`)}
${each(vectors, (j) => `  var next_${j} = vec4f();`)}
  {
    let t = 0u;
${loadKeys(units, HS)}
  }
  for (var begin = 0u; begin < T; begin += ${KEYS}u) {
    workgroupBarrier();
${storeKeys(units, HS)}
    workgroupBarrier();
    if (begin + ${KEYS}u < T) {
      let t = begin + ${KEYS}u;
${loadKeys(units, HS)}
    }
    let t = begin;
${scores(units, HS)}
${rescale(units, HS)}
${addValues(units, HS)}
  }
${storeRows(units, HS)}
}
`;
});
