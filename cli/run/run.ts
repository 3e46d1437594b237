/**
 * A training in a folder, from the device to the last picture: lock, config.json, checkpoints, log, lost devices, pauses, the
 * page, interrupts, the summary and the exit code. It is the same for every training; training.ts holds the differences.
 */
import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { DeviceLostError, OutOfMemoryError } from '../../engine/index.js';
import type { Image } from '../../model/image.js';
import { LOG_EVERY } from '../../model/training/log.js';
import { trainLoop, type LoopHooks } from '../../model/training/loop.js';
import { describeMemory } from '../../model/training/memoryNeed.js';
import type { StepLosses, TrainingRun } from '../../model/training/run.js';
import type { AdapterSummary, DeviceUse } from '../gpu/device.js';
import { errorLine, EXIT_INTERRUPTED, InputError, NonFiniteError, UsageError } from '../shared/errors.js';
import { exists } from '../shared/files.js';
import { clockTime, createProgress, type Progress } from '../shared/progress.js';
import { version } from '../shared/version.js';
import { endedNote, fieldOf } from './about.js';
import { stepsIn, type Checkpoint, type Identity } from './checkpoints.js';
import {
  checkIdentity, checkSteps, parseConfig, readConfigOf, resumeCommand, type Fields, type ResumeOptions, type TrainingName,
} from './config.js';
import { openFolder, reopenFolder, type RunFolder } from './folder.js';
import { keepCheckpoint } from './kept.js';
import { useKernels } from './kernels.js';
import { checkMemory } from './memory.js';
import { openPage, type RunPage } from './page.js';
import type { OpenedEngine, Parts } from './parts.js';
import type { Moment, Session, Training } from './training.js';

/** How a run is shown: on a page or none, and the form of its summary. */
export interface Showing {
  readonly json: boolean;
  /** Port of a page of its own. */
  readonly watch?: number;
  /** A page that is open already; the run's end ends it, unless the run stops before its last step by plan. */
  readonly page?: RunPage;
  /** Leaves out the lines about what is trained on what. */
  readonly brief?: boolean;
}

interface Job extends Pick<Showing, 'json' | 'brief'> {
  readonly training: Training;
  /** Its training, or what that has become on its page. */
  readonly current: { training: Training };
  readonly folder: RunFolder;
  readonly parts: Parts;
  readonly progress: Progress;
  readonly page: RunPage | undefined;
}

/** A stretch of training on one device. */
interface Stretch extends Job {
  readonly session: Session;
  readonly from: Checkpoint | undefined;
  /** config.json without status. */
  readonly record: () => Fields;
  readonly log: StepLosses[];
  /** Training time so far, that of earlier stretches included and pauses left out. */
  readonly seconds: () => number;
}

/** An end that is nearer needs no announcement. */
const WORTH_TELLING_S = 60;
/** From here on, the shorter way is named. */
const LONG_S = 3600;

/** Why a run is continued. */
type Reason = 'resumed' | 'device lost' | 'regions brushed';

/** Ends a stretch: the run continues from its checkpoint, with another program. */
class OtherProgram extends Error {}

/** A device that is lost more often will be lost again. */
const MOST_REOPENINGS = 3;

/** Starts a new run in `out`. Returns the exit code: 0, or 130 when interrupted. @throws before anything is created */
export async function startTraining(
  training: Training, to: Showing & { readonly out: string; readonly force: boolean }, parts: Parts,
): Promise<number> {
  return within(await openFolder(to.out, to.force, training.inputs), (folder) => runTraining(training, folder, parts, to));
}

/**
 * Resumes the run in a folder from its last checkpoint. @param parse the options in a config.json; what it throws names the field
 * @throws InputError when the folder holds no run of this command
 */
export async function resumeTraining<O>(
  command: TrainingName, resume: ResumeOptions & Omit<Showing, 'json'>, parts: Parts, parse: (config: Fields) => O,
  prepare: (options: O) => Promise<Training>,
): Promise<number> {
  const read = async () => {
    const config = await readConfigOf(command, resume.folder);
    return { config, options: parseConfig(resume.folder, () => parse(config)) };
  };
  await read(); // before anything is created
  return within(await reopenFolder(resume.folder), async (folder) => {
    const { config, options } = await read();
    const training = await prepare(options);
    checkRecord(folder.path, config, training);
    return runTraining(training, folder, parts, resume, config);
  });
}

/** Closes the folder after the work. */
const within = (folder: RunFolder, work: (folder: RunFolder) => Promise<number>): Promise<number> =>
  work(folder).finally(folder.close);

/** Trains to the end or to an interrupt. @param saved the config of the run to continue; absent for a new one */
async function runTraining(
  training: Training, folder: RunFolder, parts: Parts, { json, watch, page: given, brief = false }: Showing, saved?: Fields,
): Promise<number> {
  const { plan } = training;
  const progress = createProgress(plan.warmStart + plan.steps, parts.stderr);
  const page = given ?? (watch === undefined ? undefined : await openRunPage(training, folder.path, watch, parts));
  const isPart = plan.stopAt !== undefined;
  try {
    return await onDevices({ training, current: { training }, folder, parts, json, brief, progress, page }, saved);
  } catch (error) {
    if (!isPart) await page?.end('failed', { note: errorLine(error) ?? String(error) });
    throw error;
  } finally {
    if (!isPart) await page?.close();
  }
}

