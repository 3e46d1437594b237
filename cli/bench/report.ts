/** `bench --report FILE`: everything about a device in one file, which a user can send. */
import { arch, cpus, platform, release } from 'node:os';
import { measureRoof, type Roof } from '../../engine/index.js';
import type { AdapterSummary } from '../gpu/device.js';
import { diagnose, type Diagnosis } from '../gpu/doctor.js';
import type { Parts } from '../run/parts.js';
import { InputError } from '../shared/errors.js';
import { parseJson, writeJson } from '../shared/files.js';
import { createProgress } from '../shared/progress.js';
import { digits } from '../shared/table.js';
import { version } from '../shared/version.js';
import type { StepOptions } from './setting.js';
import { measureStep, stepReport, type StepFigures } from './step.js';

/** Steps that every device is measured with; software adapters only with the first. */
export const REPORTED = [
  { model: 'vit-small-8', recipe: 'splice', size: 256, vitSize: 224 },
  { model: 'vit-base-8', recipe: 'splice', size: 512, vitSize: 224 },
] as const;
export type ReportedStep = (typeof REPORTED)[number];

export interface DeviceReport {
  readonly format: 'splice-gpu device report 1';
  readonly version: string;
  readonly date: string;
  readonly system: { readonly platform: string; readonly node: string; readonly processor: string; readonly processors: number };
  readonly adapter: AdapterSummary;
  /** As `doctor --json`. */
  readonly diagnosis: Diagnosis;
  readonly roof: Roof;
  readonly steps: readonly { readonly step: ReportedStep; readonly precision: string; readonly figures: StepFigures }[];
}

export const FORMAT: DeviceReport['format'] = 'splice-gpu device report 1';

/** Measures and writes the report. Returns the exit code. @throws InputError when the file cannot be written */
export async function writeReport(
  path: string, { repeats, precision }: { readonly repeats: number; readonly precision: StepOptions['precision'] }, parts: Parts,
): Promise<number> {
  const diagnosis = await diagnose();
  const { engine, adapter, close } = await parts.openEngine({ precision });
  const progress = createProgress(0, parts.stderr);
  try {
    const roof = await measureRoof(engine, repeats);
    progress.note(`ceilings: ${digits(roof.gflops)} GFLOP/s, ${digits(roof.gbPerSecond)} GB/s`);
    const steps: DeviceReport['steps'][number][] = [];
    for (const step of adapter.software ? REPORTED.slice(0, 1) : REPORTED) {
      const request = { ...step, precision, repeats, checkpointing: false };
      const figures = await measureStep(request, engine, adapter, roof);
      steps.push({ step, precision, figures });
      progress.note(stepReport(figures, request));
    }
    const system = {
      platform: `${platform()} ${release()} ${arch()}`, node: process.version,
      processor: cpus()[0]?.model ?? '', processors: cpus().length,
    };
    const date = new Date().toISOString().slice(0, 10);
    const report: DeviceReport = { format: FORMAT, version: version(), date, system, adapter, diagnosis, roof, steps };
    await writeJson(path, report);
  } finally {
    close();
  }
  parts.stdout.write(`${path}: all about this device; it names the adapter, driver, processor and system, and no person\n`);
  return 0;
}

/** @throws InputError for a text that is not a report */
export function parseReport(text: string, path: string): DeviceReport {
  const report = parseJson(text) as Partial<DeviceReport> | undefined;
  if (report?.format === FORMAT && Array.isArray(report.steps) && report.adapter) return report as DeviceReport;
  throw new InputError(`${path} is no report of a device: give a file that bench --report wrote`);
}
