/** Numbers and states for people. */
import type { RunState, RunStatus } from '../snapshot.js';

/** Three significant digits, with exponents for tiny values only. */
export function short(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  return size >= 1e-4 ? value.toPrecision(3) : value.toExponential(1);
}

/** 4000 -> `1 h 07 min`, 75 -> `1 min 15 s`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const pair = (n: number) => String(n).padStart(2, '0');
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pair(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${pair(Math.floor((whole % 3600) / 60))} min`;
}

/** Steps a second, or seconds a step for slow runs. */
export const speed = (stepsPerSecond: number): string =>
  stepsPerSecond >= 0.95 ? `${short(stepsPerSecond)} steps/s` : `${short(1 / stepsPerSecond)} s/step`;

const names: { readonly [status in RunStatus]?: string } = { interrupted: 'stopped', gone: 'process gone' };
export const statusText = (status: RunStatus): string => names[status] ?? status;

export const percent = ({ done, total }: RunState): string => `${Math.floor((100 * done) / Math.max(1, total))} %`;
