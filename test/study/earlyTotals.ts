/**
 * Whether the beginning of a run tells which seed will be best: of the runs of one set of an ablation, as ablate.js makes them,
 * in how many pairs the seed with the lowest total loss up to a step ends with the lowest one, and below the median.
 *
 *     node dist/test/study/earlyTotals.js out/ablation/single 30 60 120
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseLog } from '../../cli/run/log.js';
import { readText } from '../../cli/shared/read.js';
import { table } from '../../cli/shared/table.js';
import { recentTotal } from '../../model/training/log.js';

const [folder, ...steps] = process.argv.slice(2);
if (!folder || steps.length === 0) {
  console.error('usage: node dist/test/study/earlyTotals.js FOLDER STEP...');
  process.exit(2);
}
/** Logs by pair. */
const pairs = new Map<string, ReturnType<typeof parseLog>[]>();
for (const name of readdirSync(folder).sort()) {
  const pair = /^(.*)-\d+$/.exec(name)?.[1];
  const path = join(folder, name, 'log.jsonl');
  if (pair) pairs.set(pair, [...(pairs.get(pair) ?? []), parseLog(path, await readText(path))]);
}
const smallest = (values: readonly number[]): number => values.indexOf(Math.min(...values));
const counts = steps.map(Number).map((step) => {
  let [best, below] = [0, 0];
  for (const logs of pairs.values()) {
    const ends = logs.map((log) => recentTotal(log, log.at(-1)!.step + 1)!);
    const early = logs.map((log) => recentTotal(log.filter((entry) => entry.step > 0 && entry.step <= step), step)!);
    const chosen = ends[smallest(early)]!;
    if (chosen === Math.min(...ends)) best++;
    if (chosen < [...ends].sort((a, b) => a - b)[Math.floor(ends.length / 2)]!) below++;
  }
  return [String(step), `${best} of ${pairs.size}`, `${below} of ${pairs.size}`];
});
console.log(table([['up to step', 'best', 'below the median'], ...counts]));