/** The page of a training in `folder`; its address is printed. @throws UsageError when the port is in use */
export async function openRunPage(training: Training, folder: string, port: number, parts: Parts): Promise<RunPage> {
  const { command, plan, page: text, config, pictures } = training;
  const page = await openPage({ command, plan, page: text, ...config }, text, pictures, folder, port, parts.interrupt);
  parts.stderr.write(`watch it at ${page.url}\n`);
  return page;
}

/** Opens a lost device again and continues from the last checkpoint; continues from there with another program too. */
async function onDevices(job: Job, saved: Fields | undefined): Promise<number> {
  const { training, folder, progress, page } = job;
  let stretch: Stretch | undefined;
  let reason: Reason = 'resumed';
  for (let lost = 0; ; lost += Number(reason === 'device lost')) {
    const current = stretch?.record() ?? saved;
    try {
      return await onOneDevice(job, current, reason, (begun) => (stretch = begun));
    } catch (error) {
      progress.finish();
      if (error instanceof OtherProgram) {
        reason = 'regions brushed';
        page?.trouble('Getting ready for the regions: the run goes on from here.');
        continue;
      }
      const isLost = error instanceof DeviceLostError;
      if (isLost && lost < MOST_REOPENINGS) {
        reason = 'device lost';
        const trouble = `${error.message}: opening it again, ${lost + 1} of at most ${MOST_REOPENINGS} times`;
        progress.note(trouble);
        page?.trouble(trouble);
        continue;
      }
      if (stretch) await noteFailure(stretch, error);
      const nothing = (): undefined => undefined;
      const any = async (): Promise<undefined> => undefined;
      // A refused folder cannot be continued as it is.
      const isRefused = !stretch && (error instanceof InputError || error instanceof UsageError);
      const kept = !isRefused && (current ?? stretch) && (await folder.checkpoints.newest(any, nothing).catch(nothing));
      const command = resumeCommand(training.command, folder.path);
      if (kept) progress.note(`${stepsOf(kept.state.counters)} are kept: ${command} continues from there`);
      if (isLost) throw new DeviceLostError(`${error.message}, for the ${lost + 1}th time in this run`);
      if (!(error instanceof OutOfMemoryError)) throw error;
      throw new OutOfMemoryError(`the GPU has too little memory for ${training.memory.use}: ${error.message}`);
    }
  }
}

async function noteFailure({ training, folder, session, record, log, seconds }: Stretch, error: unknown): Promise<void> {
  const failed = { ...record(), status: 'failed', stepsDone: session.run.stepsDone, seconds: seconds(), error: String(error) };
  await folder.curve(log, training.title).catch(() => undefined);
  await folder.config(failed).catch(() => undefined);
}

async function onOneDevice(
  job: Job, saved: Fields | undefined, reason: Reason, onBegun: (stretch: Stretch) => void,
): Promise<number> {
  const { current, folder, parts, progress, page, brief } = job;
  const from = saved && (await findCheckpoint(job, saved));
  const { training } = current;
  let opened: OpenedEngine | undefined;
  let session: Session | undefined;
  try {
    opened = await parts.openEngine(deviceUse(training, saved)).catch((error: Error) => {
      if (reason !== 'device lost') throw error;
      throw new DeviceLostError(`the GPU device was lost and none can be opened (${error.message})`);
    });
    const kernels = await useKernels(training, opened, saved, parts, progress.note);
    session = await training.start({ ...opened, folder, note: progress.note, ...(from && { from: from.state }) });
    const { memory } = session.run;
    checkMemory(memory, opened.adapter, training.memory.remedy);
    if (!saved) {
      if (await exists(folder.at('config.json'))) parts.interrupt.throwIfAborted(); // keeps the earlier run
      await folder.begin();
    }
    const trained = from?.state.counters['stepsDone'] ?? 0;
    const log = saved ? await folder.rewind(from?.logBytes ?? 0, trained) : [];
    if (saved) await folder.figures.rewind((step) => step <= trained && training.plan.savesAt(step));
    if (reason === 'resumed' && !brief) [...session.notes, describeMemory(memory)].forEach(progress.note);
    if (saved && !brief) continuing(from, saved, opened.adapter).forEach(progress.note);
    const made = { ...describeMaking(opened.adapter, from, saved, reason), ...(kernels && { kernels }) };
    const record = (): Fields => ({ ...recordOf(current.training), ...made });
    const now = () => performance.now() / 1000 - (page?.idle() ?? 0);
    const began = now() - (from?.seconds ?? 0);
    const seconds = () => Number((now() - began).toFixed(3));
    const stretch: Stretch = { ...job, training, session, from, record, log, seconds };
    await folder.config({ ...record(), status: 'running' });
    onBegun(stretch);
    page?.show(training.pictures);
    await page?.begin(folder.path, record(), from ? stepsIn(from.state) : 0, log, folder.figures.rows());
    return await train(stretch);
  } finally {
    session?.destroy?.();
    session?.run.destroy();
    opened?.close();
  }
}

