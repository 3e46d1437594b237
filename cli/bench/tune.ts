/** The work of `splice-gpu tune`: chooses the kernels of this device, for a training step. */
import { largestGraphs, type GraphMaker } from '../../model/training/memoryNeed.js';
import type { CalibrationRow, KernelTrial } from '../../engine/index.js';
import { measureApart, type MeasureLine } from '../gpu/apart.js';
import { calibrationStore, interruptible } from '../gpu/calibration.js';
import { nameOfDevice } from '../gpu/device.js';
import type { Parts } from '../run/parts.js';
import type { Graphs } from '../run/training.js';
import { createProgress } from '../shared/progress.js';
import { digits, table } from '../shared/table.js';
import { plannedVit } from './models.js';
import { plannedSetting, type StepOptions } from './setting.js';

export interface TuneOptions extends StepOptions {
  readonly model: string;
  readonly seconds: number;
  /** Measures again what is known; what is struck out stays so. */
  readonly force?: boolean;
  readonly json?: boolean;
}

/** The programs of a training with these options, on square photos. */
export const stepGraphs = async (options: TuneOptions, graph: GraphMaker): Promise<Graphs> =>
  largestGraphs(plannedSetting(options, await plannedVit(options.model)), undefined, undefined, graph);

/** Prints what was measured and what is struck out. Returns the exit code. @throws Error when it cannot be measured */
export async function tune(options: TuneOptions, { openEngine, stdout, stderr, interrupt }: Parts): Promise<number> {
  const use = { precision: options.precision };
  const { adapter, close } = await openEngine(use);
  close(); // the kernels run in another process
  const store = calibrationStore(adapter);
  if (options.force) await store.write({ chosen: {}, struck: (await store.read())?.struck ?? {} });
  const rows: CalibrationRow[] = [];
  const progress = createProgress(0, stderr);
  const onLine = (line: MeasureLine): void => {
    if ('row' in line) rows.push(line.row);
    if ('row' in line) progress.note(`${line.row.op}, ${line.row.count}x: ${line.row.chosen}`);
    if ('lost' in line) progress.note(line.lost);
  };
  const request = { command: 'tune', options, seconds: options.seconds, use };
  const left = await interruptible(store, interrupt, measureApart(request, interrupt, onLine));
  const { chosen = {}, struck = {} } = (await store.read()) ?? {};
  const result = { adapter, rows, left, chosen, struck, path: store.path };
  stdout.write(options.json ? `${JSON.stringify(result)}\n` : `${nameOfDevice(adapter)}\n${report(result)}\n`);
  return 0;
}

interface Result {
  readonly rows: readonly CalibrationRow[];
  readonly left: number;
  readonly chosen: Readonly<Record<string, string>>;
  readonly struck: Readonly<Record<string, string>>;
  readonly path: string;
}

/** The kernels of each kind side by side, what is struck out and why, and how much is known. */
export function report({ rows, left, chosen, struck, path }: Result): string {
  const outcome = ({ ms, struck: why }: KernelTrial): string => (why ? 'struck out' : ms === undefined ? '-' : digits(ms));
  const lines = rows.flatMap(({ op, count, chosen: best, kernels }) => kernels.map((kernel, i) =>
    [i ? '' : op, i ? '' : `${count}x`, kernel.name, outcome(kernel), kernel.name === best ? '*' : '']));
  const measured = lines.length > 0 ? [table([['launch', 'a step', 'kernel', 'ms', 'chosen'], ...lines])] : [];
  const others = Object.values(chosen).filter((name) => name !== 'usual').length;
  return [
    ...measured,
    ...Object.entries(struck).map(([name, why]) => `struck out: ${name}: ${why}`),
    `${rows.length} kinds of launches measured now, ${left} left`,
    `${Object.keys(chosen).length} known, ${others} with another kernel than the usual one: ${path}`,
  ].join('\n');
}
