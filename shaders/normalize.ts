/** Normalisation of an image's three channels. */
import { threadKernel } from './parts/pointwise.js';
import { wgsl } from './parts/wgsl.js';

/** Mean and 1 / deviation of each channel, for every kernel that normalises its output. */
export const normalization = wgsl`
override MEAN_0: f32;
override MEAN_1: f32;
override MEAN_2: f32;
override GAIN_0: f32;
override GAIN_1: f32;
override GAIN_2: f32;
`;

/** y[b, c, p] = (x[b, c, p] - mean[c]) * gain[c] */
export const normalizeForward = threadKernel('dims.N', wgsl`
${normalization}
struct Dims { N: u32, PLANE: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [B, 3, PLANE]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [B, 3, PLANE]
`, wgsl`
  let c = (index / dims.PLANE) % 3u;
  y[index] = (x[index] - vec3f(MEAN_0, MEAN_1, MEAN_2)[c]) * vec3f(GAIN_0, GAIN_1, GAIN_2)[c];
`);
