/** Linear layers: epilogues of matrix products. */
import { gelu, quickGelu } from './parts/activations.js';
import { list } from './parts/common.js';
import type { Epilogue } from './parts/tile.js';
import { wgsl } from './parts/wgsl.js';

/** Activations that a linear layer can apply in the same launch: WGSL functions and the names of f and f'. */
const activations = {
  gelu: { functions: gelu, f: 'gelu', derivative: 'gelu_derivative' },
  quickGelu: { functions: quickGelu, f: 'quick_gelu', derivative: 'quick_gelu_derivative' },
} as const;
export type Activation = keyof typeof activations;

/** `f` of each float of an item. */
const each = (f: string, value: string, aligned: boolean): string =>
  aligned ? `vec4f(${list(4, (i) => `${f}(${value}.${'xyzw'[i]})`)})` : `${f}(${value})`;

export interface LinearEpilogue {
  readonly bias: boolean;
  /** The layer's output is a sum with a tensor of the same shape. */
  readonly residual?: boolean;
  readonly activation?: Activation;
  /** The value before the activation is an output too: the activation's gradient needs it. */
  readonly keepsInput?: boolean;
}

/** y = f(x w^T + b) + r, of which b, r and f are optional. Bindings: b, r, the value before f, y. */
export function linearEpilogue(layer: LinearEpilogue, aligned: boolean): Epilogue {
  const { bias, residual = false, activation, keepsInput = false } = layer;
  const r = 3 + Number(bias);
  const pre = r + Number(residual);
  const y = pre + Number(keepsInput);
  return {
    declarations: wgsl`
#if ${bias}
@group(0) @binding(3) var<storage, read> bias: array<item>;             // [N]
#endif
#if ${residual}
@group(0) @binding(${r}) var<storage, read> residual: array<item>;      // [..., N]
#endif
#if ${keepsInput}
@group(0) @binding(${pre}) var<storage, read_write> pre: array<item>;   // [..., N]
#endif
@group(0) @binding(${y}) var<storage, read_write> y: array<item>;       // [..., N]
${activation ? activations[activation].functions : ''}
`,
    start: bias ? 'bias[n]' : 'item()',
    store: wgsl`
#if ${keepsInput}
  pre[at] = value;
#endif
  y[at] = ${activation ? each(activations[activation].f, 'value', aligned) : 'value'}${residual ? ' + residual[at]' : ''};
`,
  };
}

/** dx = f'(x) (dy w): the gradient of a linear layer that follows an activation f of x. */
export function activationBackwardEpilogue(activation: Activation, aligned: boolean): Epilogue {
  const { functions, derivative } = activations[activation];
  return {
    declarations: wgsl`
@group(0) @binding(3) var<storage, read> x: array<item>;         // [..., K]
@group(0) @binding(4) var<storage, read_write> dx: array<item>;  // [..., K]
${functions}
`,
    start: 'item()',
    store: `let before = x[at];\n  dx[at] = ${each(derivative, 'before', aligned)} * value;`,
  };
}
