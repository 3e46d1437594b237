/** Programs that make one step of an optimizer, for tests. */
import type { Graph, Program, Tensor, Tuning } from '../../engine/index.js';
import { testEngine } from './device.js';

/** The weights and both moments that an optimizer changes. */
export type Moments<T> = Record<'w' | 'm' | 'v', T>;

let programs = 0;

/** The program of `step` over parameters of its own: w begins as `start`, m and v as zeros. */
export async function optimizerProgram(
  start: Float32Array, step: (g: Graph, state: Moments<Tensor>) => Record<string, Tensor>, tuning: Partial<Tuning> = {},
): Promise<Program> {
  const engine = await testEngine(tuning);
  const [g, id, N] = [engine.graph(), programs++, start.length];
  const parameter = (name: string, data: Float32Array): Tensor => {
    engine.writeParameter(`optimizer${id}.${name}`, [N], data);
    return g.parameter(`optimizer${id}.${name}`, [N]);
  };
  const state = { w: parameter('w', start), m: parameter('m', new Float32Array(N)), v: parameter('v', new Float32Array(N)) };
  return engine.compile(step(g, state));
}
