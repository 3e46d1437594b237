/**
 * Common to attention's kernels for a CPU. A workgroup is one subgroup. A lane has a few rows (queries, say) and sums for each
 * of them; it passes through columns (keys) in tiles. Each lane loads a share of a tile and broadcasts it, so that the loads,
 * which cost most on a CPU, serve all rows, and nothing is summed across lanes. Elements of a head are loaded by twos: by fours
 * the loops outgrow the processor's cache of instructions.
 */
import { each, list, wholeSubgroups } from '../parts/common.js';
import { wgsl } from '../parts/wgsl.js';
import { fromLanes } from './lanes.js';

/** Rows of a lane, components of one vector. With more of them the last workgroup of 197 tokens is mostly empty. */
export const laneRows = (lanes: number): 2 | 4 => (lanes < 16 ? 4 : 2);

/** Rows of a workgroup. */
export const groupRows = (lanes: number): number => lanes * laneRows(lanes);

/** Columns of a tile. */
export const laneColumns = (lanes: number): number => wholeSubgroups(lanes, 48);

/** The type of a value for each of a lane's rows, and one made of an expression for each. */
export const rowsType = (lanes: number): string => `vec${laneRows(lanes)}f`;
export const ofRows = (lanes: number, row: (j: number) => string): string => `${rowsType(lanes)}(${list(laneRows(lanes), row)})`;

/** The type of a buffer of heads that is read and written by twos. */
export const pairArray = (HS: number): string => (HS % 2 === 0 ? 'array<vec2f>' : 'array<f32>');

/** `pair_NAME(start, g)`: elements 2 g and 2 g + 1 of the head that starts at `start`; zero after an odd end, then undefined. */
export const pairLoad = (name: string, HS: number): string => wgsl`
fn pair_${name}(start: u32, g: u32) -> vec2f {
#if ${HS % 2 === 0}
  return ${name}[start / 2u + g];
#else
  let d = min(2u * g, HS - 1u);
  return vec2f(${name}[start + d], select(0.0, ${name}[start + min(d + 1u, HS - 1u)], d + 1u < HS));
#endif
}
`;

/**
 * Stores the head that starts at `start` if `inside` holds; `value(d)` is an expression for element `d`. The condition is in the
 * loop's bound, so that the driver cannot unroll the loop: a store per lane and element takes long to compile.
 */
export const pairStores = (name: string, HS: number, inside: string, value: (d: string) => string): string => {
  const [items, store] = HS % 2 === 0
    ? [HS / 2, `${name}[start / 2u + i] = vec2f(${value('2u * i')}, ${value('2u * i + 1u')});`]
    : [HS, `${name}[start + i] = ${value('i')};`];
  return `    for (var i = 0u; i < select(0u, ${items}u, ${inside}); i++) { ${store} }`;
};

/** Tokens `column0`, `column1`, ... of the columns that a lane loads, of the tile that begins at `t`. */
export const laneTokens = (lanes: number): string =>
  each(laneColumns(lanes) / lanes, (h) => `    let column${h} = min(t + ${h * lanes}u + lane, T - 1u);`);

/**
 * Declares the array `products`, with a vector of the lane's rows for each column of the tile. For all pairs g of elements:
 *
 *     products[i] += vec2f(dot(r0, c), dot(r1, c))    // r0 and r1 are the lane's rows, c is column i, broadcast
 *
 * `load_ROW` and `load_COLUMN` (token, head, g) give two elements.
 */
export const laneProducts = (products: string, row: string, column: string, HS: number, lanes: number): string => {
  const columns = laneColumns(lanes);
  // Without an explicit value the array keeps those of the last tile on lavapipe, although WGSL requires zeros in every turn.
  return wgsl`
    var ${products} = array<${rowsType(lanes)}, ${columns}>();
    for (var g = 0u; g < ${Math.ceil(HS / 2)}u; g++) {
${each(laneRows(lanes), (j) => `      let r${j} = load_${row}(token + row${j}, head, g);`)}
${each(columns / lanes, (h) => `      let own${h} = load_${column}(token + column${h}, head, g);`)}
${each(columns, (i) => `
      let c${i} = ${fromLanes('own', i, lanes)};
      ${products}[${i}] += ${ofRows(lanes, (j) => `dot(r${j}, c${i})`)};`)}
    }
`;
};

/**
 * Adds the tile's columns times their `weights` to the array `sums`, which has a vector of the lane's rows for each element d of
 * a head. Two columns at a time, of which each lane loads some pairs of elements:
 *
 *     sums[d] += element d of column i * weights[i] + element d of column i + 1 * weights[i + 1]
 */
export const laneSums = (sums: string, weights: string, column: string, HS: number, lanes: number): string => {
  const pairs = Math.ceil(HS / 2);
  const weighted = (s: number, d: number): string => `${fromLanes(`c${s}_`, Math.floor(d / 2), lanes, `[${d % 2}]`)} * w${s}`;
  return wgsl`
    for (var i = 0u; i < min(${laneColumns(lanes)}u, T - t); i += 2u) {
${each(2, (s) => `
      let w${s} = ${weights}[i + ${s}u];
      let token${s} = token + min(t + i + ${s}u, T - 1u);
${each(Math.ceil(pairs / lanes), (n) => `      let c${s}_${n} = load_${column}(token${s}, head, lane + ${n * lanes}u);`)}`)}
${each(HS, (d) => `      ${sums}[${d}] += ${weighted(0, d)} + ${weighted(1, d)};`)}
    }
`;
};
