/** How long the runs of several seeds are, and how many remain (successive halving: Jamieson and Talwalkar, AISTATS 2016). */
import type { SpliceOptions } from '../../../model/method/options.js';
import type { Seeds } from '../options.js';

/** All seeds that remain train to `steps`; then the best `keep` of them go on. */
export interface Round {
  readonly steps: number;
  readonly keep: number;
}

/** What the runs that are dropped may cost together, as a share of one run. */
const EXTRA = 0.45;
/** A step of the warm start takes about half the time of a step of the training: no ViT is part of it. */
const WARM_STEP = 0.5;
/** What all seeds share of the steps: the first of them tell next to nothing of the end. */
const SHARED = 0.2;
/** A shorter first round would tell nothing, whatever it costs. */
const LEAST_SHARE = 0.03;

type Lengths = Pick<SpliceOptions, 'steps' | 'warmStart'> & Pick<Seeds, 'sharedSteps'>;

/** The steps after the warm start that all seeds have in common: at most all but the last. */
export const sharedStepsOf = ({ steps, sharedSteps = Math.floor(SHARED * steps) }: Lengths): number =>
  Math.min(sharedSteps, steps - 1);

/** Each round keeps the better half and is twice as long, from the shared steps on, as the one before. */
export function roundsOf(count: number, lengths: Lengths): Round[] {
  const { steps, warmStart } = lengths;
  const shared = sharedStepsOf(lengths);
  const kept: number[] = [];
  for (let left = count; left > 1; left = kept.at(-1)!) kept.push(Math.ceil(left / 2));
  const dropped = kept.map((keep, i) => (kept[i - 1] ?? count) - keep);
  const units = dropped.reduce((sum, many, i) => sum + many * 2 ** i, 0);
  const budget = EXTRA * (steps + WARM_STEP * warmStart);
  const most = (steps - shared) / 2 ** kept.length;
  const first = Math.max(1, Math.floor(Math.min(most, Math.max(LEAST_SHARE * steps, budget / units))));
  return kept.map((keep, i) => ({ steps: Math.min(steps, shared + first * 2 ** i), keep }));
}

/** Steps after the shared ones of all runs that are dropped. */
export function droppedSteps(count: number, rounds: readonly Round[], lengths: Lengths): number {
  const shared = sharedStepsOf(lengths);
  const dropped = rounds.map(({ keep }, i) => (rounds[i - 1]?.keep ?? count) - keep);
  return rounds.reduce((sum, round, i) => sum + dropped[i]! * (round.steps - shared), 0);
}

/** Steps of all runs over those of one run. */
export function costOf(count: number, rounds: readonly Round[], lengths: Lengths): number {
  const one = lengths.steps + WARM_STEP * lengths.warmStart;
  return (one + droppedSteps(count, rounds, lengths)) / one;
}
