/** A predicted step: sums of the predictions of its launches. Pure. */
import type { AdapterSummary } from '../gpu/device.js';
import { digits, percent, table } from '../shared/table.js';
import { kernelsOf, type CompiledFile, type CompiledKernels } from './compiled.js';
import { gpus, peakOf, predict, roofMs, type Compiled, type Gpu, type LaunchFacts, type Prediction } from './prediction.js';

export interface PredictedSum extends Prediction {
  readonly launches: number;
  readonly flops: number;
  /** Milliseconds at the GPU's ceilings. */
  readonly roof: number;
}

export interface PredictedStep extends PredictedSum {
  readonly gpu: string;
  /** Launches whose kernel has other source than the compiled one of its op, and launches without any. */
  readonly others: number;
  readonly missing: number;
  readonly ops: readonly (PredictedSum & { readonly op: string })[];
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** What the launches of a step take on a GPU. Kernels are found by their key, else by their op. */
export function predictStep(launches: readonly LaunchFacts[], kernels: CompiledKernels, gpu: Gpu): PredictedStep {
  const byKey = new Map<string, Compiled>([...kernels.values()].map((one) => [one.key, one]));
  const byOp = new Map<string, Compiled>([...kernels].reverse().map(([name, one]) => [name.split(' ')[0]!, one]));
  const rows = launches.map((launch) => {
    const compiled = byKey.get(launch.key) ?? byOp.get(launch.op);
    const prediction = compiled ? predict(launch, compiled, gpu) : { ms: 0, best: 0, worst: 0 };
    const { key, op, flops } = launch;
    return { op, exact: byKey.has(key), found: Boolean(compiled), flops, roof: roofMs(launch, gpu), ...prediction };
  });
  const total = (of: typeof rows): PredictedSum => {
    const all = (key: 'flops' | 'roof' | 'ms' | 'best' | 'worst'): number => sum(of.map((row) => row[key]));
    const times = { ms: all('ms'), best: all('best'), worst: all('worst') };
    return { launches: of.length, flops: all('flops'), roof: all('roof'), ...times };
  };
  const names = [...new Set(rows.map(({ op }) => op))];
  const ops = names.map((op) => ({ op, ...total(rows.filter((row) => row.op === op)) })).sort((a, b) => b.ms - a.ms);
  const missing = rows.filter(({ found }) => !found).length;
  return { gpu: gpu.name, ...total(rows), others: rows.filter(({ exact }) => !exact).length - missing, missing, ops };
}

/**
 * The GPU that stands for an adapter: one that is known by its name, else one of the maker with the adapter's measured ceilings.
 * Undefined for software adapters, and for makers whose kernels no compiler here compiles.
 */
export function gpuOf(
  { vendor, device, driver, software }: AdapterSummary, measured: { readonly gflops: number; readonly gbPerSecond: number },
): Gpu | undefined {
  if (software) return undefined;
  const named = gpus.find(({ pattern }) => pattern.test(device) || pattern.test(driver));
  if (named) return named;
  const like = gpus.find(({ name }) => name.toLowerCase().startsWith(vendor.toLowerCase() || '-'));
  if (!like) return undefined;
  const units = Math.max(1, Math.round(measured.gflops / (2 * like.lanes * like.ghz)));
  const name = `${device || vendor} (as ${like.name}, with its own ceilings)`;
  return { ...like, name, units, gbPerSecond: measured.gbPerSecond };
}

/** The prediction for an adapter, if there is one. */
export function predictionFor(
  launches: readonly LaunchFacts[], file: CompiledFile, gpu: Gpu | undefined,
): PredictedStep | undefined {
  const kernels = gpu && kernelsOf(file, gpu.compiled);
  return kernels && predictStep(launches, kernels, gpu);
}

/** Ops with a smaller share of the step are not shown. */
const LEAST_SHARE = 0.02;

export function predictionTable(step: PredictedStep, gpu: Gpu): string {
  const line = (name: string, one: PredictedSum): string[] => [
    name, String(one.launches), digits(one.roof), digits(one.ms), `${digits(one.best)} to ${digits(one.worst)}`,
    one.flops > 0 ? percent(one.flops / 1e6 / one.ms / peakOf(gpu)) : '',
  ];
  const shown = step.ops.filter(({ ms }) => ms >= LEAST_SHARE * step.ms);
  const rest = step.ops.filter((op) => !shown.includes(op));
  const of = (key: 'launches' | 'roof' | 'ms'): number => sum(rest.map((op) => op[key]));
  const last = [`${rest.length} other ops`, String(of('launches')), digits(of('roof')), digits(of('ms')), '', ''];
  const head = ['predicted, ms', 'launches', 'roof', 'prediction', 'range', 'of peak'];
  return table([head, line('step', step), ...shown.map((op) => line(op.op, op)), ...(rest.length > 0 ? [last] : [])]);
}

/** A line for a measured step. */
export function predictionLine({ gpu, ms, best, worst, launches, others, missing }: PredictedStep, measured: number): string {
  const doubts = [
    ...(others > 0 ? [`${others} of ${launches} launches by another kernel of their op`] : []),
    ...(missing > 0 ? [`${missing} launches left out`] : []),
  ];
  const notes = doubts.length > 0 ? `; ${doubts.join(', ')}` : '';
  return `predicted from compiled kernels for ${gpu}: ${digits(ms)} ms (${digits(best)} to ${digits(worst)}), ` +
    `measured over predicted ${(measured / ms).toFixed(2)}${notes}`;
}
