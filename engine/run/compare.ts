/** Numbers of two kernels side by side. */
import { sizeOf, type Node, type Shape } from '../graph/index.js';

/** Differences between orders of summing, as shares of the largest value of a row; with float16 anywhere, between roundings. */
const TOLERANCE = 1e-4;
const HALF_TOLERANCE = 4e-3;
/** A row whose values cancel is as exact as this share of the largest of all values allows. */
const OF_ALL = 1e-2;

/** Numbers from -1 to 1: a block that is repeated, of a length that fits no axis. */
export function randomData(shape: Shape, seed: number): Float32Array {
  const data = new Float32Array(sizeOf(shape));
  const block = data.subarray(0, 65_521);
  let state = (seed + 1) * 0x9e3779b9;
  for (let i = 0; i < block.length; i++) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5;
    block[i] = ((state ^ (state >>> 13)) >>> 8) / 2 ** 23 - 1;
  }
  for (let at = block.length; at < data.length; at += block.length) {
    data.set(block.subarray(0, Math.min(block.length, data.length - at)), at);
  }
  return data;
}

const largest = (values: Float32Array): number => {
  let most = 0;
  for (const value of values) if (Math.abs(value) > most && Math.abs(value) < Infinity) most = Math.abs(value);
  return most;
};

/** The largest difference; equal infinities, and NaN on both sides, do not differ. */
function difference(a: Float32Array, b: Float32Array): number {
  let worst = 0;
  for (let i = 0; i < b.length; i++) {
    const d = Math.abs(a[i]! - b[i]!);
    if (d <= worst || Object.is(a[i], b[i])) continue;
    worst = d > worst ? d : Infinity;
  }
  return worst;
}

/** Says which output of a node differs from what is expected; undefined when none does. */
export function wrongness({ inputs, outputs }: Node, found: readonly Float32Array[], expected: readonly Float32Array[]) {
  const tolerance = [...inputs, ...outputs].some(({ dtype }) => dtype === 'f16') ? HALF_TOLERANCE : TOLERANCE;
  for (const [i, y] of expected.entries()) {
    const length = outputs[i]!.shape.at(-1) ?? 1;
    const least = OF_ALL * largest(y);
    for (let at = 0; at < y.length; at += length) {
      const row = y.subarray(at, at + length);
      const error = difference(found[i]!.subarray(at, at + length), row);
      const scale = Math.max(largest(row), least);
      if (error > tolerance * scale) return `row ${at / length} of output ${i} differs by ${(error / scale).toExponential(1)}`;
    }
  }
  return undefined;
}
