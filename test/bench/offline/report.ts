/** The tables of `npm run offline`. Pure. */
import type { CompiledKernels } from '../../../cli/bench/compiled.js';
import { threadsOf, type Compiled, type Loop } from '../../../cli/bench/prediction.js';
import { digits, percent, table } from '../../../cli/shared/table.js';
import type { StepKernel } from './kernels.js';

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const HEAD = [
  'kernel', 'threads', 'registers', 'spills', 'scratch', 'memory', 'waves', 'code', 'loops', 'FMA', 'with around', 'FMA/load',
];

/** A row of figures. Loads are of 128 bits, narrower ones in parts of them; they serve multiply-adds on matrix units too. */
function row({ name, kernel }: StepKernel, compiled: Compiled): string[] {
  const { registers, spills, scratch, shared, waves, instructions, loops, around } = compiled;
  const total = (key: keyof Loop): number => sum(loops.map((loop) => loop[key] ?? 0));
  const loads = total('wide') + total('half') / 2 + total('single') / 4;
  const ofLoops = loops.length === 0 ? ['', '', '', ''] : [
    loops.map(({ all, units }) => `${all}${units ? ` (${units} on units)` : ''}`).join('+'), percent(total('fma') / total('all')),
    percent((total('fma') + around.fma) / (total('all') + around.all)), digits((total('fma') + total('units')) / loads),
  ];
  return [name, ...[threadsOf(kernel), registers, spills, scratch, shared, waves, instructions].map(String), ...ofLoops];
}

/** Kernels with hot loops, or all. */
export function kernelTable(kernels: readonly StepKernel[], figures: CompiledKernels, all: boolean): string {
  const known = kernels.flatMap((kernel) => {
    const found = figures.get(kernel.name);
    return found ? [{ kernel, found }] : [];
  });
  const shown = known.filter(({ found }) => all || found.loops.length > 0);
  const rest = known.filter((one) => !shown.includes(one));
  const most = (key: 'registers' | 'spills' | 'scratch' | 'shared'): number => Math.max(...rest.map(({ found }) => found[key]));
  const others = rest.length === 0 ? [] : [
    `${rest.length} kernels without such loops: at most ${most('registers')} registers, ${most('spills')} spilled, ` +
    `${most('scratch')} bytes of scratch, ${most('shared')} bytes of workgroup memory, ` +
    `at least ${Math.min(...rest.map(({ found }) => found.waves))} waves`,
  ];
  const lines = shown.length > 0 ? [table([HEAD, ...shown.map(({ kernel, found }) => row(kernel, found))])] : [];
  return [...lines, ...others].join('\n');
}
