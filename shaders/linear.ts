/** What a linear layer does to the elements of its matrix product. */
import { gelu, quickGelu } from './activations.js';
import type { Epilogue } from './tile.js';
import { wgsl } from './wgsl.js';

/** Activations that a linear layer can apply in the same launch: WGSL functions and the call. */
const activations = {
  gelu: { functions: gelu, call: 'gelu(value)' },
  quickGelu: { functions: quickGelu, call: 'quick_gelu(value)' },
} as const;
export type Activation = keyof typeof activations;

export interface LinearEpilogue {
  readonly bias: boolean;
  /** The layer's output is a sum with a tensor of the same shape. */
  readonly residual: boolean;
  readonly activation?: Activation | undefined;
  /** The value before the activation is an output, too: the activation's gradient needs it. */
  readonly keepsInput: boolean;
}

/** y = f(x w^T + b + r): bias b, residual r and activation f are there or not. Bindings: bias, residual, value before f, y. */
export function linearEpilogue({ bias, residual, activation, keepsInput }: LinearEpilogue): Epilogue {
  const { functions, call } = activation ? activations[activation] : { functions: '', call: 'value' };
  const r = 3 + Number(bias);
  const pre = r + Number(residual);
  const y = pre + Number(keepsInput);
  return {
    declarations: wgsl`
#if ${bias}
@group(0) @binding(3) var<storage, read> bias: array<f32>;              // [N]
#endif
#if ${residual}
@group(0) @binding(${r}) var<storage, read> residual: array<f32>;       // [M, N]
#endif
#if ${keepsInput}
@group(0) @binding(${pre}) var<storage, read_write> pre: array<f32>;    // [M, N]
#endif
@group(0) @binding(${y}) var<storage, read_write> y: array<f32>;        // [M, N]
${functions}
`,
    start: bias ? 'bias[n]' : '0.0',
    store: wgsl`
#if ${keepsInput}
  pre[at] = value;
#endif
  y[at] = ${call}${residual ? ' + residual[at]' : ''};
`,
  };
}
