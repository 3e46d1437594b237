/** The work of `splice-gpu doctor`: does a GPU work here, which, and what will run on it. */
import { createEngine } from '../../engine/index.js';
import { LIMITS, listAdapters, openDevice, summarize, type AdapterSummary } from './device.js';
import { NoAdapterError } from '../shared/errors.js';
import { privateDriver } from './mesa.js';
import type { Output } from '../shared/progress.js';
import { version } from '../shared/version.js';

export interface DoctorOptions {
  readonly json: boolean;
}

/** What doctor found out; printed as it is with --json. */
export interface Diagnosis {
  readonly ok: boolean;
  readonly version: string;
  readonly node: string;
  readonly platform: string;
  readonly adapters: readonly string[];
  /** The one that commands use. */
  readonly adapter?: AdapterSummary;
  readonly features?: readonly string[];
  readonly limits?: Readonly<Record<string, number>>;
  /** The kernel variants this device gets. */
  readonly kernels?: Readonly<Record<string, unknown>>;
  /** When nothing works: why, and what to install. */
  readonly problem?: string;
}

/** Answers with the exit code: 1 when no adapter works. @throws NoAdapterError when an unpacked driver is still to be tried */
export async function doctor(options: DoctorOptions, stdout: Output): Promise<number> {
  const diagnosis = await diagnose();
  stdout.write(options.json ? `${JSON.stringify(diagnosis)}\n` : report(diagnosis));
  return diagnosis.ok ? 0 : 1;
}

async function diagnose(): Promise<Diagnosis> {
  const system = { version: version(), node: process.version, platform: `${process.platform}-${process.arch}` };
  try {
    const { adapter, device } = await openDevice();
    const found: Diagnosis = {
      ok: true,
      ...system,
      adapters: await listAdapters(),
      adapter: summarize(adapter),
      features: [...adapter.features].sort(),
      limits: Object.fromEntries(LIMITS.map((name) => [name, device.limits[name]])),
      kernels: { ...createEngine(device).tuning },
    };
    device.destroy();
    return found;
  } catch (error) {
    if (!(error instanceof NoAdapterError) || privateDriver()) throw error;
    return { ok: false, ...system, adapters: [], problem: error.message };
  }
}

/** For people. */
export function report({ ok, version, node, platform, adapters, adapter, features = [], limits = {}, kernels = {}, problem }: Diagnosis): string {
  const head = [`splice-gpu ${version}, Node ${node}, ${platform}`];
  if (!ok || !adapter) return `${[...head, `problem   ${problem}`].join('\n')}\n`;
  const name = adapter.device || adapter.vendor || 'unnamed';
  const lines = [
    ...head,
    ...adapters.map((line, i) => `${i ? '         ' : 'adapters '} ${line}`),
    `used      ${name}${adapter.software ? ' (software: right numbers, low speed)' : ''}`,
    `driver    ${adapter.driver || 'not named'}`,
    `features  ${features.join(' ')}`,
    ...table('limits', limits, (value) => (value >= 2 ** 20 ? `${value} (${Math.floor(value / 2 ** 20)} MiB)` : String(value))),
    ...table('kernels', kernels, String),
    'all good: splice-gpu transfer can run here',
  ];
  return `${lines.join('\n')}\n`;
}

const table = <T>(title: string, values: Readonly<Record<string, T>>, show: (value: T) => string): string[] =>
  Object.entries(values).map(([key, value], i) => `${(i ? '' : title).padEnd(9)} ${key} ${show(value)}`);
