/** One pair's training from the device to the last picture: checkpoints, lost devices, and what the user hears. */
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { DeviceLostError, OutOfMemoryError } from '../../engine/index.js';
import type { Judge } from '../../model/compare/judge.js';
import type { Image } from '../../model/image.js';
import type { SpliceRun } from '../../model/training/pair.js';
import type { Checkpoint, Identity } from './checkpoints.js';
import type { AdapterSummary } from '../gpu/device.js';
import { errorLine, EXIT_INTERRUPTED, NonFiniteError } from '../shared/errors.js';
import type { Photo } from '../photos/photo.js';
import type { Inputs } from '../transfer/inputs.js';
import type { LogEntry } from './curve.js';
import type { Outputs } from './folder.js';
import { checkMemory, describeMemory } from './memory.js';
import { createProgress, type Progress } from '../shared/progress.js';
import { curveTitle, describeRun, generatorMetadata, resultText, sentence, summarize, type RunRecord } from '../transfer/record.js';
import { matchWarning, trivialRows } from '../study/report.js';
import { checkIdentity, checkSteps, identityOf, resumeCommand } from './config.js';
import { trainLoop } from './loop.js';
import type { OpenedEngine, TransferOptions, TransferParts } from '../transfer/transfer.js';
import { triptych } from '../photos/grid.js';
import { watchPair, type PairWatch } from './page.js';
import { shippedModels } from '../models/load.js';

export interface Job {
  readonly options: TransferOptions;
  readonly inputs: Inputs;
  readonly outputs: Outputs;
  /** The config.json of the run to go on with; a new one when absent. */
  readonly saved?: Readonly<Record<string, unknown>>;
}

/** A job, and where it is told how it goes. */
interface Attended extends Job {
  readonly progress: Progress;
  readonly watch: PairWatch;
}

/** One stretch of training on one device. */
interface Session extends Attended {
  readonly identity: Identity;
  readonly from: Checkpoint | undefined;
  readonly run: SpliceRun;
  readonly judge: Judge;
  readonly record: RunRecord;
  readonly log: LogEntry[];
  readonly began: number;
  /** What the page's idle time was then. */
  readonly idleBefore: number;
}

/** A device that is lost more often will be lost again. */
const MOST_REOPENINGS = 3;

/** Trains to the end or to an interrupt; a lost device is opened again. Answers with the exit code. */
export async function trainPair(job: Job, parts: TransferParts): Promise<number> {
  const { options, inputs } = job;
  const progress = createProgress(options.splice.warmStart + options.splice.steps, parts.stderr);
  const watch = await watchPair(options, inputs, parts.interrupt);
  if (watch.url) progress.note(`watch it at ${watch.url}`);
  try {
    return await onDevices({ ...job, progress, watch }, parts);
  } catch (error) {
    await watch.end('failed', { note: errorLine(error) ?? String(error) });
    throw error;
  } finally {
    await watch.close();
  }
}

async function onDevices(job: Attended, parts: TransferParts): Promise<number> {
  const { outputs, progress, watch } = job;
  let saved = job.saved;
  for (let losses = 0; ; losses++) {
    try {
      const onBegun = (record: RunRecord) => (saved = record);
      return await onOneDevice({ ...job, ...(saved && { saved }) }, losses, onBegun, parts);
    } catch (error) {
      progress.finish();
      const isLost = error instanceof DeviceLostError;
      if (isLost && losses < MOST_REOPENINGS) {
        const trouble = `${error.message}: opening it again, ${losses + 1} of at most ${MOST_REOPENINGS} times`;
        progress.note(trouble);
        watch.trouble(trouble);
        continue;
      }
      const kept = saved && (await outputs.checkpoints.newest(() => undefined, () => undefined).catch(() => undefined));
      if (kept) progress.note(`${stepsOf(kept)} are kept: ${resumeCommand(outputs.folder)} goes on from there`);
      if (isLost) throw new DeviceLostError(`${error.message}, for the ${losses + 1}th time in this run`);
      throw error instanceof OutOfMemoryError ? new OutOfMemoryError(`${memoryUse(job)}: ${error.message}`) : error;
    }
  }
}

