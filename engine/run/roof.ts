/** The ceilings of a device, measured: no kernel can compute or move more. */
import { ROOF_SUMS, roofFma } from '../../shaders/parts/roof.js';
import type { Op } from '../graph/index.js';
import { copy } from '../ops/copy.js';
import type { Engine } from './engine.js';
import { timeRuns } from './profile.js';
import type { Program } from './program.js';

export interface Roof {
  /** Multiply-adds on f32, two operations each: 10^9 a second. */
  readonly gflops: number;
  /** Bytes read and written by a copy of a large tensor: 10^9 a second. */
  readonly gbPerSecond: number;
}

const THREADS = 64;
/** Large enough to fill a GPU, small enough to be fast on a CPU. */
const GROUPS = 1024;
const COPIED = 2 ** 24;
/** The least duration of a measurement. */
const LEAST_MS = 30;

const fmaFlops = (steps: number): number => GROUPS * THREADS * steps * 4 * ROOF_SUMS * 4 * 2;

const fmaOp: Op<{ readonly steps: number }> = {
  name: 'roofFma',
  shapes: () => [[GROUPS * THREADS]],
  kernel: ({ attrs: { steps } }) =>
    ({ code: roofFma, constants: { WG: THREADS }, dims: [steps], workgroups: [GROUPS, 1, 1], flops: fmaFlops(steps) }),
};

/** The best of `repeats` measurements in amounts a millisecond: noise only slows down. */
async function best(program: Program, amount: number, repeats: number): Promise<number> {
  const once = await timeRuns(program, 1).then(() => timeRuns(program, 1));
  const count = Math.max(1, Math.ceil(LEAST_MS / Math.max(once, 0.01)));
  const times: number[] = [];
  for (let i = 0; i < repeats; i++) times.push(await timeRuns(program, count));
  program.destroy();
  return amount / Math.min(...times);
}

/** Measures the ceilings that `bench` compares kernels with. */
export async function measureRoof(engine: Engine, repeats = 5): Promise<Roof> {
  const g = engine.graph();
  const steps = engine.tuning.software ? 64 : 1024;
  const fma = await engine.compile({ y: g.add(fmaOp, [g.input('x', [1])], { steps })[0]! });
  fma.write('x', [0.25]);
  const gflops = (await best(fma, fmaFlops(steps), repeats)) / 1e6;
  const copying = await engine.compile({ y: copy(engine.graph().input('x', [COPIED])) });
  return { gflops, gbPerSecond: (await best(copying, 2 * 4 * COPIED, repeats)) / 1e6 };
}
