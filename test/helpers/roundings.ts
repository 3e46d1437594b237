/**
 * Ways to compute the same numbers with other rounding errors. Where an error depends on luck (a value at a kink, an
 * ill-conditioned gradient), a test takes the way with the least error; a wrong formula makes all of them fail.
 */
import type { Tuning } from '../../engine/index.js';
import { testedTunings } from './device.js';
import { random } from './random.js';

/** The variants that every op is tested in, this device's own first, then those of a CPU without subgroups. */
export const roundings = async (): Promise<Partial<Tuning>[]> =>
  [...(await testedTunings()), { name: 'software', software: true, subgroupSize: 0 }];

/** `weights`, each moved by -1, 0 or 1 unit in the last place: this changes results about as rounding does. Draw 0 moves none. */
export function moved(weights: Float32Array, draw: number): Float32Array {
  if (draw === 0) return weights;
  const next = random(draw);
  const bits = new Int32Array(weights.slice().buffer);
  return new Float32Array(bits.map((b, i) => (weights[i] === 0 ? b : b + Math.floor(3 * next()) - 1)).buffer);
}
