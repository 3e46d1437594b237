/** A training in the worker: its loop, its pictures, pauses, and devices that are lost. */
import { startSplice, stepsIn, trainLoop, type Image, type SpliceOptions, type SpliceRun } from '../../../model/index.js';
import { DeviceLostError } from '../../../engine/index.js';
import { rateMeter } from '../../shared/rate.js';
import { forgetDevice, openDevice } from './device.js';
import type { News } from './messages.js';
import { toShown } from './pictures.js';
import type { Prepared } from './plan.js';
import { keptLog, type Kept } from './runs.js';

/** How the page steers a run. */
export interface Steering {
  readonly signal: AbortSignal;
  /** Resolves when the run may go on. */
  readonly gate: () => Promise<void>;
  readonly isPaused: () => boolean;
  /** Whether the run is wanted as a file, as soon as it can be kept. */
  readonly isWanted: () => boolean;
  readonly tell: (news: News, transfer?: Transferable[]) => void;
}

/** A device that is lost more often will be lost again. */
const MOST_REOPENINGS = 3;
/** A browser needs a moment to start its GPU process again. */
const REST_MS = 1000;
const DRAW_MS = 1000;
const DRAW_SHARE = 1 / 20;
const STEP_MS = 200;
const KEEP_MS = 30_000;

/**
 * Trains to the end or until it is stopped, and opens a lost device again.
 * @param keep gets the run now and then, during pauses and at the end @throws Error for people
 */
export async function train(
  prepared: Prepared, from: Kept | undefined, steering: Steering, keep: (now: Kept) => Promise<void>,
): Promise<'finished' | 'stopped'> {
  let kept = from;
  const keeping = async (now: Kept): Promise<void> => {
    kept = now;
    await keep(now);
  };
  for (let lost = 0; ; lost++) {
    try {
      return await onOneDevice(prepared, kept, steering, keeping);
    } catch (error) {
      if (!(error instanceof DeviceLostError) || lost === MOST_REOPENINGS) throw error;
      const where = kept ? `after ${stepsIn(kept.state)} steps` : 'from the beginning';
      steering.tell({ type: 'note', text: `The GPU was lost: it is opened again, and the run goes on ${where}.` });
      forgetDevice();
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
    }
  }
}

/** The picture of a moment. */
export async function pictureOf({ vit, structure, appearance, options, regions }: Prepared, { state }: Kept): Promise<Image> {
  const { engine } = await openDevice();
  const run = await startSplice(engine, vit, structure, appearance, options, state, { ...(regions && { regions }) });
  try {
    return await run.result();
  } finally {
    run.destroy();
  }
}

async function onOneDevice(
  prepared: Prepared, kept: Kept | undefined, steering: Steering, keep: (now: Kept) => Promise<void>,
): Promise<'finished' | 'stopped'> {
  const { engine, name } = await openDevice();
  const { vit, structure, appearance, options, memory, regions } = prepared;
  steering.tell({ type: 'plan', memory, device: name });
  steering.tell({ type: 'busy', what: 'compiling' });
  const run = await startSplice(engine, vit, structure, appearance, options, kept?.state, { ...(regions && { regions }) });
  try {
    return await looped(run, options, kept, steering, keep);
  } finally {
    run.destroy();
  }
}

async function looped(
  run: SpliceRun, options: SpliceOptions, kept: Kept | undefined, steering: Steering, keep: (now: Kept) => Promise<void>,
): Promise<'finished' | 'stopped'> {
  const { tell, signal } = steering;
  const log = [...(kept?.log ?? [])];
  const clock = { began: performance.now() - 1000 * (kept?.seconds ?? 0), waited: 0 };
  const draw = async (): Promise<void> => {
    const picture = toShown(await run.result());
    tell({ type: 'picture', picture, step: run.stepsDone }, [picture.data.buffer]);
  };
  const save = async (): Promise<void> => {
    const seconds = Number(((performance.now() - clock.began - clock.waited) / 1000).toFixed(3));
    await keep({ state: await run.state(), log: keptLog(log, run.stepsDone), seconds });
  };
  const between = betweenSteps(steering, draw);
  const end = await trainLoop(run, { ...options, savesAt: () => false }, {
    onLosses: async (entry) => {
      log.push(entry);
      tell({ type: 'losses', entry });
    },
    onStep: stepTeller(options.warmStart + options.steps, steering),
    onSave: save,
    between: async (asked) => {
      const ms = await between(asked);
      clock.waited += ms;
      return ms;
    },
  }, signal, log.at(-1)?.step);
  await draw();
  await save();
  return end === 'finished' ? 'finished' : 'stopped';
}

/** Steps can be too fast to read. */
function stepTeller(total: number, { tell }: Steering): (done: number, phase: string) => void {
  const rate = rateMeter();
  let told = -Infinity;
  return (done, phase) => {
    const speed = rate.mark(done);
    const now = performance.now();
    if (now - told < STEP_MS && done < total) return;
    told = now;
    tell({ type: 'step', done, total, phase, ...(speed !== undefined && { speed }) });
  };
}

/** Draws now and then, for a twentieth of the time at most, keeps the state, and waits during a pause. */
function betweenSteps({ gate, isPaused, isWanted, signal }: Steering, draw: () => Promise<void>) {
  let [nextDrawing, nextKeeping] = [-Infinity, performance.now() + KEEP_MS];
  return async (save: () => Promise<void>): Promise<number> => {
    const began = performance.now();
    if ((began >= nextDrawing || isPaused()) && !signal.aborted) {
      await draw();
      const now = performance.now();
      nextDrawing = now + Math.max(DRAW_MS, (now - began) / DRAW_SHARE);
    }
    if (began >= nextKeeping || isPaused() || isWanted()) {
      await save();
      nextKeeping = performance.now() + KEEP_MS;
    }
    await gate();
    return performance.now() - began;
  };
}
