/** Training on one device: from a start or a checkpoint to the last step, an interrupt or another program. */
import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { LOG_EVERY } from '../../model/training/log.js';
import { trainLoop, type LoopHooks } from '../../model/training/loop.js';
import { EXIT_INTERRUPTED, NonFiniteError } from '../shared/errors.js';
import { clockTime, createProgress } from '../shared/progress.js';
import { endedNote } from './about.js';
import { resumeCommand } from './config.js';
import { become, OtherProgram, type Stretch } from './job.js';
import { createKeeper } from './keeper.js';
import { stepsOf } from './record.js';
import type { Moment } from './training.js';

/** An end that is nearer needs no announcement. */
const WORTH_TELLING_S = 60;
/** From here on, the shorter way is named. */
const LONG_S = 3600;

/** Trains to the end or to an interrupt. Returns the exit code. @throws OtherProgram */
export async function train(stretch: Stretch): Promise<number> {
  const { training, folder, parts, json, progress, page, session, record, log, seconds } = stretch;
  const { run } = session;
  const { keep, again, lastGood } = createKeeper(stretch);
  const { stopAt } = training.plan;
  try {
    await again();
    const hooks = createHooks(stretch, keep);
    if (stopAt === undefined) page?.paints(session.repaint);
    const trained = await trainLoop(run, training.plan, hooks, page?.signal ?? parts.interrupt, log.at(-1)?.step);
    await keep({ phase: 'train', steps: run.stepsDone, asked: false, last: stopAt === undefined });
    const ended = run.stepsDone < training.plan.steps ? training.until?.(folder.figures.rows()) : undefined;
    const ofTraining = { stepsDone: run.stepsDone, seconds: seconds(), ...(ended && { ended }) };
    page?.paints(undefined);
    progress.finish();
    const status = stopAt === undefined ? await finish(stretch, trained) : trained;
    const end = { status, ...ofTraining };
    await folder.config({ ...record(), ...end });
    if (stopAt === undefined) await page?.end(status, { seconds: end.seconds, ...(ended && { note: endedNote(ended) }) });
    const result = resolve(folder.at(training.product));
    const summary = {
      ...end, out: resolve(folder.path), result, losses: log.at(-1) ?? null, device: record()['device'],
      ...session.summary?.(log),
    };
    const hint = status === 'interrupted' ? `; ${resumeCommand(training.command, folder.path)} continues` : '';
    const why = ended ? ` (${ended})` : '';
    const sentence = `${status} after ${stepsOf(run)}${why} in ${end.seconds.toFixed(0)} s: ${result}${hint}`;
    parts.stdout.write(`${json ? JSON.stringify(summary) : sentence}\n`);
    const isAsPlanned = run.stepsDone === stopAt && run.warmStepsDone === training.plan.warmStart;
    return status === 'finished' || isAsPlanned ? 0 : EXIT_INTERRUPTED;
  } catch (error) {
    if (!(error instanceof NonFiniteError)) throw error;
    throw new NonFiniteError(`${error.message}: ${lastGood()}; try another --seed or a smaller --lr`);
  }
}

/** The work after the last step. When it is interrupted, so is the run, and a resume does it again. */
async function finish(
  { training, folder, parts, page, session }: Stretch, trained: 'finished' | 'interrupted',
): Promise<'finished' | 'interrupted'> {
  if (!session.finish) return trained;
  const signal = page?.signal ?? parts.interrupt;
  const progress = createProgress(100, parts.stderr);
  const { warmStart, steps } = training.plan;
  const onProgress = (share: number, what: string): void => {
    signal.throwIfAborted();
    const percent = Math.floor(100 * share);
    progress.update(percent, `percent of ${what}`);
    page?.step(warmStart + steps, `${what}, ${percent} %`);
  };
  const isWhole = await session.finish({ complete: trained === 'finished', signal, onProgress });
  progress.finish();
  page?.product(session.run.stepsDone, folder.at(training.product));
  return isWhole ? trained : 'interrupted';
}

/**
 * Takes what was brushed on the page. Its checkpoint comes before config.json: wherever the run ends in between, a checkpoint
 * tells its own regions. @throws OtherProgram
 */
async function takePainted(
  { current, folder, page, progress, session, record }: Stretch, save: () => Promise<void>,
): Promise<void> {
  const brushed = page?.painted();
  if (!page || !brushed || !session.repaint || page.signal.aborted) return;
  const { training, take } = await session.repaint(brushed.painted);
  if (isDeepStrictEqual(training.identity, current.training.identity)) return;
  become(current, training);
  await save();
  await folder.config({ ...record(), status: 'running' });
  page.show(training.pictures);
  progress.note(`regions brushed on the page: new from ${stepsOf(session.run)} on`);
  if (!take()) throw new OtherProgram();
}

/** Writes log lines as they come, and shows how far the run is. */
function createHooks(stretch: Stretch, keep: (moment: Moment) => Promise<void>): LoopHooks {
  const { training, folder, progress, page, session, log, stepsOfOthers = 0 } = stretch;
  const { run } = session;
  const { steps, stopAt } = training.plan;
  let isTold = stopAt !== undefined && stretch.stepsOfOthers === undefined;
  let first: number | undefined;
  /** Once, after the first steps of this stretch that include no compilation. */
  const tellTime = (step: number, ms: number): void => {
    first ??= step;
    if (isTold || step < first + LOG_EVERY) return;
    isTold = true;
    const left = (ms / 1000) * (steps - run.stepsDone + stepsOfOthers);
    if (left >= WORTH_TELLING_S) progress.note(timeLeft(ms / 1000, left));
  };
  return {
    onLosses: async (entry, ms) => {
      log.push(entry);
      await folder.log.append(entry, ms);
      tellTime(entry.step, ms);
      page?.losses(entry);
    },
    onSave: (phase, asked) => keep({ phase, steps: run.stepsDone, asked, last: false }),
    onStep: (done, phase) => {
      progress.update(done, phase, log.at(-1));
      page?.step(done, phase);
    },
    isEnough: () => training.until?.(folder.figures.rows()) !== undefined,
    between: async (save) => {
      const ms = page ? await page.between(save, run.stepsDone, session.draw) : 0;
      await takePainted(stretch, save);
      return ms;
    },
  };
}

function timeLeft(secondsPerStep: number, left: number): string {
  const pace = `measured: ${secondsPerStep.toPrecision(2)} s a step, ${clockTime(left)} to the last one`;
  return left < LONG_S ? pace : `${pace}; fewer --steps or a smaller --size or --vit-size end sooner`;
}
