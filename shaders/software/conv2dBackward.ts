/** The weight gradient of a convolution for a CPU that pretends to be a GPU: strips of pixels in registers. */
import { weightDims } from '../conv2dBackward.js';
import { each, each2, list } from '../parts/common.js';
import type { Gather } from '../parts/gather.js';
import { remembered } from '../parts/remembered.js';
import { wgsl } from '../parts/wgsl.js';
import { evenChannels, fromLanes } from './lanes.js';

/** Neighbouring pixels of a row that a lane of `weightStrips` works on at a time. */
export const STRIP = 4;

/** Written channels of `weightStrips` that a lane holds: fewer than forward, with a sum for each tap. */
export const weightChannels = (channels: number): number => evenChannels(channels, 16);

/** Window rows of `weightStrips` that a lane works on: fewer if a row is wider. */
export const rowsPerLane = (K: number): number => (K === 1 ? 2 : 1);

const stripsKey = ({ geometry }: Gather, K: number, channels: number, lanes: number): string =>
  `${geometry} ${K} ${channels} ${lanes}`;

/**
 * Adds the products of one element of dy to the sums, one for each window row and tap:
 *
 *     let dy5_2 = subgroupBroadcast(own0, 22u);   // pixel 2 of channel 5: a lane loads one pixel of one channel
 *     sum5_0_1 = fma(dy5_2, x0_3, sum5_0_1);      // window row 0, tap 1, whose source for pixel 2 is x0_3
 */
const pixelProducts = (channel: number, pixel: number, { column }: Gather, K: number, lanes: number): string => `
    let dy${channel}_${pixel} = ${fromLanes('own', channel * STRIP + pixel, lanes)};
${each2(rowsPerLane(K), K, (row, tap) => {
  const sum = `sum${channel}_${row}_${tap}`;
  return `    ${sum} = fma(dy${channel}_${pixel}, x${row}_${column(pixel, tap)}, ${sum});`;
})}`;

/** Loads the sources of a strip in window row `row`: `x0_0`, `x0_1`, ... for row 0, at the columns `j0`, `j1`, ... */
const rowSources = (row: number, count: number): string => `
    let i${row} = inside(source(above, row${row} % K), dims.XH);
${each(count, (c) => `    let x${row}_${c} = load_x(plane + c${row}, i${row}, j${c});`)}`;

/** Stores the sums of window row `row`. */
const rowStores = (row: number, channels: number, K: number): string => `
  if (row${row} < dims.C * K) {
    var sums = array<f32, ${channels * K}>(${list(channels * K, (i) => `sum${Math.floor(i / K)}_${row}_${i % K}`)});
    for (var i = 0u; i < min(${channels}u, dims.O - o0) * K; i++) {
      dw[((group.z * dims.O + o0 + i / K) * dims.C * K + row${row}) * K + i % K] = sums[i];
    }
  }`;

/**
 * dw[o, c, k] = sum over the split's pixels p of dy[o, p] x[c, source of tap k of p]. A lane has a few window rows (c, ky) of up
 * to 16 written channels in registers. For each strip of four pixels the lanes load dy together and broadcast it, while each
 * loads once the row of x that the four windows share.
 */
export const weightStrips = remembered(stripsKey, (gather, K, channels, lanes) => {
  const held = weightChannels(channels);
  const rows = rowsPerLane(K);
  const channelsPerLoad = lanes / STRIP;
  const sources = gather.column(STRIP - 1, K - 1) + 1;
  return wgsl`
enable subgroups;
${weightDims}
${gather.geometry}
fn load_dy(b: u32, o: u32, v: u32, u: u32) -> f32 {
  let at = ((b * dims.O + min(o, dims.O - 1)) * dims.YH + v) * dims.YW + min(u, dims.YW - 1);
  return select(0.0, dy[at], u < dims.YW);
}

fn load_x(row: u32, i: i32, j: i32) -> f32 {
  return select(0.0, x[(row + u32(max(i, 0))) * dims.XW + u32(max(j, 0))], i >= 0 && j >= 0);
}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let o0 = group.y * ${held}u;
${each(rows, (row) => `
  let row${row} = group.x * ${lanes * rows}u + ${row * lanes}u + lane;
  let c${row} = min(row${row} / K, dims.C - 1) * dims.XH;`)}
  let mine = o0 + lane / ${STRIP}u;
${each(held, (n) => each2(rows, K, (row, tap) => `  var sum${n}_${row}_${tap} = 0.0;`))}
  let begin = group.z * dims.SHARE;
  let end = min(begin + dims.SHARE, dims.B * dims.YH * dims.STRIPS);
  var strip = begin % dims.STRIPS;
  var v = begin / dims.STRIPS % dims.YH;
  var b = begin / (dims.STRIPS * dims.YH);
  for (var s = begin; s < end; s++) {
    let u = strip * ${STRIP}u;
${each(Math.ceil(held / channelsPerLoad), (h) => `
    let own${h} = load_dy(b, mine + ${h * channelsPerLoad}u, v, u + lane % ${STRIP}u);`)}
    let left = origin(u, 0u);
    let above = origin(v, 0u);
    let plane = b * dims.C * dims.XH;
${each(sources, (c) => `    let j${c} = inside(left + ${c}, dims.XW);`)}
${each(rows, (row) => rowSources(row, sources))}
${each2(STRIP, held, (pixel, channel) => pixelProducts(channel, pixel, gather, K, lanes))}
    strip++;
    if (strip == dims.STRIPS) { strip = 0; v++; }
    if (v == dims.YH) { v = 0; b++; }
  }
${each(rows, (row) => rowStores(row, held, K))}
}
`;
});
