/** The ablation of test/study: its runs are made once, its table has means, spread and failures, and its sheet every result. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fakeParts } from '../helpers/fakeRun.js';
import { temporaryFolder } from '../helpers/pictures.js';
import { failure, files } from '../helpers/runs.js';
import { ablate, ablationRows, ablationTable, isFailure, spreadOf, totalsTable, type Ablation } from '../study/ablation.js';

const options = ['--model', files.model, '--warm-start', '0', '--vit-size', '12', '--size', '40'];
const two = (out: string): Ablation => ({
  out, seeds: [1, 2], judgeSize: 12, pairs: [{ name: 'pair', ...files }],
  sets: [{ name: 'long', options: [...options, '--steps', '200'] }, { name: 'short', options: [...options, '--steps', '20'] }],
});

test('an ablation makes each run once, and continues after an interrupt', async () => {
  const ablation = two(temporaryFolder());
  const controller = new AbortController();
  const onStep = (done: number): void => void (done === 100 && controller.abort());
  assert.equal(await ablate(ablation, fakeParts({ onStep }, controller.signal).parts), []);

  const { parts, heard } = fakeParts();
  const judged = await ablate(ablation, parts);
  assert.equal(judged.map(({ set, seed }) => [set, seed]), [['long', 1], ['short', 1], ['long', 2], ['short', 2]]);
  assert.match(heard.stderr, /long, pair, seed 1: resuming/);
  assert.is(heard.calls.filter((call) => call === 'step').length, 99 + 20 + 200 + 20);

  const again = fakeParts();
  assert.equal(await ablate(ablation, again.parts), judged);
  assert.not.ok(again.heard.calls.includes('step'));

  const other = { ...ablation, sets: [{ name: 'long', options: [...options, '--lr', '0.5'] }] };
  assert.match((await failure(ablate(other, fakeParts().parts))).message, /holds a run with another lr/);
});

test('the table has a line for each set with means, the spread between seeds and the failures', async () => {
  const ablation = two(temporaryFolder());
  const judged = await ablate(ablation, fakeParts().parts);
  const [head, long, short] = ablationTable(judged, ablation).split('\n').map((line) => line.trim().split(/\s{2,}/));
  const column = head!.indexOf('sharpness') + 1; // the heading of the names is empty
  assert.equal([long![1], short![1]], ['2', '2']);
  assert.equal([long![column], short![column]], ['0.20 ±0.00', '0.02 ±0.00']); // a thousandth of the steps
  assert.equal([long!.at(-1), short!.at(-1)], ['0', '2']);

  const rows = await ablationRows(judged, ablation);
  assert.equal(rows.map(({ label, cells }) => [label, cells.length]), [['pair, seed 1', 4], ['pair, seed 2', 4]]);
  assert.match(rows[0]!.captions![3]!, /sharpness 0.02 .*FAILURE/);
});

test('totals are medians over the seeds of a pair; a set with --seeds begins at the first alone', async () => {
  const best = { name: 'best', options: [...options, '--steps', '20', '--seeds', '2'] };
  const ablation = { ...two(temporaryFolder()), sets: [best] };
  const judged = await ablate(ablation, fakeParts().parts);
  assert.equal(judged.map(({ set, seed }) => [set, seed]), [['best', 1]]);
  const run = (set: string, total: number) => ({ ...judged[0]!, set, figures: { total } });
  const runs = [run('a', 3), run('a', 1), run('a', 9), run('b', 2), run('b', 4)];
  const sets = ['a', 'b', 'c'].map((name) => ({ name, options: [] }));
  assert.equal(totalsTable(runs, { ...ablation, sets }).split('\n').at(-1)!.split(/\s+/), ['pair', '3.00', '3.00', '-']);
});

test('the spread is that between the seeds of a pair, whatever the pairs differ by', () => {
  assert.ok(Math.abs(spreadOf([[1, 3], [101, 103]]) - Math.sqrt(2)) < 1e-12);
  assert.ok(Number.isNaN(spreadOf([[1], [2]])));
  assert.ok(isFailure({ structure: 0.59, sharpness: 1 }) && isFailure({ structure: 1, sharpness: 0.09 }));
  assert.not.ok(isFailure({ structure: 0.6, sharpness: 0.1 }));
});

test.run();
