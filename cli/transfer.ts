/** The work of `splice-gpu transfer`: check everything, train, keep the folder in order. */
import type { Engine } from '../engine/index.js';
import type { Judge, openJudge } from '../model/compare/judge.js';
import type { Image } from '../model/image.js';
import type { SpliceOptions } from '../model/options.js';
import type { VitSettings } from '../model/vit/checkpoint.js';
import type { AdapterSummary } from './device.js';
import { EXIT_INTERRUPTED, InputError, NonFiniteError, UsageError } from './errors.js';
import { readPhoto, type Photo } from './image.js';
import type { LogEntry } from './lossCurve.js';
import { openOutputs, type Outputs } from './outputs.js';
import { createProgress, type Output, type Progress } from './progress.js';
import { curveTitle, describeRun, generatorMetadata, resultText, sentence, summarize, type Inputs } from './record.js';
import { matchWarning, trivialRows } from './report.js';
import { trainLoop } from './trainLoop.js';
import type { SpliceRun, startSplice } from '../model/splice.js';
import { triptych } from './triptych.js';
import { DEFAULT_MODEL, loadVit } from './weights.js';

export interface TransferOptions {
  readonly structure: string;
  readonly appearance: string;
  readonly out: string;
  /** A known model's name or the path of a weight file. */
  readonly model: string;
  readonly vit: VitSettings;
  /** Shorter side both photos are brought to; as they are when absent. */
  readonly size?: number;
  readonly saveEvery: number;
  readonly json: boolean;
  readonly force: boolean;
  readonly splice: SpliceOptions;
}

export interface OpenedEngine {
  readonly engine: Engine;
  readonly adapter: AdapterSummary;
  close(): void;
}

/** What the work needs from outside; tests give their own. */
export interface TransferParts {
  openEngine(): Promise<OpenedEngine>;
  readonly startSplice: typeof startSplice;
  readonly openJudge: typeof openJudge;
  readonly interrupt: AbortSignal;
  readonly stdout: Output;
  readonly stderr: Output;
}

/** A picture smaller than this is an accident, whatever --size makes of it. */
const MIN_FILE_SIDE = 16;
/** Both generators halve a square crop five times; crops are as small as 0.95 of the height. */
const MIN_CROP_SIDE = 33;
const MIN_HEIGHT = Math.ceil(MIN_CROP_SIDE / 0.95);

/** Trains one pair. Answers with the exit code: 0, or 130 when interrupted. Throws before anything is created if an input is wrong. */
export async function transfer(options: TransferOptions, parts: TransferParts): Promise<number> {
  const inputs = await readInputs(options);
  const outputs = await openOutputs(options.out, options.force);
  let opened: OpenedEngine | undefined;
  let run: SpliceRun | undefined;
  try {
    opened = await parts.openEngine();
    const [pair, { vit }] = [[inputs.structure.image, inputs.appearance.image] as const, inputs.model];
    const judge = await parts.openJudge(...pair, { engine: opened.engine, vit, viewing: options.splice });
    run = await parts.startSplice(opened.engine, vit, ...pair, options.splice);
    await outputs.begin();
    return await train(options, inputs, outputs, run, judge, opened.adapter, parts);
  } finally {
    run?.destroy();
    opened?.close();
    await outputs.undo();
  }
}

async function readInputs(options: TransferOptions): Promise<Inputs> {
  const reading = options.size === undefined ? {} : { shorterSide: options.size };
  const structure = await readPhoto(options.structure, reading);
  checkPhoto(structure);
  const appearance = await readPhoto(options.appearance, reading);
  checkPhoto(appearance);
  const model = await loadVit(options.model, options.vit);
  const least = 2 * model.vit.config.patch;
  if (options.splice.vitSize < least) {
    throw new UsageError(`--vit-size ${options.splice.vitSize} is below ${least}, two patches of this ViT: give ${least} or more`);
  }
  return { structure, appearance, model };
}

function checkPhoto({ path, width, height, image }: Photo): void {
  if (Math.min(width, height) < MIN_FILE_SIDE) {
    throw new InputError(`${path} is ${width} x ${height} pixels: too small for a photo, use one of at least ${MIN_FILE_SIDE} x ${MIN_FILE_SIDE}`);
  }
  if (image.width >= MIN_CROP_SIDE && image.height >= MIN_HEIGHT) return;
  const used = image.width === width && image.height === height ? '' : `, used at ${image.width} x ${image.height}`;
  throw new InputError(
    `${path} is ${width} x ${height} pixels${used}: the generator needs ${MIN_CROP_SIDE} x ${MIN_HEIGHT} or more, use a larger photo or --size ${MIN_HEIGHT} or above`,
  );
}

