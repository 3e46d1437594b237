/** The training loop's bookkeeping: how far ahead steps are submitted, when losses are read, when pictures are saved. */
import type { Losses } from '../../model/method/options.js';
import { NonFiniteError } from '../shared/errors.js';
import type { LogEntry } from './curve.js';
import type { SpliceRun, StepInfo } from '../../model/training/pair.js';
import { LOG_EVERY } from './log.js';

/** What the loop needs of a run, of one pair or of many. */
type Steps = Pick<SpliceRun, 'warmStepsDone' | 'stepsDone' | 'step' | 'losses' | 'sync'>;

export interface LoopPlan {
  readonly warmStart: number;
  readonly steps: number;
  readonly saveEvery: number;
}

export interface LoopHooks {
  /** Every 10 steps and after the last; `ms` are the mean milliseconds per step since the entry before. */
  onLosses(entry: LogEntry, ms: number): Promise<void>;
  /** Every `saveEvery` steps but the last, and when `asked` for; all losses so far were finite. In the warm start too. */
  onSave(phase: StepInfo['phase'], asked: boolean): Promise<void>;
  /** After every step; `done` counts the warm start in. */
  onStep(done: number, phase: string): void;
  /** Between two steps, for as long as it takes; `save` does what is due every `saveEvery` steps. Answers with the milliseconds that are not training. */
  between(save: () => Promise<void>): Promise<number>;
}

/** On a device slower than this no step is submitted ahead: it would gain nothing, and delay Ctrl-C by up to ten steps. */
const SLOW_STEP_MS = 100;
const MEASURED_STEPS = 5;

/**
 * Trains from where `run` stands to the end of the plan. Losses are read, and the GPU's queue is let run empty, when they are logged.
 * @param logged the last step whose losses are in the log already, -1 when none are
 * @throws NonFiniteError when a loss is no number any more, and whatever `run` throws
 */
export async function trainLoop(run: Steps, plan: LoopPlan, hooks: LoopHooks, interrupt: AbortSignal, logged = -1): Promise<'finished' | 'interrupted'> {
  const total = plan.warmStart + plan.steps;
  const reader = lossReader(run, hooks, logged);
  let pace = createPace(run);
  for (let done = run.warmStepsDone + run.stepsDone + 1; done <= total && !interrupt.aborted; done++) {
    if (done === plan.warmStart + 1) {
      pace = createPace(run);
      reader.start();
    }
    const { phase, step } = await pace.step();
    const save = async (asked: boolean): Promise<void> => {
      if (phase === 'warm-start') checkTotal(step, await run.losses());
      else await reader.check(step);
      await hooks.onSave(phase, asked);
    };
    if (phase === 'train' && step % LOG_EVERY === 0) await reader.read(step);
    if (phase === 'warm-start' && (done % LOG_EVERY === 0 || done === plan.warmStart)) await run.sync();
    if ((step + 1) % plan.saveEvery === 0 && done < total) await save(false);
    hooks.onStep(done, phase === 'warm-start' ? 'warm start' : 'training');
    if (done < total) reader.skip(await hooks.between(() => save(true)));
  }
  await reader.finish(run.stepsDone - 1);
  await run.sync();
  return run.stepsDone < plan.steps ? 'interrupted' : 'finished';
}

/** Waits after each of the first steps to learn the device's speed, and after that only on slow devices. */
function createPace(run: Steps): { step: () => ReturnType<Steps['step']> } {
  let measured = 0;
  let fastest = Infinity;
  const step = async () => {
    const began = performance.now();
    const result = await run.step();
    if (measured >= MEASURED_STEPS && fastest < SLOW_STEP_MS) return result;
    await run.sync();
    measured++;
    fastest = Math.min(fastest, performance.now() - began);
    return result;
  };
  return { step };
}

/** Reads losses one read behind: the read of step n is awaited when that of step n + 10 is asked for, so the queue stays filled. */
function lossReader(run: Steps, { onLosses }: LoopHooks, logged: number) {
  let pending: Promise<{ step: number; losses: Losses; time: number }> | undefined;
  let asked = logged;
  let previous = { step: run.stepsDone - 1, time: performance.now() };

  const drain = async (): Promise<void> => {
    if (!pending) return;
    const { step, losses, time } = await pending;
    pending = undefined;
    const { structure, appearance, identity, total } = losses;
    const ms = Number(((time - previous.time) / Math.max(1, step - previous.step)).toFixed(3));
    previous = { step, time };
    checkFinite(step, losses);
    await onLosses({ step, structure, appearance, identity, total }, ms);
  };
  const read = async (step: number): Promise<void> => {
    await drain();
    asked = step;
    pending = run.losses().then((losses) => ({ step, losses, time: performance.now() }));
    pending.catch(() => undefined); // drain reports it; until then it must not count as unhandled
  };
  /** Makes sure that all is well up to `step`, whose losses are not logged. */
  const check = async (step: number): Promise<void> => {
    await drain();
    checkFinite(step, await run.losses());
  };
  /** Reads the last step's too, where one was made after the last read. */
  const finish = async (lastStep: number): Promise<void> => {
    if (lastStep > asked) await read(lastStep);
    await drain();
  };
  /** Begins to measure time: the method's first step comes next. */
  const start = () => {
    previous = { step: -1, time: performance.now() };
  };
  /** Leaves so many milliseconds out of what the steps took. */
  const skip = (ms: number) => {
    previous = { ...previous, time: previous.time + ms };
  };
  return { start, read, check, finish, skip };
}

function checkFinite(step: number, { structure, appearance, identity, total }: Losses): void {
  const bad = Object.entries({ structure, appearance, identity, total }).filter(([, value]) => !Number.isFinite(value));
  if (bad.length > 0) throw new NonFiniteError(`at step ${step} the loss is not a finite number any more (${bad.map(([name, value]) => `${name} ${value}`).join(', ')})`);
}

/** A step of the warm start has a total only. */
function checkTotal(step: number, { total }: Losses): void {
  if (!Number.isFinite(total)) throw new NonFiniteError(`at step ${step} of the warm start the loss is not a finite number any more (${total})`);
}
