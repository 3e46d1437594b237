/** Schedules of a pretraining, by the paper's rules. */
import type { PretrainOptions } from './options.js';

export type StepSettings = ReturnType<typeof settingsAt>;

/** From `start` at 0 to `end` at `length` along half a cosine. */
const cosine = (start: number, end: number, at: number, length: number): number =>
  end + 0.5 * (start - end) * (1 + Math.cos((Math.PI * at) / length));

/** numpy's linspace(start, end, count)[at] */
const linspace = (start: number, end: number, at: number, count: number): number =>
  (count < 2 ? start : start + ((end - start) * at) / (count - 1));

/** Values of step `step`, from 0. */
export function settingsAt(step: number, stepsPerEpoch: number, o: PretrainOptions) {
  const total = o.epochs * stepsPerEpoch;
  const warmup = Math.min(o.warmupEpochs * stepsPerEpoch, total);
  const peak = (o.lr * o.batch) / 256;
  const epoch = Math.floor(step / stepsPerEpoch);
  const heating = epoch < o.teacherWarmupEpochs;
  return {
    lr: step < warmup ? linspace(0, peak, step, warmup) : cosine(peak, o.minLr, step - warmup, total - warmup),
    weightDecay: cosine(o.weightDecay, o.weightDecayEnd, step, total),
    momentum: cosine(o.momentum, 1, step, total),
    teacherTemp: heating ? linspace(o.teacherTempStart, o.teacherTemp, epoch, o.teacherWarmupEpochs) : o.teacherTemp,
    /** Steps since the last layer is trained, this one included; below 1 while it is fixed. */
    lateStep: step + 1 - o.freezeLastLayer * stepsPerEpoch,
  };
}
