/** Tensors one after the other along an axis. */
import { concatForward } from '../../shaders/concat.js';
import { addNode, ShapeError, showShape, sizeOf, type Op, type Shape, type Tensor } from '../graph/index.js';
import { threadLaunch } from './launch/pointwise.js';
import { alignedSize, pack, reshape } from './view.js';
import { slice } from './window.js';

/** With the output these are the eight storage buffers that every WebGPU device binds. */
const MOST_INPUTS = 7;

/** @throws ShapeError when the shapes do not fit */
function joinedShape(xs: readonly Tensor[], axis: number): Shape {
  const first = xs[0]!.shape;
  if (!(axis in first)) throw new ShapeError(`concat: axis ${axis} is not an axis of ${showShape(first)}`);
  const other = xs.find(({ shape }) => shape.length !== first.length || shape.some((n, i) => i !== axis && n !== first[i]));
  if (other) throw new ShapeError(`concat: sizes differ outside axis ${axis}: ${showShape(first)} and ${showShape(other.shape)}`);
  const total = xs.reduce((size, x) => size + x.shape[axis]!, 0);
  return first.map((size, i) => (i === axis ? total : size));
}

/** For ops that absorb it. */
export const concatOp: Op<{ readonly axis: number }> = {
  name: 'concat',
  cheap: true,
  shapes: (xs, { axis }) => [joinedShape(xs, axis)],
  kernel: ({ inputs, outputs: [y], attrs: { axis } }, tuning) => {
    const columns = [y!, ...inputs].map(({ shape }) => sizeOf(shape.slice(axis)));
    return { code: concatForward(inputs.length), ...threadLaunch(sizeOf(y!.shape), tuning, columns) };
  },
  backward: ({ inputs, attrs: { axis } }, [dy], needed) => {
    let start = 0;
    return inputs.map((x, i) => {
      const from = start;
      start += x.shape[axis]!;
      return needed[i] ? slice(dy!, axis, from, start) : undefined;
    });
  },
};

/**
 * True if tensors can be computed in their places in the joined one, each where it can be bound. Along the first axis only:
 * whether channels of pictures fit depends on their size, and a graph must not.
 */
const areNeighbours = (xs: readonly Tensor[], axis: number): boolean =>
  axis === 0 && xs.every(({ shape, dtype }) => dtype === 'f32' && alignedSize(shape) === sizeOf(shape));

/**
 * `xs` one after the other along `axis`; all other sizes are equal. A single tensor is returned as it is. Tensors along the first
 * axis whose sizes are multiples of 64 elements become a `pack`, which computes them in place if possible; others take one launch
 * for up to seven.
 * @throws ShapeError when the shapes do not fit, or there is no tensor
 */
export function concat(xs: readonly Tensor[], axis: number): Tensor {
  if (xs.length === 0) throw new ShapeError(`concat: no tensors to join along axis ${axis}: []`);
  if (xs.length === 1) return xs[0]!;
  if (areNeighbours(xs, axis)) return reshape(pack(xs), joinedShape(xs, axis));
  const joined = addNode(concatOp, xs.slice(0, MOST_INPUTS), { axis });
  return concat([joined, ...xs.slice(MOST_INPUTS)], axis);
}
