/** Linear layers: a matrix product with bias, and the activation or residual that follows it in the same launch. */
import { activationBackwardEpilogue, linearEpilogue, type Activation, type LinearEpilogue } from '../../shaders/linear.js';
import { plainEpilogue, type Epilogue } from '../../shaders/parts/tile.js';
import {
  addNode, sameShape, ShapeError, showShape, sizeOf, type Kernel, type Node, type Op, type PlainOp, type Shape, type Shape2,
  type Tensor, type Tuning,
} from '../graph/index.js';
import { fuseAdd } from './binary.js';
import { productKernel, type UnitProduct } from './matmul.js';
import { sumLeading } from './sum.js';
import { geluBackwardOp, geluOp, quickGeluBackwardOp, quickGeluOp } from './unary.js';

/** The activations that a product can absorb, and those whose gradient it can. */
const activations = new Map<Op, Activation>([[geluOp, 'gelu'], [quickGeluOp, 'quickGelu']]);
const activationGradients = new Map<Op, Activation>([[geluBackwardOp, 'gelu'], [quickGeluBackwardOp, 'quickGelu']]);

/** True if tensors can be read as vectors of four. They end in K or N, so sizes of the model decide, not the number of rows. */
const isAligned = ([N, K]: Shape): boolean => N! % 4 === 0 && K! % 4 === 0;

/** Elements of all axes except the last. */
const rowsOf = ({ shape }: Tensor): number => sizeOf(shape) / shape.at(-1)!;

/**
 * How a product of `a` with the weights runs on matrix units, if it does. Those of f16 round operands, so the weights must be
 * stored that way: what a graph builds in f32 stays exact. Only A may then be f32, if it is a gradient.
 */
function onUnits({ units }: Tuning, a: Tensor, w: Tensor): UnitProduct | undefined {
  if (!units || !isAligned(w.shape) || (units.type === 'f16' && w.dtype !== 'f16')) return undefined;
  return { units, scaled: units.type === 'f16' && a.dtype !== 'f16' };
}

function forwardKernel({ inputs: [x, w] }: Node, tuning: Tuning, options: LinearEpilogue): Kernel {
  const aligned = isAligned(w!.shape);
  const [N, K] = w!.shape as Shape2;
  const product = { transposeA: false, transposeB: true, aligned, epilogue: linearEpilogue(options, aligned) };
  return productKernel(product, { M: rowsOf(x!), N, K }, tuning, onUnits(tuning, x!, w!));
}

function backwardInputKernel({ inputs: [dy, w] }: Node, tuning: Tuning, epilogue: (aligned: boolean) => Epilogue): Kernel {
  const aligned = isAligned(w!.shape);
  const [N, K] = w!.shape as Shape2;
  const product = { transposeA: false, transposeB: false, aligned, epilogue: epilogue(aligned) };
  return productKernel(product, { M: rowsOf(dy!), N: K, K: N }, tuning, onUnits(tuning, dy!, w!));
}

const linearOp: PlainOp = {
  name: 'linear',
  shapes: ([x, w, b]) => {
    const K = x!.shape.at(-1);
    const both = `x is ${showShape(x!.shape)}, w is ${showShape(w!.shape)}`;
    if (w!.shape.length !== 2 || w!.shape[1] !== K) {
      throw new ShapeError(`linear: w must be [outputs, inputs] with x's last size as inputs: ${both}`);
    }
    const N = w!.shape[0]!;
    if (b && !sameShape(b.shape, [N])) {
      throw new ShapeError(`linear: b must have one value per output: b is ${showShape(b.shape)}, w is ${showShape(w!.shape)}`);
    }
    return [[...x!.shape.slice(0, -1), N]];
  },
  kernel: (node, tuning) => forwardKernel(node, tuning, { bias: node.inputs.length > 2 }),
  backward: ({ inputs: [x, w, b] }, [dy], needed) => [
    needed[0] ? addNode(linearBackwardInput, [dy!, w!], {}) : undefined,
    needed[1] ? addNode(linearBackwardWeight, [dy!, x!], {}) : undefined,
    b && needed[2] ? sumLeading(dy!, b.shape) : undefined,
  ],
  fuse: (node, next, sole) => {
    const activation = activations.get(next.op);
    if (!activation) return fuseAdd(linearResidualOp, node, next, sole);
    const outputs = [...(sole ? [] : node.outputs), ...next.outputs];
    return { op: linearActivationOp, attrs: { activation, keepsInput: !sole }, inputs: node.inputs, outputs };
  },
};

/** dx = dy w */
const linearBackwardInput: PlainOp = {
  name: 'linearBackwardInput',
  shapes: ([dy, w]) => [[...dy!.shape.slice(0, -1), w!.shape[1]!]],
  kernel: (node, tuning) => backwardInputKernel(node, tuning, () => plainEpilogue),
  fuse: ({ inputs, outputs }, next, sole) => {
    const activation = activationGradients.get(next.op);
    const [x, dy] = next.inputs;
    if (!activation || !sole || dy !== outputs[0] || x === dy) return undefined;
    return { op: linearBackwardActivation, attrs: { activation }, inputs: [...inputs, x!], outputs: next.outputs };
  },
};

/** dx = f'(x) (dy w), for the linear layer after an activation f of x; the last input is x. */
const linearBackwardActivation: Op<{ readonly activation: Activation }> = {
  name: 'linearBackwardActivation',
  shapes: ([, , x]) => [x!.shape],
  kernel: (node, tuning) =>
    backwardInputKernel(node, tuning, (aligned) => activationBackwardEpilogue(node.attrs.activation, aligned)),
};

/** dw = dy^T x */
const linearBackwardWeight: PlainOp = {
  name: 'linearBackwardWeight',
  shapes: ([dy, x]) => [[dy!.shape.at(-1)!, x!.shape.at(-1)!]],
  kernel: ({ inputs: [, x], outputs: [dw] }, tuning) => {
    const [N, K] = dw!.shape as Shape2;
    const product = { transposeA: true, transposeB: false, aligned: isAligned(dw!.shape), epilogue: plainEpilogue };
    return productKernel(product, { M: N, N: K, K: rowsOf(x!) }, tuning);
  },
};

/** f(x w^T + b); before it, as the first output, the value before f if another node reads it, as f's gradient does. */
const linearActivationOp: Op<{ readonly activation: Activation; readonly keepsInput: boolean }> = {
  name: 'linearActivation',
  shapes: (inputs, { keepsInput }) => {
    const [y] = linearOp.shapes(inputs, {});
    return keepsInput ? [y!, y!] : [y!];
  },
  kernel: (node, tuning) => forwardKernel(node, tuning, { bias: node.inputs.length > 2, ...node.attrs }),
};

/** x w^T + b + r; the last input is r. */
const linearResidualOp: PlainOp = {
  name: 'linearResidual',
  shapes: (inputs) => linearOp.shapes(inputs.slice(0, -1), {}),
  kernel: (node, tuning) => forwardKernel(node, tuning, { bias: node.inputs.length > 3, residual: true }),
};

/**
 * x w^T + b: x [..., K], w [N, K], b [N] to [..., N]. The same launch does a `gelu`, `quickGelu` or `add` (of a tensor of the
 * same shape) that follows.
 * @throws ShapeError when sizes do not fit
 */
export const linear = (x: Tensor, w: Tensor, b?: Tensor): Tensor => addNode(linearOp, b ? [x, w, b] : [x, w], {});