async function onOneDevice(job: Attended, losses: number, onBegun: (record: RunRecord) => void, parts: TransferParts): Promise<number> {
  const { options, inputs, outputs, saved, progress } = job;
  const identity = identityOf(options, inputs);
  const from = saved && (await findCheckpoint(job, identity, progress));
  let opened: OpenedEngine | undefined;
  let run: SpliceRun | undefined;
  try {
    opened = await parts.openEngine().catch((error: Error) => {
      throw losses > 0 ? new DeviceLostError(`the GPU device was lost and none can be opened (${error.message})`) : error;
    });
    const [pair, { vit }] = [[inputs.structure.image, inputs.appearance.image] as const, inputs.model];
    const judge = await parts.openJudge(...pair, { engine: opened.engine, vit, viewing: options.splice });
    run = await parts.startSplice(opened.engine, vit, ...pair, options.splice, from?.state);
    checkMemory(run.memory, opened.adapter.software ? totalmem() : undefined, options.splice.checkpointing);
    const record = describeRun(options, inputs, opened.adapter, saved && { config: saved, step: stepsDone(from), reason: losses > 0 ? 'device lost' : 'resumed' });
    if (!saved) await outputs.begin();
    const log = saved ? await outputs.rewind(from?.logBytes ?? 0, from?.state.stepsDone ?? 0) : [];
    announce(progress, job, judge, opened.adapter, from, losses);
    if (losses === 0) progress.note(describeMemory(run.memory));
    await outputs.config({ ...record, status: 'running' });
    onBegun(record);
    await job.watch.begin(record, stepsDone(from), log);
    return await train({ ...job, identity, from, run, judge, record, log, began: Date.now(), idleBefore: job.watch.idle() }, parts);
  } finally {
    run?.destroy();
    opened?.close();
  }
}

/** The checkpoint to go on from. @throws InputError when photos, weights or settings are not those the run began with */
async function findCheckpoint({ options, inputs, outputs }: Job, identity: Identity, progress: Progress): Promise<Checkpoint | undefined> {
  const logSize = await outputs.log.size();
  const problem = ({ logBytes }: Checkpoint) => (logBytes > logSize ? `${join(outputs.folder, 'log.jsonl')} has ${logSize} bytes, ${logBytes} of it belong to a checkpoint` : undefined);
  const from = await outputs.checkpoints.newest(problem, (line) => progress.note(line));
  if (!from) return undefined;
  checkIdentity(outputs.folder, from.identity, identity, inputs);
  checkSteps(options, from.state.stepsDone);
  return from;
}

async function train(session: Session, { stdout }: TransferParts): Promise<number> {
  const { options, outputs, run, record, log, progress, watch } = session;
  const keeper = createKeeper(session);
  try {
    const plan = { warmStart: options.splice.warmStart, steps: options.splice.steps, saveEvery: options.saveEvery };
    const status = await trainLoop(run, plan, keeper.hooks, watch.signal, log.at(-1)?.step);
    await keeper.saveFinal();
    const summary = summarize(status, record, log, outputs, { stepsDone: run.stepsDone, seconds: secondsOf(session) });
    await outputs.config({ ...record, status, stepsDone: run.stepsDone, seconds: summary.seconds });
    progress.finish();
    await watch.end(status, { seconds: summary.seconds });
    const goOn = status === 'interrupted' ? `; ${resumeCommand(outputs.folder)} goes on` : '';
    stdout.write(options.json ? `${JSON.stringify(summary)}\n` : `${sentence(summary)}${goOn}\n`);
    return status === 'finished' ? 0 : EXIT_INTERRUPTED;
  } catch (error) {
    await outputs.curve(log, curveTitle(options)).catch(() => undefined);
    await outputs.config({ ...record, status: 'failed', stepsDone: run.stepsDone, error: String(error) }).catch(() => undefined);
    throw error instanceof NonFiniteError ? new NonFiniteError(`${error.message}: ${keeper.lastGood()}; try another --seed or a smaller --lr`) : error;
  }
}

