/**
 * A training in a folder, new or resumed: lock, config.json, device, lost devices, page and exit code; stretch.ts trains. It is
 * the same for every training; training.ts holds the differences.
 */
import { DeviceLostError, OutOfMemoryError } from '../../engine/index.js';
import { describeMemory } from '../../model/training/memoryNeed.js';
import type { DeviceUse } from '../gpu/device.js';
import { errorLine, InputError, UsageError } from '../shared/errors.js';
import { exists } from '../shared/files.js';
import { createProgress } from '../shared/progress.js';
import { fieldOf } from './about.js';
import { stepsIn, type Checkpoint } from './checkpoints.js';
import {
  checkIdentity, checkSteps, parseConfig, readConfigOf, resumeCommand, type Fields, type ResumeOptions, type TrainingName,
} from './config.js';
import { openFolder, reopenFolder, type RunFolder } from './folder.js';
import { become, OtherProgram, type Job, type Stretch } from './job.js';
import { useKernels } from './kernels.js';
import { checkMemory } from './memory.js';
import { openPage, type RunPage } from './page.js';
import type { OpenedEngine, Parts } from './parts.js';
import { checkRecord, continuing, describeMaking, recordOf, stepsOf, type Reason } from './record.js';
import { train } from './stretch.js';
import type { Session, Training } from './training.js';

/** How a run is shown: on a page or none, and the form of what it prints. */
export interface Showing extends Pick<Job, 'json' | 'brief' | 'stepsOfOthers'> {
  /** Port of a page of its own. */
  readonly watch?: number;
  /** A page that is open already; the run's end ends it, unless the run stops before its last step by plan. */
  readonly page?: RunPage;
}

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
  training: Training, folder: RunFolder, parts: Parts, showing: Showing, saved?: Fields,
): Promise<number> {
  const { plan } = training;
  const { json, watch, page: given, brief = false, stepsOfOthers } = showing;
  const told = { json, brief, ...(stepsOfOthers !== undefined && { stepsOfOthers }) };
  const progress = createProgress(plan.warmStart + plan.steps, parts.stderr);
  const page = given ?? (watch === undefined ? undefined : await openRunPage(training, folder.path, watch, parts));
  const isPart = plan.stopAt !== undefined;
  try {
    return await onDevices({ training, current: { training }, folder, parts, ...told, progress, page }, saved);
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
