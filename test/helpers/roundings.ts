/**
 * Ways to compute the same numbers with other rounding errors. Where an error is a matter of luck (a value on the edge of a kink, an ill-conditioned
 * gradient) the nearest of them counts; a wrong formula takes all of them away.
 */
import type { Tuning } from '../../engine/index.js';
import { testedTunings } from './device.js';
import { random } from './random.js';

/** This device's own kernels first, then the other variants that every op is tested in, then those of a CPU without subgroups. */
export const roundings = async (): Promise<Partial<Tuning>[]> => [...(await testedTunings()), { name: 'software', software: true, subgroupSize: 0 }];

/** `weights`, each moved by -1, 0 or 1 unit in the last place: the result then differs by about as much as by rounding. Draw 0 moves none. */
export function moved(weights: Float32Array, draw: number): Float32Array {
  if (draw === 0) return weights;
  const next = random(draw);
  const bits = new Int32Array(weights.slice().buffer);
  return new Float32Array(bits.map((b, i) => (weights[i] === 0 ? b : b + Math.floor(3 * next()) - 1)).buffer);
}
