/** Resampling along one axis of a row-major tensor; an image takes two launches, rows first. */
import { normalization } from './normalize.js';
import { threadKernel } from './parts/pointwise.js';
import { wgsl } from './parts/wgsl.js';

export interface ResizeFlags {
  /** Cubic convolution instead of linear interpolation. */
  readonly bicubic: boolean;
  /** Stretch the filter by the reduction, as PIL does. */
  readonly antialias: boolean;
}

/**
 * Common to forward and backward: the windows and weights of `F.interpolate(align_corners=False)`.
 *
 * The window of output o is around the point `centre(o)` of the input, in pixels from its edge; input pixel t covers [t, t + 1).
 * Positions count from the start of the whole axis; of both sides a part may be in memory.
 *
 * Without antialiasing the window may reach over the edge, and the border pixel takes the place of missing ones. With it the
 * window is cut at the edge and its weights are scaled to sum 1.
 */
const sampling = ({ bicubic, antialias }: ResizeFlags): string => wgsl`
struct Dims {
  THREADS: u32, INNER: u32, IN: u32, OUT: u32, OUTER: u32, PLANE_ROWS: u32, STEP: f32,
  WHOLE: u32,  // the input's size; IN of it are in memory, from FIRST on
  FIRST: u32,
  START: u32,  // the first output
}
@group(0) @binding(0) var<uniform> dims: Dims;
#if ${bicubic}
const RADIUS = 2.0;
#else
const RADIUS = 1.0;
#endif
#if ${antialias}
const A = -0.5;
fn stretch() -> f32 { return max(dims.STEP, 1.0); }
#else
const A = -0.75;
fn stretch() -> f32 { return 1.0; }
#endif

fn filter_at(distance: f32) -> f32 {
  let d = abs(distance);
#if ${bicubic}
  if (d >= 2.0) { return 0.0; }
  if (d >= 1.0) { return (((d - 5.0) * d + 8.0) * d - 4.0) * A; }
  return ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0;
#else
  return max(1.0 - d, 0.0);
#endif
}

fn centre(o: u32) -> f32 {
  let c = dims.STEP * (f32(dims.START + o) + 0.5);
#if ${!bicubic && !antialias}
  return max(c, 0.5);
#else
  return c;
#endif
}

/** The first input pixel of o's window and the one after the last. */
fn window(o: u32) -> vec2i {
  let reach = RADIUS * stretch();
  let span = vec2i(floor(centre(o) + 0.5 + vec2f(-reach, reach)));
#if ${antialias}
  return clamp(span, vec2i(0), vec2i(i32(dims.WHOLE)));
#else
  return span;
#endif
}

fn weight(o: u32, t: i32) -> f32 {
  return filter_at((f32(t) + 0.5 - centre(o)) / stretch());
}

/** The three rows of the outer axes that a thread works on: they share its weights, as the channels of an image do. */
fn shared_rows(index: u32) -> vec3u {
  return index * 3u + vec3u(0u, 1u, 2u);
}
`;

/**
 * y[r, o, c] = sum over o's window of weight(o, t) x[r, t, c], divided by the sum of the weights if antialiased. With
 * `normalize`, (that - mean) / std of the channel that row r belongs to.
 */