/** Writes log lines, pictures and checkpoints as they come, and only pictures without NaN. */
function createKeeper(session: Session) {
  const { options, inputs, outputs, run, judge, record, log, from, progress, watch } = session;
  let savedAt = from?.state.stepsDone || undefined;
  /** Behind everything else of its step: whoever goes on from it does not make that again. */
  const checkpoint = async (): Promise<void> => {
    const state = await run.state();
    await outputs.checkpoints.write({ state, identity: session.identity, logBytes: await outputs.log.keep(), seconds: secondsOf(session) });
  };
  const pictures = async (asked = false): Promise<Image> => {
    const steps = run.stepsDone;
    const picture = await run.result();
    if (!picture.data.every(Number.isFinite)) throw new NonFiniteError(`after ${steps} steps the picture holds values that are not finite`);
    if (steps > 0 && (asked || steps % options.saveEvery === 0)) await outputs.preview(steps, picture);
    await outputs.result(picture, resultText(record, steps));
    await outputs.generator(await run.weights(), generatorMetadata(options, inputs, steps));
    await outputs.curve(log, curveTitle(options));
    await watch.saved(steps, picture);
    savedAt = steps;
    return picture;
  };
  return {
    hooks: {
      onLosses: async (entry: LogEntry, ms: number) => {
        log.push(entry);
        await outputs.log.append(entry, ms);
        watch.losses(entry);
      },
      onSave: async (phase: string, asked: boolean) => {
        if (phase === 'train') await pictures(asked);
        await checkpoint();
      },
      onStep: (done: number, phase: string) => {
        progress.update(done, phase, log.at(-1));
        watch.step(done, phase);
      },
      between: (save: () => Promise<void>) => watch.between(save, async () => ({ picture: await run.result(), step: run.stepsDone })),
    },
    saveFinal: async () => {
      const [picture, structure, appearance] = [await pictures(), inputs.structure.image, inputs.appearance.image];
      await outputs.triptych(await triptych(structure, picture, appearance));
      const figures = await judge.judge(picture);
      await outputs.report({ judge: record.model.name, match: judge.match ?? null, result: figures, baselines: await trivialRows(judge, structure, appearance) });
      await outputs.result(picture, resultText(record, run.stepsDone, figures));
      await checkpoint();
    },
    lastGood: () => (savedAt === undefined ? 'no picture was saved before it' : `${outputs.resultPath} is the last good picture, of step ${savedAt}`),
  };
}

function announce(progress: Progress, { options, inputs, saved }: Job, { match }: Judge, adapter: AdapterSummary, from: Checkpoint | undefined, losses: number): void {
  const size = ({ image }: Photo) => `${image.width} x ${image.height}`;
  if (losses === 0) {
    const { structure, appearance, model } = inputs;
    progress.note(`structure ${structure.path} (${size(structure)}), appearance ${appearance.path} (${size(appearance)})`);
    progress.note(`model ${model.vit.name}, recipe ${options.splice.recipe}, seed ${options.splice.seed}, on ${adapter.device || adapter.driver}${adapter.software ? ' (software: slow)' : ''}`);
    if (model.note) progress.note(`note: ${model.note}`);
    const canTell = !shippedModels().some(({ name }) => name === model.vit.name); // random weights cannot, and a tiny ViT knows too little
    const warning = matchWarning(canTell ? match : undefined);
    if (warning) progress.note(warning);
  }
  if (!saved) return;
  progress.note(from ? `going on behind ${stepsOf(from)}` : 'no checkpoint was written yet: starting from the beginning');
  if (from && JSON.stringify(saved['device']) !== JSON.stringify(adapter)) progress.note('note: this is another device than before, results can differ in the last digits');
}

/** What decides how much memory a run needs. */
function memoryUse({ options, inputs: { structure, appearance } }: Job): string {
  const size = ({ image }: Photo) => `${image.width} x ${image.height}`;
  return `the GPU has too little memory for photos of ${size(structure)} and ${size(appearance)} and a ViT input of ${options.splice.vitSize}`;
}

const stepsDone = (from: Checkpoint | undefined): number => (from ? from.state.warmStepsDone + from.state.stepsDone : 0);

const stepsOf = ({ state }: Checkpoint): string => (state.stepsDone > 0 ? `${state.stepsDone} steps` : `${state.warmStepsDone} steps of the warm start`);

/** Training time: that before an interruption counted in, pauses left out. */
const secondsOf = ({ from, began, idleBefore, watch }: Session): number => (from?.seconds ?? 0) + (Date.now() - began) / 1000 - (watch.idle() - idleBefore);
