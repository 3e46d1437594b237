/** Linear layers: a matrix product with bias, and the activation or residual that follows it in the same launch. */
import { activationBackwardEpilogue, linearEpilogue, type Activation, type LinearEpilogue } from '../../shaders/linear.js';
import { plainEpilogue, type Epilogue } from '../../shaders/parts/tile.js';
import { addNode, type Fused, type Node, type Op, type Tensor } from '../graph/graph.js';
import type { Kernel, Tuning } from '../graph/kernel.js';
import { sameShape, ShapeError, showShape, sizeOf, type Shape } from '../graph/shape.js';
import { addendOf } from './binary.js';
import { productKernel } from './matmul.js';
import { sumLeading } from './sum.js';

type None = Record<string, never>;

/** Rows of x, all leading axes together, and the sizes of w: [N, K]. */
function sizesOf(x: Tensor, w: Tensor): { M: number; N: number; K: number } {
  const [N, K] = w.shape as [number, number];
  return { M: sizeOf(x.shape) / x.shape.at(-1)!, N, K };
}

/** Only sizes of the model count: all tensors end in K or N, whatever the number of rows. */
const isAligned = ([N, K]: Shape): boolean => N! % 4 === 0 && K! % 4 === 0;

function forwardKernel(node: Node, tuning: Tuning, options: LinearEpilogue): Kernel {
  const [x, w] = node.inputs as [Tensor, Tensor];
  const aligned = isAligned(w.shape);
  return productKernel({ transposeA: false, transposeB: true, aligned, epilogue: linearEpilogue(options, aligned) }, sizesOf(x, w), tuning);
}

function backwardInputKernel(node: Node, tuning: Tuning, epilogue: (aligned: boolean) => Epilogue): Kernel {
  const [dy, w] = node.inputs as [Tensor, Tensor];
  const aligned = isAligned(w.shape);
  const [N, K] = w.shape as [number, number];
  return productKernel({ transposeA: false, transposeB: false, aligned, epilogue: epilogue(aligned) }, { M: sizeOf(dy.shape) / N, N: K, K: N }, tuning);
}

const linearOp: Op<None> = {
  name: 'linear',
  shapes: ([x, w, b]) => {
    const K = x!.shape.at(-1);
    const both = `x is ${showShape(x!.shape)}, w is ${showShape(w!.shape)}`;
    if (w!.shape.length !== 2 || w!.shape[1] !== K) throw new ShapeError(`linear: w must be [outputs, inputs] with x's last size as inputs: ${both}`);
    const N = w!.shape[0]!;
    if (b && !sameShape(b.shape, [N])) throw new ShapeError(`linear: b must have one value per output: b is ${showShape(b.shape)}, w is ${showShape(w!.shape)}`);
    return [[...x!.shape.slice(0, -1), N]];
  },
  kernel: (node, tuning) => forwardKernel(node, tuning, { bias: node.inputs.length > 2 }),
  backward: (node, [dy], needed) => {
    const [x, w, b] = node.inputs as [Tensor, Tensor, Tensor?];
    return [
      needed[0] ? addNode(linearBackwardInput, [dy!, w], {}) : undefined,
      needed[1] ? addNode(linearBackwardWeight, [dy!, x], {}) : undefined,
      b && needed[2] ? sumLeading(dy!, b.shape) : undefined,
    ];
  },
  fuse: (node, next, sole) => fuseActivation(node, next, sole) ?? (sole ? fuseResidual(node, next) : undefined),
};

/** dx = dy w */
const linearBackwardInput: Op<None> = {
  name: 'linearBackwardInput',
  shapes: ([dy, w]) => [[...dy!.shape.slice(0, -1), w!.shape[1]!]],
  kernel: (node, tuning) => backwardInputKernel(node, tuning, () => plainEpilogue),
  fuse: (node, next, sole) => {
    const activation = ({ geluBackward: 'gelu', quickGeluBackward: 'quickGelu' } as Record<string, Activation>)[next.op.name];
    const [x, dy] = next.inputs;
    if (!activation || !sole || dy !== node.outputs[0] || x === dy) return undefined;
    return { op: linearBackwardActivation, attrs: { activation }, inputs: [...node.inputs, x!], outputs: next.outputs };
  },
};

/** dx = f'(x) (dy w), for the linear layer behind an activation f of x; the last input is x. */
const linearBackwardActivation: Op<{ readonly activation: Activation }> = {
  name: 'linearBackwardActivation',
  shapes: ([, , x]) => [x!.shape],
  kernel: (node, tuning) => backwardInputKernel(node, tuning, (aligned) => activationBackwardEpilogue(node.attrs.activation, aligned)),
};

/** dw = dy^T x */
const linearBackwardWeight: Op<None> = {
  name: 'linearBackwardWeight',
  shapes: ([dy, x]) => [[dy!.shape.at(-1)!, x!.shape.at(-1)!]],
  kernel: (node, tuning) => {
    const x = node.inputs[1]!;
    const [N, K] = node.outputs[0]!.shape as [number, number];
    const product = { transposeA: true, transposeB: false, aligned: isAligned([N, K]), epilogue: plainEpilogue };
    return productKernel(product, { M: N, N: K, K: sizeOf(x.shape) / x.shape.at(-1)! }, tuning);
  },
};

interface ActivationAttrs {
  readonly activation: Activation;
  readonly keepsInput: boolean;
}

/** f(x w^T + b), after the value before f if something else reads it, as f's gradient does. */
const linearActivationOp: Op<ActivationAttrs> = {
  name: 'linearActivation',
  shapes: (inputs, { keepsInput }) => {
    const [y] = linearOp.shapes(inputs, {});
    return keepsInput ? [y!, y!] : [y!];
  },
  kernel: (node, tuning) => forwardKernel(node, tuning, { bias: node.inputs.length > 2, ...node.attrs }),
};

function fuseActivation(node: Node, next: Node, sole: boolean): Fused | undefined {
  const activation = next.op.name;
  if (activation !== 'gelu' && activation !== 'quickGelu') return undefined;
  const attrs: ActivationAttrs = { activation, keepsInput: !sole };
  return { op: linearActivationOp, attrs, inputs: node.inputs, outputs: [...(sole ? [] : node.outputs), ...next.outputs] };
}

/** x w^T + b + r; the last input is r. */
const linearResidualOp: Op<None> = {
  name: 'linearResidual',
  shapes: (inputs) => linearOp.shapes(inputs.slice(0, -1), {}),
  kernel: (node, tuning) => forwardKernel(node, tuning, { bias: node.inputs.length > 3, residual: true }),
};

function fuseResidual(node: Node, next: Node): Fused | undefined {
  const residual = addendOf(node, next);
  return residual && { op: linearResidualOp, attrs: {}, inputs: [...node.inputs, residual], outputs: next.outputs };
}

/**
 * x w^T + b: x [..., K], w [N, K], b [N] to [..., N]. A following `gelu`, `quickGelu` or `add` (of a tensor of the same shape) is done in the same
 * launch.
 * @throws ShapeError when sizes do not fit
 */
export const linear = (x: Tensor, w: Tensor, b?: Tensor): Tensor => addNode(linearOp, b ? [x, w, b] : [x, w], {});