export const resizeForward = (flags: ResizeFlags & { readonly normalize: boolean }): string => threadKernel('dims.THREADS', wgsl`
${sampling(flags)}
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [OUTER, IN, INNER]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [OUTER, OUT, INNER]
#if ${flags.normalize}
${normalization}
#endif

fn store_y(r: u32, o: u32, c: u32, value: f32) {
  if (r >= dims.OUTER) { return; }
  let at = (r * dims.OUT + o) * dims.INNER + c;
#if ${flags.normalize}
  let channel = (r / dims.PLANE_ROWS) % 3u;
  y[at] = (value - vec3f(MEAN_0, MEAN_1, MEAN_2)[channel]) * vec3f(GAIN_0, GAIN_1, GAIN_2)[channel];
#else
  y[at] = value;
#endif
}
`, wgsl`
  let c = index % dims.INNER;
  let o = (index / dims.INNER) % dims.OUT;
  let rows = shared_rows(index / (dims.INNER * dims.OUT));
  let base = min(rows, vec3u(dims.OUTER - 1u)) * (dims.IN * dims.INNER) + c;
  let span = window(o);
  let last = i32(dims.WHOLE) - 1;

  var sum = vec3f(0.0);
  var total = 0.0;
  for (var t = span.x; t < span.y; t++) {
    let w = weight(o, t);
    let at = base + (u32(clamp(t, 0, last)) - dims.FIRST) * dims.INNER;
    sum += w * vec3f(x[at.x], x[at.y], x[at.z]);
    total += w;
  }
#if ${flags.antialias}
  sum = sum / total;
#endif
  store_y(rows.x, o, c, sum.x);
  store_y(rows.y, o, c, sum.y);
  store_y(rows.z, o, c, sum.z);
`);

/** totals[o] = sum over o's window of weight(o, t): the divisor of an antialiased output. */
export const resizeTotals = (flags: Pick<ResizeFlags, 'bicubic'>): string => threadKernel('dims.THREADS', wgsl`
${sampling({ ...flags, antialias: true })}
@group(0) @binding(1) var<storage, read_write> totals: array<f32>;  // [OUT]
`, wgsl`
  let span = window(index);
  var total = 0.0;
  for (var t = span.x; t < span.y; t++) { total += weight(index, t); }
  totals[index] = total;
`);

/** dx[r, t, c] = sum over the outputs o whose window can hold t of share(o, t) dy[r, o, c] */
export const resizeBackward = (flags: ResizeFlags): string => threadKernel('dims.THREADS', wgsl`
${sampling(flags)}
@group(0) @binding(1) var<storage, read> dy: array<f32>;        // [OUTER, OUT, INNER]
#if ${flags.antialias}
@group(0) @binding(2) var<storage, read> totals: array<f32>;    // [OUT]
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;  // [OUTER, IN, INNER]

/** The whole weight of pixel t in output o. */
fn share(o: u32, t: i32) -> f32 {
  return weight(o, t) / totals[o];
}
#else
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;  // [OUTER, IN, INNER]

/** The whole weight of pixel t in output o: a border pixel also takes the place of those beyond it. */
fn share(o: u32, t: i32) -> f32 {
  let span = window(o);
  var w = weight(o, t);
  if (t == 0) { for (var k = span.x; k < 0; k++) { w += weight(o, k); } }
  if (t == i32(dims.IN) - 1) { for (var k = t + 1; k < span.y; k++) { w += weight(o, k); } }
  return w;
}
#endif

/** The first output whose window can hold t and the one after the last. */
fn readers(t: u32) -> vec2i {
  let reach = RADIUS * stretch();
  let span = (f32(t) + 0.5 + vec2f(-reach, reach)) / dims.STEP - 0.5;
  let end = select(i32(ceil(span.y)) + 1, i32(dims.OUT), t == dims.IN - 1u);
  return vec2i(max(i32(floor(span.x)), 0), min(end, i32(dims.OUT)));
}

fn store_dx(r: u32, t: u32, c: u32, value: f32) {
  if (r < dims.OUTER) { dx[(r * dims.IN + t) * dims.INNER + c] = value; }
}
`, wgsl`
  let c = index % dims.INNER;
  let t = (index / dims.INNER) % dims.IN;
  let rows = shared_rows(index / (dims.INNER * dims.IN));
  let base = min(rows, vec3u(dims.OUTER - 1u)) * (dims.OUT * dims.INNER) + c;
  let span = readers(t);

  var sum = vec3f(0.0);
  for (var o = span.x; o < span.y; o++) {
    let at = base + u32(o) * dims.INNER;
    sum += share(u32(o), i32(t)) * vec3f(dy[at.x], dy[at.y], dy[at.z]);
  }
  store_dx(rows.x, t, c, sum.x);
  store_dx(rows.y, t, c, sum.y);
  store_dx(rows.z, t, c, sum.z);
`);
