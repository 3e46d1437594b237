/** Pointwise functions of one tensor. */
import { gelu, quickGelu, silu } from './parts/activations.js';
import { spanKernel } from './parts/pointwise.js';
import { wgsl } from './parts/wgsl.js';

/** A function and its derivative as WGSL expressions. */
export interface UnaryFunction {
  /** Declarations that the expressions need. */
  readonly code: string;
  /** f in terms of x. */
  readonly f: string;
  /** f' in terms of x or of y = f(x), whichever is cheaper; `saved` is its name. */
  readonly df: string;
  readonly saved: 'x' | 'y';
}

export const unaryFunctions = {
  /** |x| */
  abs: { code: '', f: 'abs(x)', df: 'sign(x)', saved: 'x' },
  /** x Phi(x), Phi the normal distribution function (exact, not the tanh approximation). */
  gelu: { code: gelu, f: 'gelu(x)', df: 'gelu_derivative(x)', saved: 'x' },
  /** x sigmoid(1.702 x), as in CLIP. */
  quickGelu: { code: quickGelu, f: 'quick_gelu(x)', df: 'quick_gelu_derivative(x)', saved: 'x' },
  /** x, or SLOPE * x if x < 0. The output has the input's sign, so the gradient needs the output only. */
  leakyRelu: { code: 'override SLOPE: f32;', f: 'select(SLOPE * x, x, x > 0.0)', df: 'select(SLOPE, 1.0, y > 0.0)', saved: 'y' },
  /** x / (1 + e^-x) */
  silu: { code: silu, f: 'silu(x)', df: 'silu_derivative(x)', saved: 'x' },
  /** 1 / (1 + e^-x) */
  sigmoid: { code: '', f: '1.0 / (1.0 + exp(-x))', df: 'y * (1.0 - y)', saved: 'y' },
} as const satisfies Record<string, UnaryFunction>;

/** y = f(x) */
export const unaryForward = ({ code, f }: UnaryFunction): string => spanKernel('dims.N4', wgsl`
struct Dims { N4: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> xs: array<vec4f>;        // [N4]
@group(0) @binding(2) var<storage, read_write> ys: array<vec4f>;  // [N4]
${code}
fn f(x: f32) -> f32 { return ${f}; }
`, wgsl`
  let x = xs[i];
  ys[i] = vec4f(f(x.x), f(x.y), f(x.z), f(x.w));
`);

/** dx = f' * dy, with f' from the saved input x or output y. */
export const unaryBackward = ({ code, df, saved }: UnaryFunction): string => spanKernel('dims.N4', wgsl`
struct Dims { N4: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> saved: array<vec4f>;     // [N4]
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;        // [N4]
@group(0) @binding(3) var<storage, read_write> dx: array<vec4f>;  // [N4]
${code}
fn df(${saved}: f32) -> f32 { return ${df}; }
`, wgsl`
  let v = saved[i];
  dx[i] = vec4f(df(v.x), df(v.y), df(v.z), df(v.w)) * dy[i];
`);
