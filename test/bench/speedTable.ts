/**
 * The table of training steps in the README, from the reports of devices and the predictions in `results/`:
 * `node dist/test/bench/speedTable.js` prints it, `--write` puts it into the README. A prediction gives way to a measurement.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseReport, REPORTED, type DeviceReport } from '../../cli/bench/report.js';
import { nameOfDevice } from '../../cli/gpu/device.js';
import { digits } from '../../cli/shared/table.js';
import { root } from '../helpers/sources.js';

/** A predicted step: milliseconds and the two ends of the prediction. */
export interface PredictedRow {
  readonly gpu: string;
  /** `f16 on matrix units`; absent: f32. */
  readonly on?: string;
  readonly model: string;
  readonly size: number;
  readonly ms: number;
  readonly best: number;
  readonly worst: number;
}

export const RESULTS = join(root, 'test', 'bench', 'results');
export const PREDICTIONS = join(RESULTS, 'predictions.json');
/** GPUs of the table; `npm run offline` has more. */
const SHOWN: readonly (readonly [gpu: string, on?: string])[] = [
  ['NVIDIA H100 SXM'], ['NVIDIA H100 SXM', 'f16 on matrix units'], ['NVIDIA RTX 4090'], ['AMD RX 7900 XTX'],
  ['AMD Instinct MI210'],
];
const [BEGIN, END] = ['<!-- made by test/bench/speedTable.ts -->\n', '<!-- end -->'];

const time = (ms: number): string => (ms >= 1000 ? `${digits(ms / 1000)} s` : `${digits(ms)} ms`);
const whole = (ms: number): string => ms.toFixed(ms < 10 ? 1 : 0);

/** The table: measured devices first, then predictions for the others. */
export function speedTable(reports: readonly DeviceReport[], predictions: readonly PredictedRow[]): string {
  const measured = reports.map(({ adapter, steps, system }) => [
    `${nameOfDevice(adapter)}${adapter.software ? `, ${system.processors} cores` : ''}`,
    ...REPORTED.map(({ model, size }) => {
      const found = steps.find(({ step }) => step.model === model && step.size === size);
      return found ? time(found.figures.stepMs) : '';
    }), 'measured',
  ]);
  const predicted = SHOWN.filter(([gpu]) => !measured.some(([name]) => name!.includes(gpu.split(' ').slice(1).join(' '))))
    .map(([gpu, on]) => [[gpu, on].filter(Boolean).join(', '), ...REPORTED.map(({ model, size }) => {
      const row = predictions.find((one) => one.gpu === gpu && one.on === on && one.model === model && one.size === size);
      return row ? `${whole(row.ms)} ms (${whole(row.best)} to ${whole(row.worst)})` : '';
    }), '*prediction*']);
  const head = ['a step', ...REPORTED.map(({ model, size }) => `${model}, crops of ${size}`), ''];
  return [head, ['---', ...REPORTED.map(() => '---:'), '---'], ...measured, ...predicted]
    .map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

/** The table of the files in `results/`. */
export function currentTable(): string {
  const names = readdirSync(RESULTS).filter((name) => name.endsWith('.json') && name !== 'predictions.json').sort();
  const reports = names.map((name) => parseReport(readFileSync(join(RESULTS, name), 'utf8'), name));
  return speedTable(reports, JSON.parse(readFileSync(PREDICTIONS, 'utf8')) as PredictedRow[]);
}

/** `text` with the table between its marks. @throws Error when they are missing */
export function withTable(text: string, table: string): string {
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`README.md lacks the marks ${BEGIN.trim()} and ${END}`);
  return `${text.slice(0, from + BEGIN.length)}${table}${text.slice(to)}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const table = currentTable();
  const readme = join(root, 'README.md');
  if (process.argv.includes('--write')) writeFileSync(readme, withTable(readFileSync(readme, 'utf8'), table));
  else process.stdout.write(table);
}
