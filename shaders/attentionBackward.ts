/**
 * The gradient of attention on GPUs, with scores computed again from the saved log-sum-exp. With p = exp(q k^T SCALE - lse) and
 * ds = p * (dy v^T - delta) * SCALE: dv = p^T dy, dk = ds^T q, dq = ds k. A workgroup has some keys and passes through all
 * queries, so each of the five products is computed once. What its keys add to dq is a part, to be summed.
 */
import { backwardLoads, gradientInputs } from './attention.js';
import { each, each2, list } from './parts/common.js';
import { groupsPerLane, headArray, headLoad, headStore } from './parts/heads.js';
import { threadKernel } from './parts/pointwise.js';
import { remembered } from './parts/remembered.js';
import { wgsl } from './parts/wgsl.js';

/** Keys of a workgroup, and the queries that it takes at a time. */
export const TILE_TOKENS = 32;
/**
 * Rows of eight threads: 8 with four keys each, or 4 with eight, which load three quarters as much from workgroup memory for each
 * multiply-add, and need twice the registers.
 */
export type Rows = 4 | 8;
/** Groups of four elements of a head in memory at a time. */
const CHUNK = 8;
/** Chunks of dk and dv that a workgroup sums: more would not fit a thread's registers. */
const MOST_CHUNKS = 2;

/** Chunks of a head: a field of `dims`, since compilers unroll loops whose length they know. */
export const chunksOf = (HS: number): number => Math.ceil(groupsPerLane(HS) / CHUNK);

/** Those of a workgroup. */
const ownChunks = (HS: number): number => Math.min(MOST_CHUNKS, chunksOf(HS));

/** Workgroups that share the keys of a head, each with some chunks of the gradients. */
export const gradientShares = (HS: number): number => Math.ceil(chunksOf(HS) / MOST_CHUNKS);

/** Bindings of the kernels that give dk, dv and parts of dq. */
export const partsBindings = (HS: number): string => wgsl`
${gradientInputs(HS, headArray, 'T: u32, PARTS: u32, CHUNKS: u32')}
@group(0) @binding(5) var<storage, read_write> dkv: ${headArray(HS)};  // [B, T, 2, NH, HS]
@group(0) @binding(6) var<storage, read_write> dqs: ${headArray(HS)};  // [PARTS, B, T, NH, HS]
`;

/**
 * Copies a chunk of the queries' tensor `q` and of the keys' tensor `k`, from group `from` on, to the tiles. Lines beyond the
 * last token repeat it, for probabilities that are finite, or are zero (`zeros`), so that they add nothing.
 */
const copyChunk = (q: string, k: string, from: string, zeros: boolean, Y: Rows): string => {
  const line = (name: string, first: string, count: string): string => {
    const loaded = `load_${name}(token + min(${first} + line, T - 1u), head, group_x)`;
    return zeros ? `select(vec4f(), ${loaded}, line < ${count})` : loaded;
  };
  return wgsl`
      workgroupBarrier();
      let group_x = ${from} + x;
      for (var line = y; line < ${TILE_TOKENS}u; line += ${Y}u) {
        tile_q[line * STRIDE + x] = ${line(q, 't', 'queries')};
        tile_k[line * STRIDE + x] = ${line(k, 'first', 'keys')};
      }
      workgroupBarrier();
`;
};

/** Key i of a thread, apart from 4 y. */
const keyOf = (Y: Rows, i: number): number => 4 * Y * (i >> 2) + (i % 4);

/** The quads of keys that a thread has: y, and y + 4 if there are 4 rows of threads. */
const quads = (Y: Rows, text: (r: number) => string): string => each(TILE_TOKENS / 4 / Y, text);

/** Adds the products of a chunk, of the thread's queries j and keys i, to \`s_I_J\`. */
const addProducts = (Y: Rows): string => wgsl`
      for (var g = 0u; g < ${CHUNK}u; g++) {
${each(4, (j) => `        let q${j} = tile_q[(x + ${8 * j}u) * STRIDE + g];`)}
${each(TILE_TOKENS / Y, (i) => `
        let k${i} = tile_k[(4u * y + ${keyOf(Y, i)}u) * STRIDE + g];
${each(4, (j) => `        s_${i}_${j} = product(k${i}, q${j}, s_${i}_${j});`)}`)}
      }
`;

