/**
 * Whether a run's beginning tells which seed will be best: of runs of several seeds in folders PAIR-SEED, with --keep-every,
 * the mean losses of their generators after some steps and at the end. Says for each step in how many pairs the seed that leads
 * there ends with the lowest total, and below the median of the pair's seeds.
 *
 *     node dist/test/study/earlyTotals.js RUNS 30 60 120
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readConfig } from '../../cli/run/config.js';
import { realParts } from '../../cli/run/parts.js';
import { table } from '../../cli/shared/table.js';
import { meanTotals } from '../../cli/transfer/meanTotals.js';
import { median } from './ablation.js';

const [root, ...words] = process.argv.slice(2);
if (!root || words.length === 0) {
  console.error('usage: node dist/test/study/earlyTotals.js RUNS STEP...');
  process.exit(2);
}
const silent = { write: () => undefined };
const parts = realParts({ stdout: silent, stderr: silent, interrupt: new AbortController().signal });
const steps = words.map(Number);

/** Totals by pair: a row for each seed. */
const pairs = new Map<string, number[][]>();
for (const name of readdirSync(root).sort()) {
  const pair = /^(.*)-\d+$/.exec(name)?.[1];
  if (!pair) continue;
  const folder = join(root, name);
  const { plan } = await readConfig(folder);
  const totals = await meanTotals(folder, parts, [...steps, (plan as { steps: number }).steps]);
  pairs.set(pair, [...(pairs.get(pair) ?? []), totals]);
  console.log(`${name}: ${totals.map((total) => total.toFixed(2)).join(' ')}`);
}

const rows = steps.map((step, i) => {
  const chosen = [...pairs.values()].map((seeds) => {
    const [leading, ends] = [seeds.map((totals) => totals[i]!), seeds.map((totals) => totals.at(-1)!)];
    return { ends, end: ends[leading.indexOf(Math.min(...leading))]! };
  });
  const best = chosen.filter(({ end, ends }) => end === Math.min(...ends)).length;
  const below = chosen.filter(({ end, ends }) => end < median(ends)).length;
  return [String(step), `${best} of ${pairs.size}`, `${below} of ${pairs.size}`];
});
console.log(table([['leading after', 'ends lowest', 'below the median'], ...rows]));
