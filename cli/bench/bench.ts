/** The work of `splice-gpu bench`: measures, prints, keeps and compares. */
import { measureRoof, type Engine, type Roof } from '../../engine/index.js';
import { kernelsReport, measureKernels, type KernelsRequest } from './kernels.js';
import { readResult, saveResult, showChanges, type BenchResult } from './result.js';
import { measureStep, planReport, planStep, runReport, stepReport, type StepRequest } from './step.js';
import { digits } from '../shared/table.js';
import { loadVariant } from './variants.js';
import type { AdapterSummary } from '../gpu/device.js';
import type { RecipeName, SpliceOptions } from '../../model/method/options.js';
import { createProgress, type Output } from '../shared/progress.js';
import type { Parts } from '../run/parts.js';

export type BenchMode = BenchResult['what'];

export interface BenchOptions {
  readonly what: BenchMode;
  readonly model: readonly string[];
  readonly recipe: readonly RecipeName[];
  /** Side of the crops in pixels. */
  readonly size: number;
  readonly vitSize: number;
  readonly checkpointing: boolean;
  readonly precision: SpliceOptions['precision'];
  readonly repeats: number;
  readonly json: boolean;
  /** Only what has this word in its name. */
  readonly filter?: string;
  readonly save?: string;
  readonly against?: string;
  /** Kernels of all device classes. */
  readonly allVariants: boolean;
  /** Files with variants of the user's own. */
  readonly variant: readonly string[];
  /** Only plan: no device is opened. */
  readonly plan: boolean;
}

interface Measurement {
  readonly result: BenchResult & { readonly figures?: unknown };
  readonly report: string;
}

/** Measures and prints. Answers with the exit code. @throws InputError for files that cannot be read or written */
export async function bench(options: BenchOptions, { openEngine, stdout, stderr }: Parts): Promise<number> {
  if (options.plan) {
    const figures = await planStep(stepRequest(options));
    stdout.write(options.json ? `${JSON.stringify(figures)}\n` : `${planReport(figures)}\n${runReport(figures.run)}\n`);
    return 0;
  }
  const before = options.against === undefined ? undefined : await readResult(options.against, options.what);
  const variants = await Promise.all(options.variant.map(loadVariant));
  const { engine, adapter, close } = await openEngine();
  try {
    const { result, report } = await modes[options.what]({ options, engine, adapter, variants, stderr });
    if (options.save !== undefined) await saveResult(options.save, result);
    const changes = before && showChanges(options.against!, before, result);
    const head = `${[adapter.vendor, adapter.device].filter(Boolean).join(' ')}, ${engine.tuning.name} kernels`;
    stdout.write(options.json ? `${JSON.stringify(result)}\n` : `${[head, report, ...(changes ? ['', changes] : [])].join('\n')}\n`);
  } finally {
    close();
  }
  return 0;
}

interface Job {
  readonly options: BenchOptions;
  readonly engine: Engine;
  readonly adapter: AdapterSummary;
  readonly variants: KernelsRequest['variants'];
  readonly stderr: Output;
}

const resultOf = ({ options, engine, adapter }: Job, rows: BenchResult['rows']): BenchResult => {
  const { what, model, recipe, size, vitSize, checkpointing, precision, repeats } = options;
  return { what, adapter, kernels: engine.tuning.name, options: what === 'roof' ? { repeats } : { model, recipe, size, vitSize, checkpointing, precision, repeats }, rows };
};

const stepRequest = ({ model, recipe, ...rest }: BenchOptions): StepRequest => ({ ...rest, model: model[0]!, recipe: recipe[0]! });

const roofReport = ({ gflops, gbPerSecond }: Roof): string =>
  `ceilings: ${digits(gflops)} GFLOP/s of f32 multiply-adds, ${digits(gbPerSecond)} GB/s of copying, read and written`;

/** Amounts a millisecond as times of a fixed amount, so that all results are compared alike. */
const roofRows = ({ gflops, gbPerSecond }: Roof): BenchResult['rows'] =>
  [{ name: '10^9 operations', ms: 1e3 / gflops, noise: 0 }, { name: '10^9 bytes copied', ms: 1e3 / gbPerSecond, noise: 0 }];

const modes: Readonly<Record<BenchMode, (job: Job) => Promise<Measurement>>> = {
  roof: async (job) => {
    const roof = await measureRoof(job.engine, job.options.repeats);
    return { result: { ...resultOf(job, roofRows(roof)), figures: roof }, report: roofReport(roof) };
  },
  kernels: async (job) => {
    const { options, engine, variants, stderr } = job;
    const { model: models, recipe: recipes, allVariants: all } = options;
    const roof = await measureRoof(engine, options.repeats);
    const progress = createProgress(0, stderr);
    const rows = await measureKernels({ ...options, models, recipes, all, variants }, engine, roof, ({ name, ms }) => progress.note(`${name}: ${digits(ms)} ms`));
    return { result: { ...resultOf(job, rows), figures: roof }, report: `${roofReport(roof)}\n\n${kernelsReport(rows)}` };
  },
  step: async (job) => {
    const request = stepRequest(job.options);
    const { rows, ...figures } = await measureStep(request, job.engine);
    return { result: { ...resultOf(job, rows), figures }, report: stepReport({ rows, ...figures }, request) };
  },
};