/** Adds the queries of the tile times what \`tile_p\` has of the thread's keys to \`NAME_0\` ... \`NAME_3\`. */
const addToKeys = (name: string, n: number, Y: Rows): string => wgsl`
      for (var query = 0u; query < queries; query += ${Y / 2}u) {
${each(Y / 2, (e) => `
        let q${e} = tile_q[(query + ${e}u) * STRIDE + x];
${quads(Y, (r) => `        let p${e}_${r} = tile_p[(query + ${e}u) * STRIDE + y + ${r * Y}u];`)}
${each(TILE_TOKENS / Y, (i) => `        ${name}${i}_${n} = fma(vec4f(p${e}_${i >> 2}[${i % 4}]), q${e}, ${name}${i}_${n});`)}`)}
      }
`;

/** A chunk of the part of dq of queries y + Y j, group x, stored. */
const queryPart = (group: string, Y: Rows): string => wgsl`
${each(TILE_TOKENS / Y, (j) => `      var dq${j} = vec4f();`)}
      for (var four = 0u; four < (keys + 3u) / 4u; four++) {
${each(TILE_TOKENS / Y, (j) => `        let p${j} = tile_p[(y + ${Y * j}u) * STRIDE + four];`)}
${each(4, (e) => `
        let k${e} = tile_k[(4u * four + ${e}u) * STRIDE + x];
${each(TILE_TOKENS / Y, (j) => `        dq${j} = fma(vec4f(p${j}[${e}]), k${e}, dq${j});`)}`)}
      }
${each(TILE_TOKENS / Y, (j) =>
  `      add_dq(part_token + t + y + ${Y * j}u, t + y + ${Y * j}u < T, head, ${group}, dq${j}, is_first);`)}
`;

/** Scores of the queries from t on with the workgroup's keys, as probabilities in \`tile_p\`. */
const probabilities = (Y: Rows): string => wgsl`
${each2(TILE_TOKENS / Y, 4, (i, j) => `      var s_${i}_${j} = 0.0;`)}
      for (var c = 0u; c < dims.CHUNKS; c++) {
${copyChunk('q', 'k', `c * ${CHUNK}u`, false, Y)}
${addProducts(Y)}
      }
${each(4, (j) => `
      {
        let query = t + x + ${8 * j}u;
        let log_sum = lse[stats + min(query, T - 1u)];
${quads(Y, (r) => `
        let scores${r} = vec4f(${list(4, (i) => `s_${4 * r + i}_${j}`)});
        tile_p[(x + ${8 * j}u) * STRIDE + y + ${r * Y}u] = exp2(LOG2E * (SCALE * scores${r} - log_sum));`)}
      }`)}
`;

/** `ds` in place of `p`, and `dv` on the way, since both take dy. */
const scoreGradients = (HS: number, Y: Rows): string => wgsl`
${each2(TILE_TOKENS / Y, 4, (i, j) => `      s_${i}_${j} = 0.0;`)}
      for (var c = 0u; c < dims.CHUNKS; c++) {
${copyChunk('dy', 'v', `c * ${CHUNK}u`, true, Y)}
${addProducts(Y)}
${each(ownChunks(HS), (n) => `
        if (c == share * ${MOST_CHUNKS}u + ${n}u) {
${addToKeys('dv', n, Y)}
        }`)}
      }
      workgroupBarrier();
${each(4, (j) => `
      {
        let at = (x + ${8 * j}u) * STRIDE + y;
        let of_query = delta[stats + min(t + x + ${8 * j}u, T - 1u)];
${quads(Y, (r) => `
        let dp${r} = vec4f(${list(4, (i) => `s_${4 * r + i}_${j}`)});
        tile_p[at + ${r * Y}u] = SCALE * tile_p[at + ${r * Y}u] * (dp${r} - of_query);`)}
      }`)}
`;

/**
 * Threads are Y rows of 8: (y, x) has keys 4 y ... 4 y + 3, and those of the quad y + 4 if Y is 4, with queries x + 8 j, then the
 * same keys with group x of each chunk.
 */
