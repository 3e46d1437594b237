/** Convolution for a CPU that pretends to be a GPU: strips of pixels in registers. */
import { each, each2, linearIndex, list } from '../parts/common.js';
import { gatherDims, gatherOutput, type Added, type Gather } from '../parts/gather.js';
import { remembered } from '../parts/remembered.js';
import { wgsl } from '../parts/wgsl.js';
import { evenChannels, fromLanes } from './lanes.js';

/** The part of a lane of `gatherStrips`: `channels` channels of `pixels` neighbouring pixels of a row. */
export interface Strip {
  readonly pixels: 4 | 8;
  readonly channels: number;
}

/** Layers with few channels have large pictures: there a strip can be longer, so that a load serves more products. */
export const stripOf = (channels: number): Strip =>
  channels <= 40 ? { pixels: 8, channels: evenChannels(channels, 18) } : { pixels: 4, channels: evenChannels(channels, 32) };

const stripsKey = ({ geometry }: Gather, added: Added | undefined, channels: number, lanes: number): string =>
  `${geometry} ${added} ${channels} ${lanes}`;

/** Sources of a strip in a row of x: `count` of them from `first` on, relative to the source of its first pixel's tap 0. */
function sourcesOf({ taps, column }: Gather, pixels: number): { readonly first: number; readonly count: number } {
  const places = Array.from({ length: pixels * taps }, (_, i) => column(i % pixels, Math.floor(i / pixels)));
  const first = Math.min(...places);
  return { first, count: Math.max(...places) - first + 1 };
}

/**
 * Adds the products of one tap of a window's row to the sums, which are `quads` vectors of four pixels for each channel:
 *
 *     let source2_0 = vec4f(x2, x3, x4, x5);                  // sources of four pixels for tap 2, from the row that is loaded
 *     let own2_0 = load_w(n0 + lane, ...);                    // a channel's weight, one of those that the lane loads
 *     let weight2_5 = vec4f(subgroupBroadcast(own2_0, 5u));   // the weight of channel 5, which lane 5 has loaded
 *     sum5_0 = fma(weight2_5, source2_0, sum5_0);
 */
function tapProducts(tap: number, { column }: Gather, firstSource: number, { pixels, channels }: Strip, lanes: number): string {
  const quads = pixels / 4;
  const source = (quad: number, pixel: number): string => `x${column(4 * quad + pixel, tap) - firstSource}`;
  const tapOfW = `window(tap, first.x), window(${tap}u, first.y)`;
  return `
${each(quads, (quad) => `      let source${tap}_${quad} = vec4f(${list(4, (pixel) => source(quad, pixel))});`)}
${each(Math.ceil(channels / lanes), (h) => `      let own${tap}_${h} = load_w(n0 + ${h * lanes}u + lane, r, ${tapOfW});`)}
${each(channels, (n) => `
      let weight${tap}_${n} = vec4f(${fromLanes(`own${tap}_`, n, lanes)});
${each(quads, (quad) => `      sum${n}_${quad} = fma(weight${tap}_${n}, source${tap}_${quad}, sum${n}_${quad});`)}`)}`;
}

/**
 * The convolution of a `Gather`: a lane has a strip of pixels of several channels in registers. For every summed channel and row
 * of the window it loads the sources of its strip once, `x0`, `x1`, ..., and its share of the weights, which it broadcasts.
 */
export const gatherStrips = remembered(stripsKey, (gather, added, channels, lanes) => {
  const strip = stripOf(channels);
  const quads = strip.pixels / 4;
  const sources = sourcesOf(gather, strip.pixels);
  const sums = strip.channels * quads;
  return wgsl`
enable subgroups;
const WG = ${lanes}u;
${gatherDims}
${gatherOutput(added)}
${gather.geometry}
${linearIndex}
fn load_w(n: u32, r: u32, i: u32, j: u32) -> f32 {
  return select(0.0, w[min(n, dims.N - 1) * dims.WN + r * dims.WR + i * K + j], j < K);
}

fn store(n: u32, b: u32, i: u32, j: u32, value: vec4f) {
  let at = ((b * dims.N + n) * dims.YH + i) * dims.YW + j;
  for (var q = 0u; q < 4 && j + q * LATTICE < dims.YW; q++) { put(at + q * LATTICE, n, value[q]); }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let lattice = group.z % (LATTICE * LATTICE);
  let first = vec2u(lattice / LATTICE, lattice % LATTICE);  // as (y, x)
  let n0 = group.z / (LATTICE * LATTICE) * ${strip.channels}u;
  let strip = linear_index(group, lane);
  let row = strip / dims.STRIPS;
  let v = row % dims.LH;
  let b = row / dims.LH;
  let u = strip % dims.STRIPS * ${strip.pixels}u;
  let above = origin(v, first.x);
  let left = origin(u, first.y) + ${sources.first};
${each(sources.count, (c) => `  let j${c} = inside(left + ${c}, dims.XW);`)}
${each2(strip.channels, quads, (n, quad) => `  var sum${n}_${quad} = vec4f();`)}
  for (var tap = 0u; tap < taps(first.x); tap++) {
    let i = inside(source(above, tap), dims.XH);
    let here = i >= 0;
${each(sources.count, (c) => `    let ok${c} = here && j${c} >= 0;`)}
    var at = (min(b, dims.B - 1) * dims.R * dims.XH + u32(max(i, 0))) * dims.XW;
    for (var r = 0u; r < dims.R; r++) {
${each(sources.count, (c) => `      let x${c} = select(0.0, x[at + u32(max(j${c}, 0))], ok${c});`)}
${each(gather.taps, (tap) => tapProducts(tap, gather, sources.first, strip, lanes))}
      at += dims.XH * dims.XW;
    }
  }
  let i = v * LATTICE + first.x;
  if (i >= dims.YH || b >= dims.B) { return; }
  var sums = array<vec4f, ${sums}>(${list(sums, (k) => `sum${Math.floor(k / quads)}_${k % quads}`)});
  for (var k = 0u; k < min(${strip.channels}u, dims.N - n0) * ${quads}u; k++) {
    store(n0 + k / ${quads}u, b, i, (u + k % ${quads}u * 4u) * LATTICE + first.y, sums[k]);
  }
}
`;
});
