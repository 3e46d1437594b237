/** What is wrong with the kernels: limits, spills, and figures that got worse than the saved ones. Pure. */
import type { CompiledKernels } from '../../../cli/bench/compiled.js';
import { threadsOf, type Compiled } from '../../../cli/bench/prediction.js';
import type { StepKernel } from './kernels.js';

/** WebGPU's default limits. */
const MOST = { storage: 8, threads: 256, shared: 16384 };
/** A loop with this many times the instructions for each multiply-add has got worse. */
const GROWTH = 1.25;

/** Why a kernel would not run on every device. */
export function limitProblems({ name, bindings, kernel }: StepKernel, { shared }: Compiled): string[] {
  const values = { storage: bindings.filter((binding) => binding !== 'uniform').length, threads: threadsOf(kernel), shared };
  const names = { storage: 'storage buffers', threads: 'threads', shared: 'bytes of workgroup memory' };
  return (Object.keys(MOST) as (keyof typeof MOST)[]).filter((limit) => values[limit] > MOST[limit])
    .map((limit) => `${name} needs ${values[limit]} ${names[limit]}, and WebGPU's default limit is ${MOST[limit]}`);
}

/** Instructions for each multiply-add of the hot loops, those on matrix units too; undefined without loops. */
export function costOf({ loops, around }: Compiled): number | undefined {
  const sum = (key: 'all' | 'fma' | 'units'): number => loops.reduce((total, loop) => total + (loop[key] ?? 0), around[key] ?? 0);
  return loops.length === 0 ? undefined : sum('all') / (sum('fma') + sum('units'));
}

/** What got worse in a kernel. */
export function regressions(name: string, now: Compiled, before: Compiled | undefined): string[] {
  const found: string[] = [];
  if (now.spills > 0) found.push(`${name} spills ${now.spills}`);
  if (now.scratch > 0) found.push(`${name} takes ${now.scratch} bytes of scratch memory`);
  if (!before) return found;
  if (now.waves < before.waves) found.push(`${name} lost occupancy: ${now.waves} waves a scheduler, was ${before.waves}`);
  const [cost, former] = [costOf(now), costOf(before)];
  if (cost !== undefined && former !== undefined && cost > GROWTH * former) {
    found.push(`${name}: its loop takes ${cost.toFixed(2)} instructions for each multiply-add, was ${former.toFixed(2)}`);
  }
  return found;
}

/** Names of kernels that are new, gone, and of another source than the saved ones. */
export function changes(now: CompiledKernels, before: CompiledKernels): Record<'added' | 'gone' | 'changed', string[]> {
  return {
    added: [...now.keys()].filter((name) => !before.has(name)),
    gone: [...before.keys()].filter((name) => !now.has(name)),
    changed: [...now].filter(([name, { key }]) => before.has(name) && before.get(name)!.key !== key).map(([name]) => name),
  };
}
