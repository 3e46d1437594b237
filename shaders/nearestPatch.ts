/** The nearest of many rows, for every row of a matrix: tiles of a product whose results are compared and never stored. */
import { tileColumns, tiledSums, tileMemory, tileRow, tileRows, tiles, tileThreads } from './matmul.js';
import { each, list } from './parts/common.js';
import { remembered } from './parts/remembered.js';
import { rowKernel } from './parts/rows.js';
import { productFunctions, type Epilogue, type Product } from './parts/tile.js';
import { wgsl } from './parts/wgsl.js';

/** half[n] = ||k[n]||^2 / 2 */
export const nearestPatchNorms = (oneSubgroup: boolean): string => rowKernel(oneSubgroup, wgsl`
@group(0) @binding(1) var<storage, read> k: array<f32>;           // [ROWS, N]
@group(0) @binding(2) var<storage, read_write> half: array<f32>;  // [ROWS]
`, wgsl`
  var total = 0.0;
  for (var n = lane; n < dims.N; n += WG) { total += k[first + n] * k[first + n]; }
  total = workgroup_sum(lane, total);
  if (lane == 0u) { half[row] = 0.5 * total; }
`);

const epilogue: Epilogue = {
  declarations: wgsl`
@group(0) @binding(3) var<storage, read> half: array<f32>;        // [M]: half of a key's squared length
@group(0) @binding(4) var<storage, read_write> index: array<f32>; // [N]
const FARTHEST = -3e38;
`,
  start: 'item()',
  store: '',
};

/** Rows are keys, columns are queries: a thread compares whole keys for the queries it keeps. */
export const nearestProduct = (aligned: boolean): Product => ({ transposeA: false, transposeB: true, aligned, epilogue });

/**
 * Compares the sums of key \`m + i\` with the best of four queries. The nearest key by ||q - k||^2 has the largest
 * q k - ||k||^2 / 2; keys come in rising order and only a better one takes over, so the lowest of equal ones is kept.
 */
export const compareKeys = (count: string): string => wgsl`
  for (var i = 0u; i < ${count}; i++) {
    let closeness = sums[i] - half[m + i];
    let better = closeness > best;
    best = select(best, closeness, better);
    nearest = select(nearest, vec4f(f32(m + i)), better);
  }
`;

/** Keys and queries of a workgroup. */
const tile = tiles.square;
export const TILE_QUERIES = tileColumns(tile);

/** index[q] = argmin over keys m of ||query q - key m||^2, the lowest of equal ones. A workgroup has 64 queries and all keys. */
export const nearestPatchTiled = remembered(String, (aligned: boolean) => wgsl`
${productFunctions(nearestProduct(aligned), { a: 4, b: 4 }, false)}
${tileMemory(tile)}
@compute @workgroup_size(${tileThreads(tile)})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let a_base = 0u;
  let b_base = 0u;
  let b_first = group.x * ${TILE_QUERIES}u;
  let ty = lane / ${tile.TX}u;
  let tx = lane % ${tile.TX}u;
  var best = vec4f(FARTHEST);
  var nearest = vec4f();
  for (var a_first = 0u; a_first < dims.M; a_first += ${tileRows(tile)}u) {
${each(4 * tile.R, (i) => `    var sum_${i}_0 = vec4f();`)}
${tiledSums(nearestProduct(aligned), tile)}
${each(tile.R, (r) => `
    {
      let m = a_first + ${tileRow(tile, 4 * r)};
      let sums = array<vec4f, 4>(${list(4, (i) => `sum_${4 * r + i}_0`)});
${compareKeys('min(4u, max(m, dims.M) - m)')}
    }`)}
  }
  // The threads of a column have every eighth group of four keys each: the tiles' memory holds what they found.
  workgroupBarrier();
  tile_a[lane] = best;
  tile_b[lane] = nearest;
  workgroupBarrier();
  if (lane >= ${tile.TX}u) { return; }
  for (var other = 1u; other < ${tile.TY}u; other++) {
    let closeness = tile_a[other * ${tile.TX}u + lane];
    let key = tile_b[other * ${tile.TX}u + lane];
    let better = (closeness > best) | ((closeness == best) & (key < nearest));
    best = select(best, closeness, better);
    nearest = select(nearest, key, better);
  }
  let first = b_first + 4u * lane;
  for (var j = 0u; j < 4u && first + j < dims.N; j++) { index[first + j] = nearest[j]; }
}
`);
