/** The work of `splice-gpu bench`: measures, prints, saves and compares. */
import { measureRoof, type Engine, type Roof } from '../../engine/index.js';
import type { RecipeName } from '../../model/method/options.js';
import type { AdapterSummary } from '../gpu/device.js';
import type { Parts } from '../run/parts.js';
import { writeJson } from '../shared/files.js';
import { createProgress, type Output } from '../shared/progress.js';
import { digits } from '../shared/table.js';
import { detailReport, measureDetail } from './detail.js';
import { kernelsReport, measureKernels, type KernelsRequest } from './kernels.js';
import { writeReport } from './report.js';
import { readResult, showChanges, type BenchResult } from './result.js';
import type { StepOptions } from './setting.js';
import { measureStep, planReport, planStep, runReport, stepReport, type StepRequest } from './step.js';
import { loadVariant } from './variants.js';

export type BenchMode = BenchResult['what'];

export interface BenchOptions extends Omit<StepOptions, 'recipe'> {
  readonly what: BenchMode;
  readonly model: readonly string[];
  readonly recipe: readonly RecipeName[];
  readonly repeats: number;
  readonly json?: boolean;
  /** Only what has this word in its name. */
  readonly filter?: string;
  readonly save?: string;
  readonly against?: string;
  /** Kernels of all device classes. */
  readonly allVariants?: boolean;
  /** Files with variants of the user. */
  readonly variant?: readonly string[];
  /** Only plans: no device is opened. */
  readonly plan?: boolean;
  /** Steps: also their launches one by one. */
  readonly launches?: boolean;
  /** A file for everything about the device. */
  readonly report?: string;
}

interface Measurement {
  readonly rows: BenchResult['rows'];
  /** Further numbers for the result. */
  readonly figures: unknown;
  readonly report: string;
}

/** Measures and prints. Returns the exit code. @throws InputError for files that cannot be read or written */
export async function bench(options: BenchOptions, parts: Parts): Promise<number> {
  const { openEngine, stdout, stderr } = parts;
  const { what, json, save, against } = options;
  if (options.plan) {
    const figures = await planStep(stepRequest(options));
    stdout.write(json ? `${JSON.stringify(figures)}\n` : `${planReport(figures)}\n${runReport(figures.run)}\n`);
    return 0;
  }
  const before = against === undefined ? undefined : await readResult(against, what);
  if (options.report !== undefined) return writeReport(options.report, options, parts);
  const variants = await Promise.all((options.variant ?? []).map(loadVariant));
  const { engine, adapter, close } = await openEngine({ precision: options.precision });
  try {
    const { rows, figures, report } = await modes[what]({ options, engine, adapter, variants, stderr });
    const result = { what, adapter, kernels: engine.tuning.name, options: settingsOf(options), rows, figures };
    if (save !== undefined) await writeJson(save, result);
    const changes = before ? ['', showChanges(against!, before, result)] : [];
    const head = `${[adapter.vendor, adapter.device].filter(Boolean).join(' ')}, ${engine.tuning.name} kernels`;
    stdout.write(json ? `${JSON.stringify(result)}\n` : `${[head, report, ...changes].join('\n')}\n`);
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

/** The options that decide what is measured. */
function settingsOf(options: BenchOptions): BenchResult['options'] {
  const { what, model, recipe, size, vitSize, checkpointing, precision, repeats } = options;
  if (what === 'detail') return { size, repeats };
  return what === 'roof' ? { repeats } : { model, recipe, size, vitSize, checkpointing, precision, repeats };
}

const stepRequest = (options: BenchOptions): StepRequest =>
  ({ ...options, model: options.model[0]!, recipe: options.recipe[0]! });

const roofReport = ({ gflops, gbPerSecond }: Roof): string =>
  `ceilings: ${digits(gflops)} GFLOP/s of f32 multiply-adds, ${digits(gbPerSecond)} GB/s of copying, read and written`;

/** Rates as the times of a fixed amount, so that all results are compared in the same way. */
const roofRows = ({ gflops, gbPerSecond }: Roof): BenchResult['rows'] => [
  { name: '10^9 operations', ms: 1e3 / gflops, noise: 0 },
  { name: '10^9 bytes copied', ms: 1e3 / gbPerSecond, noise: 0 },
];

const modes: Readonly<Record<BenchMode, (job: Job) => Promise<Measurement>>> = {
  roof: async ({ engine, options }) => {
    const figures = await measureRoof(engine, options.repeats);
    return { rows: roofRows(figures), figures, report: roofReport(figures) };
  },
  kernels: async ({ options, engine, variants, stderr }) => {
    const { model: models, recipe: recipes, allVariants: all = false } = options;
    const figures = await measureRoof(engine, options.repeats);
    const progress = createProgress(0, stderr);
    const rows = await measureKernels({ ...options, models, recipes, all, variants }, engine, figures, ({ name, ms }) =>
      progress.note(`${name}: ${digits(ms)} ms`));
    return { rows, figures, report: `${roofReport(figures)}\n\n${kernelsReport(rows)}` };
  },
  step: async ({ options, engine, adapter }) => {
    const request = stepRequest(options);
    const { rows, ...figures } = await measureStep(request, engine, adapter, await measureRoof(engine, options.repeats));
    return { rows, figures, report: stepReport({ rows, ...figures }, request) };
  },
  detail: async ({ options, engine }) => {
    const roof = await measureRoof(engine, options.repeats);
    const { rows, ...figures } = await measureDetail(options, engine, roof);
    return { rows, figures: { ...roof, ...figures }, report: `${roofReport(roof)}\n${detailReport({ rows, ...figures })}` };
  },
};
