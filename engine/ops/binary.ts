/** Pointwise functions of two tensors: of one shape, or the second repeated along the leading axes. */
import { binaryForward, binaryRepeatForward } from '../../shaders/binary.js';
import { addNode, type Node, type Op, type Tensor } from '../graph/graph.js';
import { sameShape, ShapeError, showShape, sizeOf } from '../graph/shape.js';
import { spanLaunch, vectorLaunch } from './launch/pointwise.js';
import { sumLeading } from './sum.js';

type Binary = Op<Record<string, never>>;

/** True when `b` is `a`'s trailing axes (or a scalar), so that it repeats along the leading ones. */
const repeats = (a: Tensor, b: Tensor): boolean => sizeOf(b.shape) === 1 || sameShape(a.shape.slice(a.shape.length - b.shape.length), b.shape);

const binary = (name: string, expression: string, backward: NonNullable<Binary['backward']>): Binary => ({
  name,
  shapes: ([a, b]) => {
    if (!repeats(a!, b!)) throw new ShapeError(`${name}: b must have a's shape or its trailing axes: a is ${showShape(a!.shape)}, b is ${showShape(b!.shape)}`);
    return [a!.shape];
  },
  kernel: (node, tuning) => {
    const [a, b] = node.inputs as [Tensor, Tensor];
    const N = sizeOf(a.shape);
    if (!sameShape(a.shape, b.shape)) {
      return { code: binaryRepeatForward(expression), dims: [N, sizeOf(b.shape)], ...spanLaunch(N, tuning), flops: N };
    }
    const { N4, ...launch } = vectorLaunch(N, tuning);
    return { code: binaryForward(expression), dims: [N4], ...launch, flops: N };
  },
  backward,
});

/** The gradient of `b`: `db`, summed over the axes along which b was repeated. */
const reduceTo = (b: Tensor, db: Tensor): Tensor => (sameShape(b.shape, db.shape) ? db : sumLeading(db, b.shape));

const addOp: Binary = binary('add', 'a + b', (node, [dy], needed) => [dy, needed[1] ? reduceTo(node.inputs[1]!, dy!) : undefined]);
const mulOp: Binary = binary('mul', 'a * b', (node, [dy], needed) => {
  const [a, b] = node.inputs as [Tensor, Tensor];
  return [needed[0] ? mul(dy!, b) : undefined, needed[1] ? reduceTo(b, mul(dy!, a)) : undefined];
});
const subOp: Binary = binary('sub', 'a - b', (node, [dy], needed) => {
  const b = node.inputs[1]!;
  return [dy, needed[1] ? reduceTo(b, mul(dy!, b.graph.constant(new Float32Array([-1])))) : undefined];
});

/** What `next` adds to the output of `node`, where it is an `add` of another tensor of the same shape: for ops that fuse it. */
export function addendOf(node: Node, next: Node): Tensor | undefined {
  const [a, b] = next.inputs as [Tensor, Tensor];
  if (next.op !== addOp || a === b || !sameShape(a.shape, b.shape)) return undefined;
  return a === node.outputs[0] ? b : a;
}

/** a + b; b has a's shape or its trailing axes (or is a scalar) and repeats along the leading ones. */
export const add = (a: Tensor, b: Tensor): Tensor => addNode(addOp, [a, b], {});
/** a - b, with b repeated as in `add`. */
export const sub = (a: Tensor, b: Tensor): Tensor => addNode(subOp, [a, b], {});
/** a * b, with b repeated as in `add`. */
export const mul = (a: Tensor, b: Tensor): Tensor => addNode(mulOp, [a, b], {});
/** a * factor, a number fixed when the graph is built. */
export const scale = (a: Tensor, factor: number): Tensor => mul(a, a.graph.constant(new Float32Array([factor])));
