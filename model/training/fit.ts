/** Sizes and steps by a few measured steps, so that a run ends within a given time on this device. */
import { OutOfMemoryError } from '../../engine/index.js';
import type { TrainingRun } from './run.js';
import { sizesFor, softwareVitSize, type Choice, type Choosable, type PairFacts, type Room } from './sizes.js';

/** A choice, and what a step of it was measured to take. */
export interface Fitted extends Choice {
  readonly secondsPerStep: number;
}

/** What a choice has to keep to. */
export interface Limits {
  readonly device: Room;
  /** For the whole run, from the start of the measurements. */
  readonly seconds: number;
  /** Seconds since then. */
  readonly spent: () => number;
  /** Steps before those of the choice, which cost half as much. */
  readonly warmStart: number;
}

/** Seconds that a step takes; undefined where the device has too little memory after all. */
export type MeasureStep = (choice: Choice) => Promise<number | undefined>;

/** A larger size is worth it while it leaves so many steps; or, if no size does, so few. */
const [GOOD_STEPS, FEW_STEPS] = [1000, 300];
/** The rest of the time is for compiling, saves and detail. */
export const SHARE = 0.85;
/** The first size that is measured, if the device and the photos have it. */
const FIRST = 96;
/** Only a device without memory for it trains below. */
const SMALLEST_WORTHWHILE = 64;
const MOST_MEASUREMENTS = 4;
const ROUND = 50;

/**
 * The largest size that leaves enough steps, and as many steps as fit then. What is not in `choose` is as `given`. Seconds of a
 * size that is not measured follow from the operations of a step and the rate of the nearest size that is.
 */
export async function fitTo(
  choose: readonly Choosable[], given: Choice, { device, seconds, spent, warmStart }: Limits, pair: PairFacts,
  measure: MeasureStep,
): Promise<Fitted> {
  const vitSize = choose.includes('vitSize') ? softwareVitSize(given.vitSize, device, pair) : given.vitSize;
  const isSized = !choose.includes('size');
  let sizes: readonly (number | undefined)[] = isSized ? [given.size] : worthwhile(sizesFor(given, vitSize, device, pair));
  const at = (size: number | undefined): Choice => ({ ...given, vitSize, ...(size !== undefined && { size }) });
  /** Operations a second by measured size. */
  const rates = new Map<number | undefined, number>();
  const rateNear = (size = 0): number => [...rates].reduce((best, one) =>
    (Math.abs((one[0] ?? 0) - size) < Math.abs((best[0] ?? 0) - size) ? one : best))[1];
  const secondsOf = (size: number | undefined): number => pair.flops(at(size)) / rateNear(size);
  const stepsAt = (size: number | undefined): number => (SHARE * (seconds - spent())) / secondsOf(size) - warmStart / 2;
  const wanted = choose.includes('steps') ? [GOOD_STEPS, FEW_STEPS] : [given.steps];
  const best = (): number | undefined =>
    wanted.map((least) => sizes.find((size) => stepsAt(size) >= least)).find((size) => size !== undefined) ?? sizes.at(-1);

  let next = sizes.findLast((size) => size === undefined || size >= FIRST) ?? sizes[0];
  while (rates.size < MOST_MEASUREMENTS && !rates.has(next)) {
    const taken = await measure(at(next));
    if (taken !== undefined) rates.set(next, pair.flops(at(next)) / taken);
    else if (sizes.length > 1) sizes = sizes.filter((size) => size !== next);
    else break;
    next = rates.size > 0 ? best() : sizes.at(-1);
  }
  if (rates.size === 0) return { ...at(sizes.at(-1)), secondsPerStep: NaN };
  const size = best();
  const affordable = ROUND * Math.floor(stepsAt(size) / ROUND);
  const steps = choose.includes('steps') ? Math.min(given.steps, Math.max(ROUND, affordable)) : given.steps;
  return { ...at(size), steps, secondsPerStep: secondsOf(size) };
}

const worthwhile = (sizes: readonly number[]): readonly number[] =>
  sizes.filter((size, i) => i === 0 || size >= SMALLEST_WORTHWHILE);

/** Whether a run of this choice is worth making: another model may be faster. */
export const isWorthIt = ({ steps }: Fitted): boolean => steps >= FEW_STEPS;

/** Undefined where the device has too little memory after all. */
export const unlessTooLarge = (seconds: Promise<number>): Promise<number | undefined> => seconds.catch((error: unknown) => {
  if (error instanceof OutOfMemoryError) return undefined;
  throw error;
});

/** Steps that are measured, after one that compiles. */
const MEASURED = 4;

/** Seconds of a step of `run`, the median of some. @throws what `before` throws, which is called before every step */
export async function stepSeconds(run: Pick<TrainingRun, 'step' | 'sync'>, before?: () => void): Promise<number> {
  const seconds: number[] = [];
  for (let i = 0; i <= MEASURED; i++) {
    before?.();
    const began = performance.now();
    await run.step();
    await run.sync();
    seconds.push((performance.now() - began) / 1000);
  }
  return seconds.slice(1).sort((a, b) => a - b)[MEASURED / 2]!;
}
