/** Tables and numbers for people. */
import { printable } from './text.js';

/** Columns of the width of their widest cell: the first to the left, the others, as `numbers`, to the right. */
export function table(cells: readonly (readonly string[])[], numbers = true): string {
  const rows = cells.map((row) => row.map(printable));
  const widths = rows[0]!.map((_, i) => rows.reduce((most, row) => Math.max(most, row[i]!.length), 0));
  const pad = (cell: string, i: number): string => (numbers && i > 0 ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!));
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n');
}

/** Three significant digits, never in exponents: 1317, 12.3, 0.0721. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '-';
  const magnitude = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.min(6, Math.max(0, 2 - magnitude)));
}

export const percent = (share: number): string =>
  Number.isFinite(share) ? `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%` : '-';

export const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
