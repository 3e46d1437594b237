/** The gradient of attention on a GPU's matrix units. */
import { backwardLoads } from '../attention.js';
import { partsBindings, TILE_TOKENS } from '../attentionBackward.js';
import { each, each2 } from '../parts/common.js';
import { headLoad, headStore } from '../parts/heads.js';
import { remembered } from '../parts/remembered.js';
import { wgsl } from '../parts/wgsl.js';
import { attendsOnUnits } from './attention.js';
import { unitEntry, unitHeader, unitPowers, unitThreads } from './parts.js';
import type { MatrixUnits } from './usable.js';

/** Side of a block that a subgroup computes, which is also the number of queries at a time; and the sums of a block. */
const SIDE = 16, BLOCK = SIDE * SIDE;
/** Halves between rows, so that neighbouring ones are in different banks. */
const PAD = 8;

/** Sizes of the text: H elements of a head, filled up with zeros; S and P, strides of rows of a head and of probabilities. */
function sizesOf(units: MatrixUnits, HS: number) {
  const H = Math.ceil(HS / 32) * 32;
  const [S, P] = [H + PAD, SIDE + PAD];
  const threads = unitThreads(units);
  const QUERIES = SIDE * S; // where dy begins, after the queries
  const SCORES = 2 * QUERIES; // then ds, then p
  // Keys and values take the place of all at first. A matrix counts as whole rows of its stride: one row more.
  const tile = Math.max(SCORES + 2 * TILE_TOKENS * P, 2 * TILE_TOKENS * S) + S;
  return { H, S, P, QUERIES, SCORES, tile, threads, vectors: (SIDE * H) / 4 / threads };
}

/** Whether units compute the gradient: those of f16, as operands of f32 would not fit the memory, and whole vectors a thread. */
export const attendsBackOnUnits = (units: MatrixUnits, HS: number): boolean =>
  units.type === 'f16' && attendsOnUnits(units, HS) && Number.isInteger(sizesOf(units, HS).vectors);

/** Row matrices of a block, and its columns of them. */
const down = ({ M }: MatrixUnits): number => SIDE / M;
const across = ({ N }: MatrixUnits): number => SIDE / N;

/** Stores the subgroup's block `NAME_i_j`, from column `first` of matrices on. */
const drain = (units: MatrixUnits, name: string, first = 0): string => each2(down(units), across(units), (i, j) => wgsl`
      subgroupMatrixStore<row_major>(&drained, part * ${BLOCK}u + ${i * units.M * SIDE + j * units.N}u,
        ${name}_${i}_${first + j}, ${SIDE}u);`);

/** Four sums of a block at `at`, as a vector. */
const sumsAt = 'vec4f(drained[at], drained[at + 1u], drained[at + 2u], drained[at + 3u])';

/** Keeps the subgroup's 16 rows of keys, or of values, and for dq all keys of its 16 columns. */
const keepKeys = (units: MatrixUnits, HS: number): string => {
  const { M, N, K } = units;
  const { H, S, threads } = sizesOf(units, HS);
  return wgsl`
    workgroupBarrier();
    for (var i = lane; i < ${(2 * TILE_TOKENS * H) / 4}u; i += ${threads}u) {
      let line = i / ${H / 4}u;
      let g = i % ${H / 4}u;
      let key = min(first + line % ${TILE_TOKENS}u, T - 1u);
      let loaded = load_qkv(row_start(token + key, 3u, 1u + line / ${TILE_TOKENS}u, head), g);
      let at = line * ${S}u + 4u * g;
${each(4, (e) => `      tile[at + ${e}u] = unit(loaded[${e}]);`)}
    }
    workgroupBarrier();
${each2(SIDE / M, H / K, (i, k) => wgsl`
    let kept_${i}_${k} = subgroupMatrixLoad<Left, row_major>(&tile, (part * ${SIDE}u + ${i * M}u) * ${S}u + ${k * K}u, ${S}u);`)}
${each2(TILE_TOKENS / K, across(units), (k, j) => wgsl`
    let kept_k_${k}_${j} = subgroupMatrixLoad<Right, row_major>(&tile, ${k * K * S + j * N}u + block * ${SIDE}u, ${S}u);`)}
`;
};

/** Loads the thread's vectors of the queries from t on, and of their dy, whose largest magnitude it notes. */
const loadQueries = (units: MatrixUnits, HS: number): string => {
  const { H, threads, vectors } = sizesOf(units, HS);
  return wgsl`
      var most = vec4u();
${each(vectors, (j) => wgsl`
      {
        let i = lane + ${j * threads}u;
        let query = token + min(t + i / ${H / 4}u, T - 1u);
        next_q${j} = load_q(query, head, i % ${H / 4}u);
        next_dy${j} = load_dy(query, head, i % ${H / 4}u);
        most = max(most, bitcast<vec4u>(next_dy${j}) & vec4u(0x7fffffffu));
      }`)}
      let largest = subgroupMax(max(max(most.x, most.y), max(most.z, most.w)));
      if (subgroupElect()) { atomicMax(&most_dy, largest); }
`;
};

