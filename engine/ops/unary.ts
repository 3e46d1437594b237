/** Pointwise functions of one tensor. */
import { unaryBackward, unaryForward, unaryFunctions, type UnaryFunction } from '../../shaders/unary.js';
import { addNode, sizeOf, type Op, type Tensor } from '../graph/index.js';
import { vectorLaunch } from './launch/pointwise.js';

/** Numbers of the function that are fixed when the graph is built; overrides of the kernel under the same names in upper case. */
interface UnaryAttrs {
  readonly slope?: number;
}

const constantsOf = ({ slope }: UnaryAttrs): Record<string, number> => (slope === undefined ? {} : { SLOPE: slope });

/** Launch of `code` over all elements. */
const pointwise = (code: string): NonNullable<Op<UnaryAttrs>['kernel']> => ({ inputs: [x], attrs }, tuning) => {
  const N = sizeOf(x!.shape);
  const { constants, ...launch } = vectorLaunch(N, tuning);
  return { code, constants: { ...constants, ...constantsOf(attrs) }, ...launch, flops: N };
};

/** The op of a row of the table, and the op of its gradient, whose inputs are (x or y, dy). */
function unary(name: keyof typeof unaryFunctions): { readonly op: Op<UnaryAttrs>; readonly backward: Op<UnaryAttrs> } {
  const row: UnaryFunction = unaryFunctions[name];
  const shapes: Op['shapes'] = ([x]) => [x!.shape];
  const backward: Op<UnaryAttrs> = { name: `${name}Backward`, shapes, kernel: pointwise(unaryBackward(row)) };
  const op: Op<UnaryAttrs> = {
    name,
    cheap: true,
    shapes,
    kernel: pointwise(unaryForward(row)),
    backward: ({ inputs: [x], outputs: [y], attrs }, [dy]) => [addNode(backward, [row.saved === 'x' ? x! : y!, dy!], attrs)],
  };
  return { op, backward };
}

const absOp = unary('abs').op;
const sigmoidOp = unary('sigmoid').op;
const siluOp = unary('silu').op;
// Exported for ops that absorb an activation or its gradient.
export const { op: geluOp, backward: geluBackwardOp } = unary('gelu');
export const { op: quickGeluOp, backward: quickGeluBackwardOp } = unary('quickGelu');
export const { op: leakyReluOp, backward: leakyReluBackwardOp } = unary('leakyRelu');

/** |x|; its gradient at 0 is 0. */
export const abs = (x: Tensor): Tensor => addNode(absOp, [x], {});
/** x Phi(x) with the normal distribution function Phi, by erf (https://arxiv.org/abs/1606.08415). */
export const gelu = (x: Tensor): Tensor => addNode(geluOp, [x], {});
/** x sigmoid(1.702 x), the approximation of GELU that CLIP was trained with. */
export const quickGelu = (x: Tensor): Tensor => addNode(quickGeluOp, [x], {});
/** 1 / (1 + e^-x). */
export const sigmoid = (x: Tensor): Tensor => addNode(sigmoidOp, [x], {});

/** x sigmoid(x), the gate of SwiGLU. */
export const silu = (x: Tensor): Tensor => addNode(siluOp, [x], {});

/**
 * x, or slope * x where x is negative.
 * @throws RangeError for a slope that is not positive: the gradient depends on the sign of the output
 */
export function leakyRelu(x: Tensor, slope = 0.01): Tensor {
  if (!(slope > 0)) throw new RangeError(`leakyRelu: slope must be positive, got ${slope}`);
  return addNode(leakyReluOp, [x], { slope });
}
