/** Colour jitter with its draws given: torchvision's four adjustments in any order. */
import { threadKernel } from './parts/pointwise.js';
import { reducingKernel } from './parts/rows.js';
import { wgsl } from './parts/wgsl.js';

/** `draw` is on, the order of the adjustments (0 brightness, 1 contrast, 2 saturation, 3 hue), then the factor of each. */
const adjustments = wgsl`
struct Dims { B: u32, PLANE: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [B, 3, PLANE]
@group(0) @binding(2) var<storage, read> draw: array<f32, 9>;  // on, order 0..3, brightness, contrast, saturation, hue
const CONTRAST = 1u;

fn is_on() -> bool { return draw[0] > 0.5; }
fn adjustment(step: u32) -> u32 { return u32(draw[1u + step]); }

fn load_x(b: u32, p: u32) -> vec3f {
  let at = b * 3u * dims.PLANE + p;
  return vec3f(x[at], x[at + dims.PLANE], x[at + 2u * dims.PLANE]);
}

fn grey(colour: vec3f) -> f32 { return dot(colour, vec3f(0.2989, 0.587, 0.114)); }

fn blend(colour: vec3f, with_: f32, factor: f32) -> vec3f {
  return clamp(factor * colour + (1.0 - factor) * with_, vec3f(0.0), vec3f(1.0));
}

/** Hue in 0..1, saturation, value: the hexagon formula of PIL, grey having hue 0. */
fn to_hsv(colour: vec3f) -> vec3f {
  let most = max(colour.r, max(colour.g, colour.b));
  let chroma = most - min(colour.r, min(colour.g, colour.b));
  if (chroma == 0.0) { return vec3f(0.0, 0.0, most); }
  let below = (vec3f(most) - colour) / chroma;
  var sextant = 4.0 + below.g - below.r;
  if (most == colour.g) { sextant = 2.0 + below.r - below.b; }
  if (most == colour.r) { sextant = below.b - below.g; }
  return vec3f(fract(sextant / 6.0 + 1.0), chroma / most, most);
}

fn to_rgb(hsv: vec3f) -> vec3f {
  let sextant = floor(hsv.x * 6.0);
  let f = hsv.x * 6.0 - sextant;
  let v = hsv.z;
  let p = clamp(v * (1.0 - hsv.y), 0.0, 1.0);
  let q = clamp(v * (1.0 - hsv.y * f), 0.0, 1.0);
  let t = clamp(v * (1.0 - hsv.y * (1.0 - f)), 0.0, 1.0);
  switch (u32(sextant) % 6u) {
    case 0u: { return vec3f(v, t, p); }
    case 1u: { return vec3f(q, v, p); }
    case 2u: { return vec3f(p, v, t); }
    case 3u: { return vec3f(p, q, v); }
    case 4u: { return vec3f(t, p, v); }
    default: { return vec3f(v, p, q); }
  }
}

fn adjusted(colour: vec3f, which: u32, mean_grey: f32) -> vec3f {
  let factor = draw[5u + which];
  switch (which) {
    case 0u: { return blend(colour, 0.0, factor); }
    case 1u: { return blend(colour, mean_grey, factor); }
    case 2u: { return blend(colour, grey(colour), factor); }
    default: {
      let hsv = to_hsv(colour);
      return to_rgb(vec3f(fract(hsv.x + factor), hsv.yz));
    }
  }
}
`;

/**
 * partials[k, b]: the part of workgroup k in the mean grey of image b after the adjustments before contrast; 0 if off. Contrast
 * blends with their sum over k.
 */
export const colorJitterMean = reducingKernel(false, wgsl`
override PARTS: u32;
${adjustments}
@group(0) @binding(3) var<storage, read_write> partials: array<f32>;  // [PARTS, B]
fn grey_before_contrast(original: vec3f) -> f32 {
  var colour = original;
  for (var step = 0u; step < 4u; step++) {
    let which = adjustment(step);
    if (which == CONTRAST) { break; }
    colour = adjusted(colour, which, 0.0);
  }
  return grey(colour);
}
`, wgsl`
  let b = group.y;
  var sum = 0.0;
  if (is_on()) {
    for (var p = group.x * WG + lane; p < dims.PLANE; p += PARTS * WG) { sum += grey_before_contrast(load_x(b, p)); }
  }
  sum = workgroup_sum(lane, sum);
  if (lane == 0u) { partials[group.x * dims.B + b] = sum / f32(dims.PLANE); }
`);

/** y = the four adjustments of x in the drawn order, or x if off. */
export const colorJitterForward = threadKernel('dims.B * dims.PLANE', wgsl`
${adjustments}
@group(0) @binding(3) var<storage, read> mean_grey: array<f32>;  // [B]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;    // [B, 3, PLANE]
`, wgsl`
  let b = index / dims.PLANE;
  let p = index % dims.PLANE;
  var colour = load_x(b, p);
  if (is_on()) {
    for (var step = 0u; step < 4u; step++) { colour = adjusted(colour, adjustment(step), mean_grey[b]); }
  }
  let at = b * 3u * dims.PLANE + p;
  y[at] = colour.r;
  y[at + dims.PLANE] = colour.g;
  y[at + 2u * dims.PLANE] = colour.b;
`);
