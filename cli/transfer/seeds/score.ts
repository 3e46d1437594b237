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

/** A figure with 1 where more is better and -1 where less is. */
type Signed = readonly [Name, 1 | -1];

/** The loss: what the ViT that trains makes of it. */
const TOTAL: Signed = ['total', -1];
const byPictures: readonly Signed[] = [['structure', 1], ['colour', -1], ['sharpness', 1]];
const byJudge: readonly Signed[] = [['selfSimilarity', -1], ['cls', 1], ['sharpness', 1]];

/** What counts of a picture: the figures of a ViT that judges, if there is one. */
const ofPicture = ({ figures }: Measured) => (figures.cls === undefined ? byPictures : byJudge);

/** The figures that count. */
export const counted = (run: Measured): readonly Signed[] => [...ofPicture(run), TOTAL];

/**
 * Best first; of equal ones the one with the lower total, then by seed. A standard score is the distance of a figure from the
 * mean of all runs in standard deviations, so that any unit counts alike. A run's score is half that of its total and half the
 * mean of those of its picture: the less a run has learned, the sharper it paints, and the more of the photo's structure is left.
 */
export function ranked(runs: readonly Measured[]): Scored[] {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const standard = ([name, sign]: Signed, { figures }: Measured): number => {
    const values = runs.map((run) => run.figures[name]!);
    const spread = Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)));
    return spread > 0 ? (sign * (figures[name]! - mean(values))) / spread : 0;
  };
  const scoreOf = (run: Measured): number =>
    mean([standard(TOTAL, run), mean(ofPicture(run).map((figure) => standard(figure, run)))]);
  // Rounded, so that runs which differ in the last bits alone are equal.
  const scored = runs.map((run) => ({ ...run, score: Number(scoreOf(run).toFixed(4)) }));
  return scored.sort((a, b) => b.score - a.score || a.figures.total - b.figures.total || a.seed - b.seed);
}
