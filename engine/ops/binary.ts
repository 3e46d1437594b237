/** Pointwise functions of two tensors: of one shape, or the second repeated along the leading axes. */
import { binaryForward, binaryRepeatForward } from '../../shaders/binary.js';
import {
  addNode, sameShape, ShapeError, showShape, sizeOf, type Fused, type Node, type Op, type PlainOp, type Shape, type Tensor,
} from '../graph/index.js';
import { spanLaunch, vectorLaunch } from './launch/pointwise.js';
import { sum, sumLeading } from './sum.js';

const binary = (name: string, expression: string, backward: NonNullable<PlainOp['backward']>): PlainOp => ({
  name,
  shapes: (inputs) => {
    const [a, b] = inputs.map((t) => t.shape) as [Shape, Shape];
    if (sizeOf(b) === 1 || sameShape(a.slice(a.length - b.length), b)) return [a];
    const both = `a is ${showShape(a)}, b is ${showShape(b)}`;
    throw new ShapeError(`${name}: b must have a's shape or its trailing axes: ${both}`);
  },
  kernel: ({ inputs: [a, b] }, tuning) => {
    const N = sizeOf(a!.shape);
    return sameShape(a!.shape, b!.shape)
      ? { code: binaryForward(expression), ...vectorLaunch(N, tuning), flops: N }
      : { code: binaryRepeatForward(expression), ...spanLaunch(N, tuning, [sizeOf(b!.shape)]), flops: N };
  },
  backward,
});

/** The gradient of `b`: `db`, summed over the axes along which b was repeated. */
const reduceTo = (b: Tensor, db: Tensor): Tensor => (sameShape(b.shape, db.shape) ? db : sumLeading(db, b.shape));

const addOp = binary('add', 'a + b', ({ inputs: [, b] }, [dy], needed) => [dy, needed[1] ? reduceTo(b!, dy!) : undefined]);
const subOp = binary('sub', 'a - b', ({ inputs: [, b] }, [dy], needed) =>
  [dy, needed[1] ? reduceTo(b!, scale(dy!, -1)) : undefined]);
const mulOp = binary('mul', 'a * b', ({ inputs: [a, b] }, [dy], needed) =>
  [needed[0] ? mul(dy!, b!) : undefined, needed[1] ? reduceTo(b!, mul(dy!, a!)) : undefined]);

/** If `next` adds another tensor of the same shape to the output of `node`: `op` with the other tensor as its last input. */
export function fuseAdd(op: Op, { attrs, inputs, outputs: [y] }: Node, next: Node, sole: boolean): Fused | undefined {
  const [a, b] = next.inputs as [Tensor, Tensor];
  if (!sole || next.op !== addOp || a === b || !sameShape(a.shape, b.shape)) return undefined;
  return { op, attrs, inputs: [...inputs, a === y ? b : a], outputs: next.outputs };
}

/** a + b; b has a's shape or its trailing axes (or is a scalar) and repeats along the leading ones. */
export const add = (a: Tensor, b: Tensor): Tensor => addNode(addOp, [a, b], {});
/** a - b, with b repeated as in `add`. */
export const sub = (a: Tensor, b: Tensor): Tensor => addNode(subOp, [a, b], {});
/** a * b, with b repeated as in `add`. */
export const mul = (a: Tensor, b: Tensor): Tensor => addNode(mulOp, [a, b], {});
/** a * factor, a number fixed when the graph is built. */
export const scale = (a: Tensor, factor: number): Tensor => mul(a, a.graph.constant(new Float32Array([factor])));
/** The mean of all elements: `[1]`. */
export const mean = (x: Tensor): Tensor => scale(sum(x), 1 / sizeOf(x.shape));
