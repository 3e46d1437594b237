/** Tensors one after the other along an axis. */
import { concatForward } from '../../shaders/concat.js';
import { addNode, type Op, type Tensor } from '../graph/graph.js';
import { sameShape, ShapeError, showShape, sizeOf, type Shape } from '../graph/shape.js';
import { threadLaunch } from './launch/pointwise.js';
import { alignedSize, pack, reshape } from './view.js';
import { slice } from './window.js';

/** With the output these are the eight storage buffers that every WebGPU device binds. */
const MOST_INPUTS = 7;

/** True when the shapes are equal but for `axis`. */
const fits = (a: Shape, b: Shape, axis: number): boolean =>
  sameShape(a.filter((_, i) => i !== axis), b.filter((_, i) => i !== axis)) && a.length === b.length;

/** @throws ShapeError when the shapes do not fit */
function joinedShape(xs: readonly Tensor[], axis: number): Shape {
  const first = xs[0]!.shape;
  if (!(axis in first)) throw new ShapeError(`concat: axis ${axis} is not an axis of ${showShape(first)}`);
  const other = xs.find((x) => !fits(first, x.shape, axis));
  if (other) throw new ShapeError(`concat: sizes differ beside axis ${axis}: ${showShape(first)} and ${showShape(other.shape)}`);
  const total = xs.reduce((size, x) => size + x.shape[axis]!, 0);
  return first.map((size, i) => (i === axis ? total : size));
}

const concatOp: Op<{ readonly axis: number }> = {
  name: 'concat',
  cheap: true,
  shapes: (xs, { axis }) => [joinedShape(xs, axis)],
  kernel: (node, tuning) => {
    const columns = ({ shape }: Tensor): number => sizeOf(shape.slice(node.attrs.axis));
    const y = node.outputs[0]!;
    const N = sizeOf(y.shape);
    return { code: concatForward(node.inputs.length), dims: [N, columns(y), ...node.inputs.map(columns)], ...threadLaunch(N, tuning) };
  },
  backward: (node, [dy], needed) => {
    const { axis } = node.attrs;
    let start = 0;
    return node.inputs.map((x, i) => {
      const from = start;
      start += x.shape[axis]!;
      return needed[i] ? slice(dy!, axis, from, start) : undefined;
    });
  },
};

/**
 * Whether tensors can be computed right where they lie in the joined one, each where it can be bound. Along the first axis only: whether channels of
 * pictures fit depends on their size, and a graph must not.
 */
const areNeighbours = (xs: readonly Tensor[], axis: number): boolean =>
  axis === 0 && xs.every(({ shape, dtype }) => dtype === 'f32' && alignedSize(shape) === sizeOf(shape));

/**
 * `xs` one after the other along `axis`; all other sizes are equal. The single one itself; a `pack` for tensors along the first axis whose sizes are
 * multiples of 64 elements, which are computed in place where they can be; else one launch for up to seven.
 * @throws ShapeError when the shapes do not fit, or there is no tensor
 */
export function concat(xs: readonly Tensor[], axis: number): Tensor {
  if (xs.length === 0) throw new ShapeError(`concat: no tensors to join along axis ${axis}: []`);
  if (xs.length === 1) return xs[0]!;
  if (areNeighbours(xs, axis)) return reshape(pack(xs), joinedShape(xs, axis));
  const joined = addNode(concatOp, xs.slice(0, MOST_INPUTS), { axis });
  return concat([joined, ...xs.slice(MOST_INPUTS)], axis);
}
