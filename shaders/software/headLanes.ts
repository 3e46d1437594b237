/**
 * What attention's kernels for a CPU share. A workgroup is one subgroup. A lane has a few rows (queries, say) and what is summed for them; columns
 * (keys) pass by in tiles. What the lanes load of a tile they tell each other, so that the loads, which cost most there, serve all rows, and
 * nothing is summed across lanes. Elements of a head are loaded by twos: by fours the loops outgrow the processor's cache of instructions.
 */
import { each, wholeSubgroups } from '../parts/common.js';
import { wgsl } from '../parts/wgsl.js';

/** Rows of a lane, side by side in a vector: 32 for a workgroup of 8 or 16 lanes. With more the last workgroup of 197 tokens is mostly empty. */
export const laneRows = (lanes: number): 2 | 4 => (lanes < 16 ? 4 : 2);

/** Rows of a workgroup. */
export const groupRows = (lanes: number): number => lanes * laneRows(lanes);

/** Columns of a tile. */
export const laneColumns = (lanes: number): number => wholeSubgroups(lanes, 48);

/** The type of what a lane has of its rows, and one made of an expression for each. */
export const rowVector = (lanes: number): string => `vec${laneRows(lanes)}f`;
export const ofRows = (lanes: number, row: (j: number) => string): string =>
  `${rowVector(lanes)}(${Array.from({ length: laneRows(lanes) }, (_, j) => row(j)).join()})`;

/** The type of a buffer of heads that is read and written by twos. */
export const pairArray = (HS: number): string => (HS % 2 === 0 ? 'array<vec2f>' : 'array<f32>');

/** `pair_NAME(start, g)`: elements 2 g and 2 g + 1 of the head that starts at `start`; zero for the one past an odd end, anything further on. */
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
 * Stores the head that starts at `start` if `inside` holds; `value(d)` is an expression for element `d`. The condition is in the loop's bound, so that
 * the driver cannot unroll it: a store per lane and element takes most of the time to compile.
 */
export const pairStores = (name: string, HS: number, inside: string, value: (d: string) => string): string => {
  const [items, store] = HS % 2 === 0
    ? [HS / 2, `${name}[start / 2u + i] = vec2f(${value('2u * i')}, ${value('2u * i + 1u')});`]
    : [HS, `${name}[start + i] = ${value('i')};`];
  return `    for (var i = 0u; i < select(0u, ${items}u, ${inside}); i++) { ${store} }`;
};

/** Token `columnH` of each of the columns that a lane loads of the tile that begins at `t`. */
export const laneTokens = (lanes: number): string =>
  each(laneColumns(lanes) / lanes, (h) => `    let column${h} = min(t + ${h * lanes}u + lane, T - 1u);`);

/** An expression for what `own0`, `own1`, ... of the lanes hold of column `i` of the tile. */
export const ofColumn = (own: string, i: number, lanes: number): string => `subgroupBroadcast(${own}${Math.floor(i / lanes)}, ${i % lanes}u)`;

/**
 * A new array `products` of vectors: the lane's rows, `row0` and so on, times each column of the tile, as in `matmulLanes`. `load_ROW` and `load_COLUMN`
 * (token, head, g) give two elements.
 */
export const laneProducts = (products: string, row: string, column: string, HS: number, lanes: number): string => {
  const columns = laneColumns(lanes);
  // Without a value of its own the array keeps those of the last tile on lavapipe, whatever WGSL says of variables in loops.
  return wgsl`
    var ${products} = array<${rowVector(lanes)}, ${columns}>();
    for (var g = 0u; g < ${Math.ceil(HS / 2)}u; g++) {
${each(laneRows(lanes), (j) => `      let r${j} = load_${row}(token + row${j}, head, g);`)}
${each(columns / lanes, (h) => `      let own${h} = load_${column}(token + column${h}, head, g);`)}
${each(columns, (i) => `
      let c${i} = ${ofColumn('own', i, lanes)};
      ${products}[${i}] += ${ofRows(lanes, (j) => `dot(r${j}, c${i})`)};`)}
    }
`;
};

/** Adds to the array `sums`, a vector of the lane's rows for each element of a head, the tile's columns times their `weights`. */
export const laneSums = (sums: string, weights: string, column: string, HS: number, lanes: number): string => {
  const pairs = Math.ceil(HS / 2);
  const element = (s: number, d: number): string => {
    const g = Math.floor(d / 2);
    return `subgroupBroadcast(c${s}_${Math.floor(g / lanes)}[${d % 2}], ${g % lanes}u) * w${s}`;
  };
  return wgsl`
    for (var i = 0u; i < min(${laneColumns(lanes)}u, T - t); i += 2u) {
${each(2, (s) => `
      let w${s} = ${weights}[i + ${s}u];
      let token${s} = token + min(t + i + ${s}u, T - 1u);
${each(Math.ceil(pairs / lanes), (n) => `      let c${s}_${n} = load_${column}(token${s}, head, lane + ${n * lanes}u);`)}`)}
${each(HS, (d) => `      ${sums}[${d}] += ${element(0, d)} + ${element(1, d)};`)}
    }
`;
};
