/** The training loop: how far ahead steps are submitted, when losses are read, and when pictures and checkpoints are saved. */
import { LOG_EVERY } from './log.js';
import type { StepInfo, StepLosses, TrainingRun } from './run.js';

/** The optimisation diverged: a loss or a picture is not finite. */
export class NonFiniteError extends Error { override readonly name = 'NonFiniteError'; }

/** The part of a run that the loop uses. */
type Steps = Pick<TrainingRun, 'warmStepsDone' | 'stepsDone' | 'step' | 'losses' | 'sync'>;

export interface LoopPlan {
  readonly warmStart: number;
  readonly steps: number;
  /** Whether to save after this many steps of a phase; asked for 0 too, before the first step. */
  readonly savesAt: (steps: number) => boolean;
  /** The run stops after this many steps, 0 for the warm start alone, as if interrupted: it is continued later. */
  readonly stopAt?: number;
}

/** A plan's usual answer. */
export const every = (count: number) => (steps: number): boolean => steps > 0 && steps % count === 0;

export interface LoopHooks {
  /** Every 10 steps and after the last; `ms` are the mean milliseconds per step since the entry before. */
  onLosses(entry: StepLosses, ms: number): Promise<void>;
  /** When the plan says so, except after the last step, and when a user `asked`. All losses so far were finite. */
  onSave(phase: StepInfo['phase'], asked: boolean): Promise<void>;
  /** Whether the result is good enough to end before the plan does. Asked before every step. */
  isEnough(): boolean;
  /** After every step; `done` includes the warm start. */
  onStep(done: number, phase: string): void;
  /**
   * Between two steps, for as long as it takes: a pause, a picture. `save` does what a planned save does. Returns milliseconds
   * without training.
   */
  between(save: () => Promise<void>): Promise<number>;
}

/** Never aborted. */
const uninterrupted = new AbortController().signal;

/** On a device slower than this no step is submitted ahead: it would gain nothing, and delay Ctrl-C by up to ten steps. */
const SLOW_STEP_MS = 100;
const MEASURED_STEPS = 5;

/**
 * Trains from the state of `run` to the end of the plan, or until the result is good enough. The GPU's queue runs empty only when
 * losses are logged.
 * @param logged the last step that is in the log already, -1 for none
 * @throws NonFiniteError when a loss is not a finite number, and whatever `run` throws
 */
export async function trainLoop(
  run: Steps, plan: LoopPlan, hooks: Partial<LoopHooks> = {}, interrupt = uninterrupted, logged = -1,
): Promise<'finished' | 'interrupted'> {
  const total = plan.warmStart + plan.steps;
  const reader = lossReader(run, hooks, logged);
  let makeStep = pacedStep(run);
  const isEnough = (): boolean => hooks.isEnough?.() ?? false;
  if (run.warmStepsDone + run.stepsDone === 0 && plan.savesAt(0)) await hooks.onSave?.('train', false);
  const last = Math.min(total, plan.warmStart + (plan.stopAt ?? Infinity));
  const goesOn = (): boolean => !interrupt.aborted && !isEnough();
  for (let done = run.warmStepsDone + run.stepsDone + 1; done <= last && goesOn(); done++) {
    if (done === plan.warmStart + 1) {
      makeStep = pacedStep(run);
      reader.start();
    }
    const { phase, step } = await makeStep();
    const save = async (asked: boolean): Promise<void> => {
      await reader.check(phase, step);
      await hooks.onSave?.(phase, asked);
    };
    if (phase === 'train' && step % LOG_EVERY === 0) await reader.read(step);
    if (phase === 'warm-start' && (done % LOG_EVERY === 0 || done === plan.warmStart)) await run.sync();
    if (plan.savesAt(step + 1) && done < total) await save(false);
    hooks.onStep?.(done, phase === 'warm-start' ? 'warm start' : 'training');
    if (done < total && hooks.between) reader.skip(await hooks.between(() => save(true)));
  }
  await reader.finish(run.stepsDone - 1);
  await run.sync();
  return run.stepsDone < plan.steps && !isEnough() ? 'interrupted' : 'finished';
}

/** The run's `step`, which waits after each of the first steps to learn the device's speed, and later only on slow devices. */
function pacedStep(run: Steps): Steps['step'] {
  let measured = 0;
  let fastest = Infinity;
  return async () => {
    const began = performance.now();
    const result = await run.step();
    if (measured >= MEASURED_STEPS && fastest < SLOW_STEP_MS) return result;
    await run.sync();
    measured++;
    fastest = Math.min(fastest, performance.now() - began);
    return result;
  };
}

/** Awaits the losses of step n only when those of step n + 10 are asked for, so that the GPU's queue stays filled. */
function lossReader(run: Steps, { onLosses }: Partial<LoopHooks>, logged: number) {
  let pending: Promise<{ losses: StepLosses; time: number }> | undefined;
  let asked = logged;
  let previous = { step: run.stepsDone - 1, time: performance.now() };

  const drain = async (): Promise<void> => {
    if (!pending) return;
    const { losses, time } = await pending;
    pending = undefined;
    const ms = Number(((time - previous.time) / Math.max(1, losses.step - previous.step)).toFixed(3));
    previous = { step: losses.step, time };
    checkFinite(`step ${losses.step}`, losses);
    await onLosses?.(losses, ms);
  };
  const read = async (step: number): Promise<void> => {
    await drain();
    asked = step;
    pending = run.losses().then((losses) => ({ losses, time: performance.now() }));
    pending.catch(() => undefined); // drain reports it; until then it must not count as unhandled
  };
  return {
    read,
    /** Makes sure that all is well up to `step`, whose losses are not logged. */
    check: async (phase: StepInfo['phase'], step: number): Promise<void> => {
      await drain();
      checkFinite(`step ${step}${phase === 'warm-start' ? ' of the warm start' : ''}`, await run.losses());
    },
    /** Reads the last step too, if one was made after the last read. */
    finish: async (lastStep: number): Promise<void> => {
      if (lastStep > asked) await read(lastStep);
      await drain();
    },
    /** Starts to measure time: the training's first step comes next. */
    start: () => {
      previous = { step: -1, time: performance.now() };
    },
    /** Leaves milliseconds out of the time of the steps. */
    skip: (ms: number) => {
      previous = { ...previous, time: previous.time + ms };
    },
  };
}

/** @param advice what to try, in words @throws NonFiniteError naming the figures that are not finite */
export function checkFinite(where: string, { step: _, ...figures }: StepLosses, advice?: string): void {
  const bad = Object.entries(figures).filter(([, value]) => !Number.isFinite(value)).map(([name, value]) => `${name} ${value}`);
  if (bad.length === 0) return;
  const problem = `at ${where} the loss is no longer a finite number (${bad.join(', ')})`;
  throw new NonFiniteError(advice ? `${problem}: ${advice}` : problem);
}
