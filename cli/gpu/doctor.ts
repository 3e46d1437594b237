/** The work of `splice-gpu doctor`: whether a GPU works here, which one, and the kernels it gets. */
import { createEngine, deviceDescriptor } from '../../engine/index.js';
import { NoAdapterError } from '../shared/errors.js';
import type { Io } from '../shared/progress.js';
import { version } from '../shared/version.js';
import { listAdapters, nameOfUnits, openDevice, summarize, type AdapterSummary } from './device.js';
import { privateDriver } from './mesa.js';

export interface DoctorOptions {
  readonly json?: boolean;
}

/** The findings, which --json prints unchanged. */
export interface Diagnosis {
  readonly ok: boolean;
  readonly version: string;
  readonly node: string;
  readonly platform: string;
  readonly adapters: readonly string[];
  /** The adapter that commands use. */
  readonly adapter?: AdapterSummary;
  readonly features?: readonly string[];
  readonly limits?: Readonly<Record<string, number>>;
  /** The kernel variants of this device. */
  readonly kernels?: Readonly<Record<string, unknown>>;
  /** If no adapter works: the reason, and what to install. */
  readonly problem?: string;
}

/** Returns the exit code: 1 when no adapter works. @throws NoAdapterError when the unpacked driver has not been tried yet */
export async function doctor({ json }: DoctorOptions, { stdout }: Io): Promise<number> {
  const diagnosis = await diagnose();
  stdout.write(json ? `${JSON.stringify(diagnosis)}\n` : report(diagnosis));
  return diagnosis.ok ? 0 : 1;
}

/** What works here. @throws NoAdapterError when the unpacked driver has not been tried yet */
export async function diagnose(): Promise<Diagnosis> {
  const system = { version: version(), node: process.version, platform: `${process.platform}-${process.arch}` };
  try {
    const { adapter, device, units } = await openDevice({ precision: 'f16' });
    const found: Diagnosis = {
      ok: true,
      ...system,
      adapters: await listAdapters(),
      adapter: summarize(adapter, units),
      features: [...adapter.features].sort(),
      limits: deviceDescriptor(adapter).requiredLimits,
      kernels: { ...createEngine(device).tuning, ...(units && { units: nameOfUnits(units) }) },
    };
    device.destroy();
    return found;
  } catch (error) {
    if (!(error instanceof NoAdapterError) || privateDriver()) throw error;
    return { ok: false, ...system, adapters: [], problem: error.message };
  }
}

/** The findings for people. */
export function report(diagnosis: Diagnosis): string {
  const { ok, adapters, adapter, features = [], limits = {}, kernels = {} } = diagnosis;
  const head = `splice-gpu ${diagnosis.version}, Node ${diagnosis.node}, ${diagnosis.platform}\n`;
  if (!ok || !adapter) return `${head}problem   ${diagnosis.problem}\n`;
  const name = adapter.device || adapter.vendor || 'unnamed';
  const sized = (value: number): string => (value >= 2 ** 20 ? `${value} (${Math.floor(value / 2 ** 20)} MiB)` : String(value));
  return [
    head,
    entry('adapters', adapters),
    entry('used', [`${name}${adapter.software ? ' (software: correct numbers, low speed)' : ''}`]),
    entry('driver', [adapter.driver || 'not named']),
    entry('features', [features.join(' ')]),
    entry('limits', Object.entries(limits).map(([limit, value]) => `${limit} ${sized(value)}`)),
    entry('kernels', Object.entries(kernels).map(([setting, value]) => `${setting} ${String(value)}`)),
    'all good: splice-gpu transfer can run here\n',
  ].join('');
}

/** Lines with the title before the first. */
const entry = (title: string, lines: readonly string[]): string =>
  lines.map((line, i) => `${(i ? '' : title).padEnd(9)} ${line}\n`).join('');
