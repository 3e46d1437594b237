/** Which of several runs of one pair is the best so far. */
import type { Figures } from '../../../model/compare/judge.js';

/** A run after as many steps as the others. */
export interface Measured {
  readonly seed: number;
  /** The figures of `compare`, and the total of the mean losses as `total`. */
  readonly figures: Figures & { readonly total: number };
}

export interface Scored extends Measured {
  readonly score: number;
}

type Name = keyof Measured['figures'];

/** What counts, with 1 where more is better and -1 where less is. The loss says what the ViT that trains makes of it. */
const byPictures: readonly (readonly [Name, 1 | -1])[] = [['structure', 1], ['colour', -1], ['sharpness', 1], ['total', -1]];
const byJudge: readonly (readonly [Name, 1 | -1])[] = [['selfSimilarity', -1], ['cls', 1], ['sharpness', 1], ['total', -1]];

/** The figures that count: those of a ViT that judges, if there is one. */
export const counted = ({ figures }: Measured) => (figures.cls === undefined ? byPictures : byJudge);

/**
 * Best first; of equal ones, as two runs often are, the one with the lower total, then by seed. A score is the mean of a run's
 * standard scores: each is the distance of a figure from the mean of all runs in standard deviations, so that any unit counts
 * alike.
 */
export function ranked(runs: readonly Measured[]): Scored[] {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const standard = (name: Name, { figures }: Measured): number => {
    const values = runs.map((run) => run.figures[name]!);
    const spread = Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)));
    return spread > 0 ? (figures[name]! - mean(values)) / spread : 0;
  };
  const scoreOf = (run: Measured): number => mean(counted(run).map(([name, sign]) => sign * standard(name, run)));
  // Rounded, so that runs which differ in the last bits alone are equal.
  const scored = runs.map((run) => ({ ...run, score: Number(scoreOf(run).toFixed(4)) }));
  return scored.sort((a, b) => b.score - a.score || a.figures.total - b.figures.total || a.seed - b.seed);
}