const storeQueries = (units: MatrixUnits, HS: number): string => {
  const { H, S, QUERIES, threads, vectors } = sizesOf(units, HS);
  return each(vectors, (j) => wgsl`
      {
        let i = lane + ${j * threads}u;
        let at = i / ${H / 4}u * ${S}u + i % ${H / 4}u * 4u;
        let scaled = scale_of(power_dy) * next_dy${j};
${each(4, (e) => `        tile[at + ${e}u] = unit(next_q${j}[${e}]);`)}
${each(4, (e) => `        tile[${QUERIES}u + at + ${e}u] = unit(scaled[${e}]);`)}
      }`);
};

/** Half of the subgroups computes k q^T, the other v dy^T; threads make p and ds of them, a query's for a thread. */
const scoreGradients = (units: MatrixUnits, HS: number): string => {
  const { M, N, K } = units;
  const { H, S, P, QUERIES, SCORES, threads } = sizesOf(units, HS);
  const own = (TILE_TOKENS * SIDE) / threads;
  const place = (n: number): string => `(lane + ${n * threads}u) / ${SIDE}u * ${P}u + query`;
  return wgsl`
${each2(SIDE / M, SIDE / N, (i, j) => `      var s_${i}_${j} = Sums();`)}
${each2(H / K, SIDE / N, (k, j) => wgsl`
      {
        let q = subgroupMatrixLoad<Right, col_major>(&tile, kind * ${QUERIES}u + ${j * N * S + k * K}u, ${S}u);
${each(SIDE / M, (i) => `        s_${i}_${j} = subgroupMatrixMultiplyAccumulate(kept_${i}_${k}, q, s_${i}_${j});`)}
      }`)}
${drain(units, 's')}
      let query = lane % ${SIDE}u;
      let stat = stats + min(t + query, T - 1u);
      let log_sum = LOG2E * lse[stat];
      let mean = delta[stat];
      workgroupBarrier();
      var most = 0.0;
${each(own, (n) => wgsl`
      let key${n} = first + (lane + ${n * threads}u) / ${SIDE}u;
      let score${n} = fma(SCALE * LOG2E, drained[lane + ${n * threads}u], -log_sum);
      let p${n} = select(0.0, exp2(score${n}), t + query < T && key${n} < T);
      let ds${n} = SCALE * p${n} * fma(inverse_of(power_dy), drained[lane + ${n * threads + 2 * BLOCK}u], -mean);
      tile[${SCORES + TILE_TOKENS * P}u + ${place(n)}] = unit(p${n});
      most = max(most, abs(ds${n}));`)}
      let largest = subgroupMax(bitcast<u32>(most));
      if (subgroupElect()) { atomicMax(&most_ds, largest); }
      workgroupBarrier();
      let power_ds = power_of(atomicLoad(&most_ds));
${each(own, (n) => `      tile[${SCORES}u + ${place(n)}] = unit(scale_of(power_ds) * ds${n});`)}
`;
};

/** Half of the subgroups adds to dk, the other to dv; the power of their operand may have fallen. */
const addToKeys = (units: MatrixUnits, HS: number): string => {
  const { M, N, K } = units;
  const { H, S, P, QUERIES, SCORES } = sizesOf(units, HS);
  return wgsl`
      let wanted = select(power_ds, power_dy, kind == 1u);
      if (wanted != power) {
        let ratio = ratio_of(power, wanted);
${each2(SIDE / M, H / N, (i, j) => `        sum_${i}_${j} = subgroupMatrixScalarMultiply(sum_${i}_${j}, ratio);`)}
        power = wanted;
      }
      workgroupBarrier();
${each(SIDE / K, (k) => wgsl`
      {
${each(SIDE / M, (i) => wgsl`
        let p${i} = subgroupMatrixLoad<Left, row_major>(
          &tile, ${SCORES + k * K}u + (part * ${SIDE}u + ${i * M}u) * ${P}u, ${P}u);`)}
${each(H / N, (j) => wgsl`
        let q${j} = subgroupMatrixLoad<Right, row_major>(&tile, kind * ${QUERIES}u + ${k * K * S + j * N}u, ${S}u);
${each(SIDE / M, (i) => `        sum_${i}_${j} = subgroupMatrixMultiplyAccumulate(p${i}, q${j}, sum_${i}_${j});`)}`)}
      }`)}
`;
};

