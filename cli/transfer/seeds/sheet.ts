/** seeds.png: the results of all seeds after every round, with their scores, and the result of the best at the end. */
import { join } from 'node:path';
import { readImage, writeImage } from '../../photos/photo.js';
import { drawSheet, type SheetRow } from '../../photos/sheet.js';
import { nameOf } from '../../run/about.js';
import type { TransferOptions } from '../options.js';
import { COLUMNS } from '../report.js';
import { counted, type Scored } from './score.js';
import type { SeedScores } from './scores.js';

/** The picture of a seed after a round, in the run's folder. */
export const pictureOf = (seed: number, steps: number): string => join('seeds', `${seed}-${String(steps).padStart(5, '0')}.png`);

const HEIGHT = 192;
const pictureIn = (...path: string[]) => readImage(join(...path), { atMost: 2 * HEIGHT });

/** @param end the best seed and the steps of its result, once there is one */
export async function drawSeeds(
  { out, structure, appearance }: TransferOptions, { rounds, judge, cost }: SeedScores, end?: { seed: number; steps: number },
): Promise<void> {
  const seeds = (rounds[0]?.scores ?? []).map(({ seed }) => seed).sort((a, b) => a - b);
  const rows: SheetRow[] = [];
  for (const { steps, keep, scores } of rounds) {
    const runs = seeds.map((seed) => scores.find((run) => run.seed === seed));
    const photos = rows.length === 0 ? [await pictureIn(structure), await pictureIn(appearance)] : [undefined, undefined];
    const results = runs.map((run) => (!run || 'failed' in run ? undefined : pictureIn(out, pictureOf(run.seed, steps))));
    const captions = runs.map((run) => {
      if (!run) return '';
      return 'failed' in run ? 'diverged' : captionOf(run, scores.indexOf(run) < keep);
    });
    const cells = [...photos, ...(await Promise.all(results))];
    rows.push({ label: `after ${steps} steps`, cells, captions: ['', '', ...captions] });
  }
  if (end) {
    const best = seeds.map((seed) => (seed === end.seed ? pictureIn(out, 'result.png') : undefined));
    rows.push({ label: `after ${end.steps} steps`, cells: [undefined, undefined, ...(await Promise.all(best))] });
  }
  const title = `${nameOf(structure)} as ${nameOf(appearance)}`;
  const note = `Judged by ${judge?.name ?? 'the pictures alone'}; ${cost.toFixed(2)} times the steps of one run.`;
  const columns = ['structure', 'appearance', ...seeds.map((seed) => `seed ${seed}`)];
  await writeImage(join(out, 'seeds.png'), await drawSheet({ title, note, columns, rows, height: HEIGHT }));
}

const titleOf = (name: string): string => COLUMNS.find(({ key }) => key === name)?.title ?? `${name} loss`;

function captionOf(run: Scored, isKept: boolean): string {
  const figures = counted(run).map(([name]) => `${titleOf(name)} ${run.figures[name]!.toPrecision(2)}`);
  return `score ${run.score.toFixed(2)}${isKept ? ', goes on' : ''}; ${figures.join(', ')}`;
}