/** What the device is opened for. A run that is resumed has matrix units if it began with them: see `AdapterSummary`. */
export function deviceUse({ precision = 'f32' }: Training, saved: Fields | undefined): DeviceUse {
  return { precision, units: !saved || fieldOf(saved, 'device', 'units') !== undefined };
}

/** Replaces the current training. The plan stays that of the job, which may end before all steps are done. */
const become = (current: Job['current'], training: Training): void => {
  current.training = { ...training, plan: current.training.plan };
};

/** The checkpoint to continue from. @throws InputError when photos, weights or settings are not those the run began with */
async function findCheckpoint({ current, folder, progress }: Job, saved: Fields): Promise<Checkpoint | undefined> {
  const from = await folder.checkpoints.newest(folder.log.problemOf, progress.note);
  if (!from) {
    if (!['finished', 'interrupted'].includes(String(saved['status']))) return undefined;
    const problem = `${folder.at('checkpoints')} holds no checkpoint, but the run is ${String(saved['status'])}`;
    throw new InputError(`${problem}: put the checkpoints back, or start a new run with another --out`);
  }
  const training = (await current.training.asIn?.(from, folder.path)) ?? current.training;
  checkIdentity(folder.path, from.identity, training.identity, training.sources);
  become(current, training);
  checkSteps(training.plan.steps, from.state.counters['stepsDone'] ?? 0);
  return from;
}

/**
 * To be called before a page shows anything that a config.json names. @param saved the config of the run in `folder`
 * @throws InputError when photos, weights or settings are not those the run began with
 */
export const checkRecord = (folder: string, saved: Fields, training: Training): void =>
  checkIdentity(folder, recordedIdentity(saved, training), training.identity, training.sources);

/** The identity in a config.json; earlier versions recorded only some hashes of it, at the places where `config` has them. */
function recordedIdentity(saved: Fields, { identity, config }: Training): Identity {
  const written = saved['identity'];
  if (typeof written === 'object' && written !== null) return written as Identity;
  const hashOf = (place: unknown): unknown => (typeof place === 'object' ? (place as Fields | null)?.['sha256'] : undefined);
  const known: Record<string, string> = {};
  for (const [name, place] of Object.entries(config)) {
    const [was, is] = [hashOf(saved[name]), hashOf(place)];
    // Two places may have the same photo; they are in the same order in both.
    const entry = Object.keys(identity).find((each) => identity[each] === is && !(each in known));
    if (entry !== undefined && typeof was === 'string') known[entry] = was;
  }
  return { ...identity, ...known };
}

/** The part of config.json about when and where the run is made. */
function describeMaking(
  device: AdapterSummary, from: Checkpoint | undefined, saved: Fields | undefined, reason: Reason,
): Fields {
  const at = new Date().toISOString();
  const { started = at, resumed } = saved ?? {};
  const continued = { at, step: from ? stepsIn(from.state) : 0, reason, device };
  return {
    device, started,
    ...(saved && { resumed: [...(Array.isArray(resumed) ? (resumed as unknown[]) : []), continued] }),
  };
}

/** The part of config.json that does not depend on when and where the run is made. */
export const recordOf = ({ command, plan: { warmStart, steps }, config, page, identity }: Training): Fields =>
  ({ program: 'splice-gpu', version: version(), command, plan: { warmStart, steps }, ...config, page, identity });

/** Lines about where a run continues. */
function continuing(from: Checkpoint | undefined, saved: Fields, adapter: AdapterSummary): string[] {
  if (!from) return ['no checkpoint was written yet: starting from the beginning'];
  const isSame = JSON.stringify(saved['device']) === JSON.stringify(adapter);
  const note = 'note: this is a different device, so results can differ in the last digits';
  return [`resuming after ${stepsOf(from.state.counters)}`, ...(isSame ? [] : [note])];
}

async function train(stretch: Stretch): Promise<number> {
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

/** Writes checkpoints and results. */
function createKeeper({ training, current, folder, page, session, from, log, seconds }: Stretch) {
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
  const { training, folder, progress, page, session, log } = stretch;
  const { run } = session;
  let isTold = false;
  /** Once, after the first steps that include no compilation. */
  const tellTime = (step: number, ms: number): void => {
    if (isTold || step < (log[0]?.step ?? 0) + LOG_EVERY) return;
    isTold = true;
    const left = (ms / 1000) * (training.plan.steps - run.stepsDone);
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

const stepsOf = ({ warmStepsDone, stepsDone = 0 }: Readonly<Partial<Pick<TrainingRun, 'warmStepsDone' | 'stepsDone'>>>): string =>
  (stepsDone > 0 || !warmStepsDone ? `${stepsDone} steps` : `${warmStepsDone} steps of the warm start`);