/** The workgroup's part of dq for the queries of the tile: 16 columns a subgroup. */
const queryParts = (units: MatrixUnits, HS: number): string => {
  const { M, N, K } = units;
  const { H, P, SCORES, threads } = sizesOf(units, HS);
  return wgsl`
${each2(SIDE / M, SIDE / N, (i, j) => `      var dq_${i}_${j} = Sums();`)}
${each2(TILE_TOKENS / K, SIDE / M, (k, i) => wgsl`
      {
        let ds = subgroupMatrixLoad<Left, col_major>(&tile, ${SCORES + k * K * P + i * M}u, ${P}u);
${each(SIDE / N, (j) => `        dq_${i}_${j} = subgroupMatrixMultiplyAccumulate(ds, kept_k_${k}_${j}, dq_${i}_${j});`)}
      }`)}
${drain(units, 'dq')}
      workgroupBarrier();
      for (var i = lane; i < ${(SIDE * H) / 4}u; i += ${threads}u) {
        let g = i % ${H / 4}u;
        let line = i / ${H / 4}u;
        let at = g / 4u * ${BLOCK}u + line * ${SIDE}u + g % 4u * 4u;
        if (t + line < T) { add_dq(part_token + t + line, head, g, inverse_of(power_ds) * ${sumsAt}, is_first); }
      }
`;
};

const storeKeys = (units: MatrixUnits, HS: number): string => {
  const { H, threads } = sizesOf(units, HS);
  return each(H / SIDE, (b) => wgsl`
    workgroupBarrier();
${drain(units, 'sum', b * across(units))}
    workgroupBarrier();
    for (var i = lane; i < ${BLOCK}u; i += ${threads}u) {
      let key = i / 4u % ${TILE_TOKENS}u;
      let which = i / ${4 * TILE_TOKENS}u;  // 0: dk, 1: dv
      let at = i * 4u;
      let inverse = inverse_of(select(power_of(atomicLoad(&most_ds)), power_of(atomicLoad(&most_dy)), which == 1u));
      if (first + key < T) {
        store_dkv(row_start(token + first + key, 2u, which, head), ${4 * b}u + i % 4u, inverse * ${sumsAt});
      }
    }`);
};

const keyOf = (units: MatrixUnits, HS: number): string => [...Object.values(units), HS].join();

/**
 * `attentionBackwardTiled` on matrix units, 16 queries at a time. Scores are turned over, [key, query], so that a thread has one
 * query, and p and ds lie as the products for dv and dk want them. Two subgroups have the keys, for dk, two the values, for dv;
 * their matrices stay in registers. dy, and ds, are scaled as their largest value so far asks.
 */
export const attentionBackwardUnits = remembered(keyOf, (units, HS) => {
  const { H, tile, vectors } = sizesOf(units, HS);
  const { M, N } = units;
  return wgsl`
${unitHeader(units)}
${partsBindings(HS)}
${headLoad('qkv', HS, HS === H)}
${headLoad('dys', HS, HS === H)}
${headLoad('dqs', HS)}
${headStore('dkv', HS)}
${headStore('dqs', HS)}
${backwardLoads('vec4f', 'load')}
${unitPowers}
var<workgroup> tile: array<unit, ${tile}>;  // keys and values; then queries, dy, ds and p
var<workgroup> drained: array<f32, ${4 * BLOCK + SIDE}>;
var<workgroup> most_dy: atomic<u32>;
var<workgroup> most_ds: atomic<u32>;
fn add_dq(row: u32, head: u32, g: u32, value: vec4f, is_first: bool) {
  let start = row_start(row, 1u, 0u, head);
  if (is_first) { store_dqs(start, g, value); } else { store_dqs(start, g, load_dqs(start, g) + value); }
}
${unitEntry(units)}
fn main(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_id) part: u32, @builtin(subgroup_invocation_id) place: u32,
) {
  let T = dims.T;
  let head = group.y;
  let token = group.z * T;
  let part_token = (group.x * groups.z + group.z) * T;
  let stats = (group.z * groups.y + head) * T;
  let kind = part / 2u;  // 0: keys, 1: values
  let block = part % ${H / SIDE}u;
  for (var first = group.x * ${TILE_TOKENS}u; first < T; first += dims.PARTS * ${TILE_TOKENS}u) {
    let is_first = first == group.x * ${TILE_TOKENS}u;
    workgroupBarrier();
    if (lane == 0u) {
      atomicStore(&most_dy, 0u);
      atomicStore(&most_ds, 0u);
    }
${keepKeys(units, HS)}
    var power = 254u;
${each2(SIDE / M, H / N, (i, j) => `    var sum_${i}_${j} = Sums();`)}
${each(vectors, (j) => `    var next_q${j} = vec4f();\n    var next_dy${j} = vec4f();`)}
    {
      let t = 0u;
${loadQueries(units, HS)}
    }
    for (var begin = 0u; begin < T; begin += ${SIDE}u) {
      workgroupBarrier();
      let power_dy = power_of(atomicLoad(&most_dy));
${storeQueries(units, HS)}
      workgroupBarrier();
      if (begin + ${SIDE}u < T) {
        let t = begin + ${SIDE}u;
${loadQueries(units, HS)}
      }
      let t = begin;
${scoreGradients(units, HS)}
${addToKeys(units, HS)}
${queryParts(units, HS)}
    }
${storeKeys(units, HS)}
  }
}
`;
});