async function train(
  options: TransferOptions,
  inputs: Inputs,
  outputs: Outputs,
  run: SpliceRun,
  judge: Judge,
  adapter: AdapterSummary,
  { interrupt, stdout, stderr }: TransferParts,
): Promise<number> {
  const began = Date.now();
  const record = describeRun(options, inputs, adapter);
  const progress = createProgress(options.splice.warmStart + options.splice.steps, stderr);
  announce(progress, options, inputs, judge, adapter);
  await outputs.config({ ...record, status: 'running' });

  const log: LogEntry[] = [];
  const keeper = createKeeper(options, inputs, outputs, run, log, record);
  try {
    const plan = { warmStart: options.splice.warmStart, steps: options.splice.steps, saveEvery: options.saveEvery };
    const status = await trainLoop(run, plan, { ...keeper.hooks, onStep: (done, phase) => progress.update(done, phase, log.at(-1)) }, interrupt);
    await keeper.saveFinal(judge);
    const summary = summarize(status, record, log, outputs, { stepsDone: run.stepsDone, seconds: (Date.now() - began) / 1000 });
    await outputs.config({ ...record, status, stepsDone: run.stepsDone, seconds: summary.seconds });
    progress.finish();
    stdout.write(options.json ? `${JSON.stringify(summary)}\n` : `${sentence(summary)}\n`);
    return status === 'finished' ? 0 : EXIT_INTERRUPTED;
  } catch (error) {
    progress.finish();
    await outputs.curve(log, curveTitle(options)).catch(() => undefined);
    await outputs.config({ ...record, status: 'failed', stepsDone: run.stepsDone, error: String(error) }).catch(() => undefined);
    throw error instanceof NonFiniteError ? new NonFiniteError(`${error.message}: ${keeper.lastGood()}; try another --seed or a smaller --lr`) : error;
  }
}

/** Writes log lines and pictures as they come, and only pictures without NaN. */
function createKeeper(options: TransferOptions, inputs: Inputs, outputs: Outputs, run: SpliceRun, log: LogEntry[], record: ReturnType<typeof describeRun>) {
  let savedAt: number | undefined;
  const save = async (): Promise<Image> => {
    const steps = run.stepsDone;
    const picture = await run.result();
    if (!picture.data.every(Number.isFinite)) throw new NonFiniteError(`after ${steps} steps the picture holds values that are not finite`);
    if (steps > 0 && steps % options.saveEvery === 0) await outputs.preview(steps, picture);
    await outputs.result(picture, resultText(record, steps));
    await outputs.generator(await run.weights(), generatorMetadata(options, inputs, steps));
    await outputs.curve(log, curveTitle(options));
    savedAt = steps;
    return picture;
  };
  return {
    hooks: {
      onLosses: async (entry: LogEntry) => {
        log.push(entry);
        await outputs.log(entry);
      },
      onSave: async () => void (await save()),
    },
    saveFinal: async (judge: Judge) => {
      const [picture, structure, appearance] = [await save(), inputs.structure.image, inputs.appearance.image];
      await outputs.triptych(await triptych(structure, picture, appearance));
      const figures = await judge.judge(picture);
      await outputs.report({ judge: record.model.name, match: judge.match ?? null, result: figures, baselines: await trivialRows(judge, structure, appearance) });
      await outputs.result(picture, resultText(record, run.stepsDone, figures));
    },
    lastGood: () => (savedAt === undefined ? 'no picture was saved before it' : `${outputs.resultPath} is the last good picture, of step ${savedAt}`),
  };
}

function announce(progress: Progress, options: TransferOptions, { structure, appearance, model }: Inputs, { match }: Judge, adapter: AdapterSummary): void {
  const size = ({ image }: Photo) => `${image.width} x ${image.height}`;
  progress.note(`structure ${structure.path} (${size(structure)}), appearance ${appearance.path} (${size(appearance)})`);
  progress.note(`model ${model.vit.name}, recipe ${options.splice.recipe}, seed ${options.splice.seed}, on ${adapter.device || adapter.driver}${adapter.software ? ' (software: slow)' : ''}`);
  if (model.note) progress.note(`note: ${model.note}`);
  const warning = matchWarning(options.model === DEFAULT_MODEL ? undefined : match); // random weights cannot tell
  if (warning) progress.note(warning);
}
