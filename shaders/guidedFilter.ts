/** The guided filter with a colour guide (He, Sun and Tang, "Guided image filtering", ECCV 2010). */
import { each, each2 } from './parts/common.js';
import { threadKernel } from './parts/pointwise.js';
import { wgsl } from './parts/wgsl.js';

/** Channels of the moments: guide, x, products of the guide with itself, products of the guide with x. */
export const MOMENTS = 3 + 3 + 6 + 9;
/** The channel of the product of the guide's channels i and j. */
const guideProduct = (i: number, j: number): number => 6 + [0, 1, 2, 1, 3, 4, 2, 4, 5][3 * i + j]!;
/** The channel of the product of the guide's channel i and channel c of x. */
const crossProduct = (i: number, c: number): number => 12 + 3 * i + c;

/** moments = guide, x, and the products whose means give variances and covariances. */
export const guidedMoments = threadKernel('dims.N', wgsl`
struct Dims { N: u32, PLANE: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> guide: array<f32>;          // [B, 3, PLANE]
@group(0) @binding(2) var<storage, read> x: array<f32>;              // [B, 3, PLANE]
@group(0) @binding(3) var<storage, read_write> moments: array<f32>;  // [B, ${MOMENTS}, PLANE]
`, wgsl`
  let b = index / dims.PLANE;
  let source = 3u * b * dims.PLANE + index % dims.PLANE;
  let start = ${MOMENTS}u * b * dims.PLANE + index % dims.PLANE;
  let g = vec3f(guide[source], guide[source + dims.PLANE], guide[source + 2u * dims.PLANE]);
  let v = vec3f(x[source], x[source + dims.PLANE], x[source + 2u * dims.PLANE]);
${each(3, (i) => `
  moments[start + ${i}u * dims.PLANE] = g[${i}];
  moments[start + ${3 + i}u * dims.PLANE] = v[${i}];`)}
${each2(3, 3, (i, j) => (j < i ? '' : `  moments[start + ${guideProduct(i, j)}u * dims.PLANE] = g[${i}] * g[${j}];`))}
${each2(3, 3, (i, c) => `  moments[start + ${crossProduct(i, c)}u * dims.PLANE] = g[${i}] * v[${c}];`)}
`);

/**
 * gain[3 i + c] = row i, column c of (cov(guide) + EPS I)^-1 cov(guide, x), by elimination (L D L'): Cramer's rule would lose
 * half of the digits where the guide is grey and its colours are one.
 */
export const guidedGainForward = threadKernel('dims.N', wgsl`
override EPS: f32;
struct Dims { N: u32, PLANE: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> means: array<f32>;       // [B, ${MOMENTS}, PLANE]
@group(0) @binding(2) var<storage, read_write> gain: array<f32>;  // [B, 9, PLANE]
fn mean(at: u32, channel: u32) -> f32 { return means[at + channel * dims.PLANE]; }
fn colours(at: u32, first: u32) -> vec3f { return vec3f(mean(at, first), mean(at, first + 1u), mean(at, first + 2u)); }
`, wgsl`
  let b = index / dims.PLANE;
  let at = ${MOMENTS}u * b * dims.PLANE + index % dims.PLANE;
  let start = 9u * b * dims.PLANE + index % dims.PLANE;
  let g = colours(at, 0u);
  let v = colours(at, 3u);
${each2(3, 3, (i, j) => (j < i ? '' : `
  let s${i}${j} = mean(at, ${guideProduct(i, j)}u) - g[${i}] * g[${j}]${i === j ? ' + EPS' : ''};`))}
${each(3, (i) => `  let k${i} = colours(at, ${crossProduct(i, 0)}u) - g[${i}] * v;`)}
  let l10 = s01 / s00;
  let l20 = s02 / s00;
  let d1 = s11 - l10 * s01;
  let e12 = s12 - l20 * s01;
  let l21 = e12 / d1;
  let d2 = s22 - l20 * s02 - l21 * e12;
  let z1 = k1 - l10 * k0;
  let row2 = (k2 - l20 * k0 - l21 * z1) / d2;
  let row1 = z1 / d1 - l21 * row2;
  let row0 = k0 / s00 - l10 * row1 - l20 * row2;
${each2(3, 3, (i, c) => `  gain[start + ${3 * i + c}u * dims.PLANE] = row${i}[${c}];`)}
`);

/** y[c] = sum over i of gain[3 i + c] x[i] */
export const applyGainForward = threadKernel('dims.N', wgsl`
struct Dims { N: u32, PLANE: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> gain: array<f32>;     // [B, 9, PLANE]
@group(0) @binding(2) var<storage, read> x: array<f32>;        // [B, 3, PLANE]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [B, 3, PLANE]
`, wgsl`
  let b = index / dims.PLANE;
  let at = 3u * b * dims.PLANE + index % dims.PLANE;
  let row = 9u * b * dims.PLANE + index % dims.PLANE;
  let v = vec3f(x[at], x[at + dims.PLANE], x[at + 2u * dims.PLANE]);
${each(3, (c) => `
  y[at + ${c}u * dims.PLANE] = dot(v, vec3f(
    gain[row + ${c}u * dims.PLANE], gain[row + ${3 + c}u * dims.PLANE], gain[row + ${6 + c}u * dims.PLANE]));`)}
`);
