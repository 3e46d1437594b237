/** What is written at a save: checkpoint, results, figures and curves. */
import type { Image } from '../../model/image.js';
import type { Stretch } from './job.js';
import { keepCheckpoint } from './kept.js';
import type { Moment, Session } from './training.js';

/** Writes checkpoints and results. */
export function createKeeper({ training, current, folder, page, session, from, log, seconds }: Stretch) {
  const { run } = session;
  let savedAt = from?.state.counters['stepsDone'] || undefined;
  const checkpoint = async (): Promise<void> => {
    const state = await run.state();
    const log = await folder.log.keep();
    const path = await folder.checkpoints.write({ state, identity: current.training.identity, ...log, seconds: seconds() });
    if (run.stepsDone > 0 && training.keepsAt?.(run.stepsDone)) await keepCheckpoint(path, folder.at('kept'), run.stepsDone);
  };
  /** A save that only this run makes, by a user's wish or an interrupt, leaves no row: equal runs have equal rows. */
  const measure = async (picture: Image, { steps }: Moment): Promise<void> => {
    const isPlanned = training.plan.savesAt(steps) || steps === training.plan.steps;
    if (!session.measure || !isPlanned || folder.figures.rows().some(({ step }) => step === steps)) return;
    await folder.figures.add({ step: steps, ...session.measure(picture) });
    page?.figures(folder.figures.rows());
  };
  const show = async (write: Awaited<ReturnType<Session['keep']>>, moment: Moment): Promise<void> => {
    const picture = await write();
    if (picture) await measure(picture, moment);
    await folder.curve(log, training.title);
    if (picture) await page?.saved(moment.steps, picture);
    if (moment.steps > 0) savedAt = moment.steps;
  };
  /** The checkpoint comes first: what goes wrong with pictures and curves costs no step. */
  const keep = async (moment: Moment): Promise<void> => {
    const write = await session.keep(moment);
    await checkpoint();
    await show(write, moment);
  };
  /** Writes what belongs to the checkpoint that the run continues from: the one before may have ended in between. */
  const again = async (): Promise<void> => {
    const { warmStart, steps, savesAt } = training.plan;
    const phase = run.warmStepsDone < warmStart ? 'warm-start' : 'train';
    const done = phase === 'train' ? run.stepsDone : run.warmStepsDone;
    if (!from || done === 0 || run.stepsDone >= steps || !savesAt(done)) return;
    const moment: Moment = { phase, steps: run.stepsDone, asked: false, last: false };
    await show(await session.keep(moment), moment);
  };
  const picture = `${folder.at('result.png')} is the last good picture, of step`;
  const lastGood = () => (savedAt === undefined ? 'nothing was saved before it' : `${picture} ${savedAt}`);
  return { keep, again, lastGood };
}