export const attentionBackwardTiled = remembered((HS: number, Y: Rows) => `${HS} ${Y}`, (HS, Y) => {
  const chunks = ownChunks(HS);
  const group = (n: number): string => `share * ${MOST_CHUNKS * CHUNK}u + ${n * CHUNK}u`;
  return wgsl`
${partsBindings(HS)}
${headLoad('qkv', HS, groupsPerLane(HS) % (chunks * CHUNK) === 0)}
${headLoad('dys', HS, groupsPerLane(HS) % (chunks * CHUNK) === 0)}
${headLoad('dqs', HS)}
${headStore('dkv', HS)}
${headStore('dqs', HS)}
${backwardLoads('vec4f', 'load')}
const STRIDE = ${CHUNK + 1}u;  // one vector more, so that threads with neighbouring lines hit different banks
var<workgroup> tile_q: array<vec4f, ${TILE_TOKENS * (CHUNK + 1)}>;  // a chunk of q or dy of the queries
var<workgroup> tile_k: array<vec4f, ${TILE_TOKENS * (CHUNK + 1)}>;  // a chunk of k or v of the keys
var<workgroup> tile_p: array<vec4f, ${TILE_TOKENS * (CHUNK + 1)}>;  // p, then ds: [query, keys / 4]
fn product(a: vec4f, b: vec4f, sum: f32) -> f32 { return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum)))); }
fn add_dq(row: u32, ok: bool, head: u32, g: u32, value: vec4f, is_first: bool) {
  if (!ok) { return; }
  let start = row_start(row, 1u, 0u, head);
  if (is_first) { store_dqs(start, g, value); } else { store_dqs(start, g, load_dqs(start, g) + value); }
}
@compute @workgroup_size(${8 * Y})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let T = dims.T;
  let head = group.y;
  let share = group.x % ${gradientShares(HS)}u;
  let part = group.x / ${gradientShares(HS)}u;
  let token = group.z * T;
  let part_token = (part * groups.z + group.z) * T;
  let stats = (group.z * groups.y + head) * T;
  let y = lane / 8u;
  let x = lane % 8u;
  for (var first = part * ${TILE_TOKENS}u; first < T; first += dims.PARTS * ${TILE_TOKENS}u) {
    let is_first = first == part * ${TILE_TOKENS}u;
${each2(TILE_TOKENS / Y, chunks, (i, n) => `    var dk${i}_${n} = vec4f(); var dv${i}_${n} = vec4f();`)}
    let keys = min(${TILE_TOKENS}u, T - first);
    for (var t = 0u; t < T; t += ${TILE_TOKENS}u) {
      let queries = min(${TILE_TOKENS}u, T - t);
${probabilities(Y)}
${scoreGradients(HS, Y)}
      for (var n = 0u; n < min(dims.CHUNKS - share * ${MOST_CHUNKS}u, ${chunks}u); n++) {
        let g = share * ${MOST_CHUNKS * CHUNK}u + n * ${CHUNK}u;
${copyChunk('q', 'k', 'g', true, Y)}
${each(chunks, (n) => `
        if (n == ${n}u) {
${addToKeys('dk', n, Y)}
        }`)}
${queryPart('g + x', Y)}
      }
    }
${each(TILE_TOKENS / Y, (i) => `
    if (first + 4u * y + ${keyOf(Y, i)}u < T) {
      let to = token + first + 4u * y + ${keyOf(Y, i)}u;
${each(chunks, (n) => `
      store_dkv(row_start(to, 2u, 0u, head), ${group(n)} + x, dk${i}_${n});
      store_dkv(row_start(to, 2u, 1u, head), ${group(n)} + x, dv${i}_${n});`)}
    }`)}
  }
}
`;
});

/**
 * dqkv of dk and dv as they are and dq as the sum of its parts. Elements are vectors of four if rows are whole ones; C is the
 * number of a row's.
 */
export const attentionBackwardSum = (vectors: boolean): string => {
  const array = vectors ? 'array<vec4f>' : 'array<f32>';
  return threadKernel('dims.N', wgsl`
override C: u32;
struct Dims { N: u32, PARTS: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> dkv: ${array};         // [B, T, 2, C]
@group(0) @binding(2) var<storage, read> dqs: ${array};         // [PARTS, B, T, C]
@group(0) @binding(3) var<storage, read_write> dqkv: ${array};  // [B, T, 3, C]
`, wgsl`
  let row = index / (3u * C);
  let column = index % (3u * C);
  if (column >= C) {
    dqkv[index] = dkv[row * 2u * C + column - C];
    return;
  }
  let first = row * C + column;
  var total = dqs[first];
  for (var part = 1u; part < dims.PARTS; part++) { total += dqs[part * (dims.N / 3u) + first]; }
  dqkv[index] = total;
`);
};
