/** seeds.png: the results of all seeds after every round, with their scores. */
import { join } from 'node:path';
import { readImage, writeImage } from '../../photos/photo.js';
import { drawSheet, type SheetRow } from '../../photos/sheet.js';
import { counted } from './score.js';
import type { SeedScore, SeedScores } from './scores.js';

/** The picture of a seed after a round, in the run's folder. */
export const pictureOf = (seed: number, steps: number): string => join('seeds', `${seed}-${String(steps).padStart(5, '0')}.png`);

const HEIGHT = 192;

export async function drawSeeds(folder: string, { rounds, judge, cost }: SeedScores, title: string): Promise<void> {
  const seeds = (rounds[0]?.scores ?? []).map(({ seed }) => seed).sort((a, b) => a - b);
  const rows: SheetRow[] = [];
  for (const { steps, keep, scores } of rounds) {
    const runs = seeds.map((seed) => scores.find((run) => run.seed === seed));
    const cells = await Promise.all(runs.map((run) =>
      (run && !('failed' in run) ? readImage(join(folder, pictureOf(run.seed, steps))) : undefined)));
    const captions = runs.map((run) => (run ? captionOf(run, scores.indexOf(run) < keep) : ''));
    rows.push({ label: `after ${steps} steps`, cells, captions });
  }
  const note = `Judged by ${judge?.name ?? 'the pictures alone'}; ${cost.toFixed(2)} times the steps of one run.`;
  const columns = seeds.map((seed) => `seed ${seed}`);
  await writeImage(join(folder, 'seeds.png'), await drawSheet({ title, note, columns, rows, height: HEIGHT }));
}

function captionOf(run: SeedScore, isKept: boolean): string {
  if ('failed' in run) return 'diverged';
  const figures = counted(run).map(([name]) => `${name} ${run.figures[name]!.toPrecision(2)}`);
  return [`score ${run.score.toFixed(2)}${isKept ? ', goes on' : ''}`, ...figures].join(' ');
}
