/**
 * `transfer --seeds N`: a run for every seed in DIR/seeds/SEED, each an ordinary one that stops early. After every round the
 * better half goes on. The files of the best are moved into DIR, where its run goes on as any interrupted run does.
 */
import { copyFile, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { givenModel, loadOtherVit, loadVit } from '../../models/load.js';
import type { LoadedVit } from '../../models/read.js';
import { readImage } from '../../photos/photo.js';
import { readConfig, resumeCommand, type Fields, type ResumeOptions } from '../../run/config.js';
import { openFolder, removeTemporary, reopenFolder, type RunFolder } from '../../run/folder.js';
import type { RunPage } from '../../run/page.js';
import { quietly, type Parts } from '../../run/parts.js';
import { checkpointsIn } from '../../run/checkpoints.js';
import { checkRecord, recordOf } from '../../run/record.js';
import { openRunPage, type Showing } from '../../run/run.js';
import type { Training } from '../../run/training.js';
import { exists } from '../../shared/files.js';
import { errorLine, EXIT_INTERRUPTED, InputError, NonFiniteError, UsageError } from '../../shared/errors.js';
import { writeBeginning } from '../begin.js';
import { meanTotals } from '../meanTotals.js';
import { savedOptions, type Seeds, type TransferOptions } from '../options.js';
import { prepare, resumeTransfer, transferTo } from '../transfer.js';
import { costOf, droppedSteps, roundsOf, sharedStepsOf, type Round } from './rounds.js';
import { ranked, type Measured } from './score.js';
import { seedScores, writeScores, type SeedScore, type SeedScores } from './scores.js';
import { drawSeeds, pictureOf } from './sheet.js';
import { writeLine } from '../../shared/progress.js';

/** Options of a run that compares seeds. */
type Several = TransferOptions & { readonly seeds: Seeds };

export const compares = (options: TransferOptions): options is Several =>
  options.seeds !== undefined && options.seeds.chosen === undefined;

const lengthsOf = ({ splice: { steps, warmStart }, seeds }: Several) => ({ steps, warmStart, ...seeds });

/** The judge's input in pixels, that of `compare`. */
const JUDGE_SIZE = 224;

/** The comparison in progress. */
interface Comparison {
  readonly options: Several;
  readonly training: Training;
  readonly folder: RunFolder;
  readonly parts: Parts;
  readonly page: RunPage | undefined;
  readonly judge: LoadedVit | undefined;
}

/** Compares the seeds and finishes the run of the best. Returns the exit code as `transfer`. @throws as `transfer` */
export async function bestOfSeeds(options: Several, parts: Parts): Promise<number> {
  const training = await prepare(options, parts);
  const { judge: given } = options.seeds;
  const other = () => loadOtherVit(training.identity['ViT weights']!, fetchingWith(parts));
  const judge = given === undefined ? await other() : await loadVit(given, {}, fetchingWith(parts));
  (await parts.openEngine()).close(); // a machine without a device keeps its folder as it is
  const folder = await openFolder(options.out, options.force, [...training.inputs, ...(judge ? [judge.path] : [])]);
  return finish({ options, training, parts, judge }, folder, async () => {
    await folder.begin();
    const record = { ...recordOf(training), started: new Date().toISOString() };
    await mkdir(folder.at('seeds'));
    const about = judge ? { model: givenModel(given ?? judge.path, judge), name: judge.vit.name, sha256: judge.sha256 } : null;
    const { count } = options.seeds;
    const lengths = lengthsOf(options);
    const scores = { judge: about, cost: Number(costOf(count, roundsOf(count, lengths), lengths).toFixed(3)), rounds: [] };
    await writeScores(options.out, scores);
    return { record, scores };
  });
}

/** Goes on comparing where an earlier process stopped. @param resume as on the command line */
export async function resumeSeeds(options: Several, resume: ResumeOptions, parts: Parts): Promise<number> {
  const { folder: path, steps, json, watch } = resume;
  const config = await readConfig(path);
  if (steps !== undefined && steps !== (config['plan'] as Fields | undefined)?.['steps']) {
    throw new UsageError(`${path} is still comparing seeds, whose runs depend on the steps: resume it without --steps first`);
  }
  const wanted = { ...options, json, ...(watch !== undefined && { watch }) };
  const training = await prepare(wanted, parts);
  checkRecord(path, config, training);
  const found = await seedScores(path);
  const file = join(path, 'seeds', 'scores.json');
  if (!found) throw new InputError(`${file} is missing or damaged: start a new run with another --out`);
  const judge = found.judge ? await loadVit(found.judge.model, {}, fetchingWith(parts)) : undefined;
  if (judge?.sha256 !== found.judge?.sha256) {
    throw new InputError(`${judge!.path} is not the judge that the run in ${path} began with: put that one back`);
  }
  return finish({ options: wanted, training, parts, judge }, await reopenFolder(path), async () => {
    const { seconds: _, stepsDone: __, error: ___, ...record } = config;
    await removeTemporary(join(path, 'seeds'));
    return { record, scores: found };
  });
}

const fetchingWith = ({ interrupt, stderr }: Parts) => ({ signal: interrupt, output: stderr });

/** Compares from `begin` on, closes the folder, and resumes the run of the best in it. */
async function finish(
  job: Omit<Comparison, 'folder' | 'page'>, folder: RunFolder, begin: () => Promise<{ record: Fields; scores: SeedScores }>,
): Promise<number> {
  const { options, training, parts } = job;
  const { out, json, watch } = options;
  let page: RunPage | undefined;
  try {
    const { record, scores } = await begin();
    await folder.config({ ...record, status: 'running' });
    page = watch === undefined ? undefined : await openRunPage(training, out, watch, parts);
    const comparison = { ...job, folder, page };
    const chosen = await chooseSeed(comparison, scores).catch(async (error: unknown) => {
      const failed = { ...record, status: 'failed', stepsDone: 0, error: String(error) };
      await folder.config(failed).catch(() => undefined);
      await page?.end('failed', { note: errorLine(error) ?? String(error) });
      throw error;
    });
    if (chosen === undefined) {
      await folder.config({ ...record, status: 'interrupted', stepsDone: 0 });
      await page?.end('interrupted', {});
      const summary = { status: 'interrupted', stepsDone: 0, out, seeds: options.seeds };
      const sentence = `interrupted while comparing seeds; ${resumeCommand('transfer', out)} continues`;
      parts.stdout.write(`${json ? JSON.stringify(summary) : sentence}\n`);
      return EXIT_INTERRUPTED;
    }
    await promote(comparison, chosen);
  } catch (error) {
    await page?.close();
    throw error;
  } finally {
    await folder.close();
  }
  return resumeChosen({ folder: out, json, ...(page && { page }) }, options, parts);
}

/** Resumes the run of the best and adds its result to the sheet. Returns the exit code as `transfer`. */
export async function resumeChosen(
  resume: Parameters<typeof resumeTransfer>[0], options: TransferOptions, parts: Parts,
): Promise<number> {
  const code = await resumeTransfer(resume, parts);
  const [scores, { stepsDone, options: saved }] = [await seedScores(resume.folder), await readConfig(resume.folder)];
  const { seed } = saved as { seed: number };
  if (scores) await drawSeeds(options, scores, { seed, steps: Number(stepsDone) });
  return code;
}

/** Trains and scores round by round. Undefined when interrupted. @throws NonFiniteError when every run diverged */
async function chooseSeed(comparison: Comparison, begun: SeedScores): Promise<number | undefined> {
  const { options, parts } = comparison;
  const { out, seeds: { count, first } } = options;
  const rounds = roundsOf(count, lengthsOf(options));
  let scores = begun;
  let left = Array.from({ length: count }, (_, i) => (first + i) % 2 ** 32);
  parts.stderr.write(`comparing seeds ${left.join(', ')}: ${scores.cost.toFixed(2)} times the steps of one run, judged by `
    + `${scores.judge?.name ?? 'the pictures alone'}\n`);
  if (!(await beginSeeds(comparison, left))) return undefined;
  for (const [i, round] of rounds.entries()) {
    if (!scores.rounds[i]) {
      const failed = new Map<number, string>();
      for (const seed of left) if (!(await trainSeed(comparison, seed, round, failed))) return undefined;
      const kept = left.filter((seed) => !failed.has(seed));
      const best: SeedScore[] = ranked(await measure(comparison, kept));
      const scored = [...best, ...[...failed].map(([seed, reason]) => ({ seed, failed: reason }))];
      for (const seed of kept) await copyFile(join(runOf(out, seed), 'result.png'), join(out, pictureOf(seed, round.steps)));
      // The best so far: what `view` shows meanwhile.
      if (best[0]) await copyFile(join(runOf(out, best[0].seed), 'result.png'), join(out, 'result.png'));
      scores = { ...scores, rounds: [...scores.rounds, { ...round, scores: scored }] };
      await writeScores(out, scores);
      await drawSeeds(options, scores);
    }
    const { scores: ranking } = scores.rounds[i]!;
    left = ranking.filter((run) => !('failed' in run)).map(({ seed }) => seed).slice(0, round.keep);
    if (left.length === 0) {
      const reasons = ranking.flatMap((run) => ('failed' in run ? [run.failed] : []));
      throw new NonFiniteError(`the runs of all seeds diverged, the first of them thus: ${reasons[0]}`);
    }
    writeLine(parts.stderr, `after ${round.steps} steps the best of ${ranking.length}: ${left.join(', ')}`);
  }
  return left[0];
}

const runOf = (out: string, seed: number): string => join(out, 'seeds', String(seed));

/** The options of a seed's run. All begin alike. */
function oneOf({ options }: Comparison, seed: number): TransferOptions {
  const { seeds: { first }, until: _, watch: __, ...rest } = options;
  const { warmSeed = first, ...own } = options.splice;
  const beginning = warmSeed !== seed && { warmSeed, sharedSteps: sharedStepsOf(lengthsOf(options)) };
  return { ...rest, out: runOf(options.out, seed), force: false, splice: { ...own, seed, ...beginning } };
}

/** Trains a seed's run up to `steps` after its warm start. Whether it came there. @throws as `transferTo` */
const trainTo = async (
  { parts, page }: Comparison, one: TransferOptions, steps: number, told: Pick<Showing, 'stepsOfOthers'> = {},
): Promise<boolean> => (await transferTo(one, steps, quietly(parts), { brief: true, ...told, ...(page && { page }) })) === 0;

/**
 * Makes the shared steps once and begins the run of every seed where they ended, as if each had made its own. Whether they ended.
 * @throws NonFiniteError when it diverged
 */
async function beginSeeds(comparison: Comparison, seeds: readonly number[]): Promise<boolean> {
  const { options, parts } = comparison;
  const { out, splice } = options;
  const lengths = lengthsOf(options);
  const shared = sharedStepsOf(lengths);
  const missing: number[] = [];
  for (const seed of seeds) if (!(await exists(join(runOf(out, seed), 'config.json')))) missing.push(seed);
  if (splice.warmStart + shared === 0 || missing.length === 0) return true;
  const first = runOf(out, seeds[0]!);
  const { stepsDone = 0 } = await readConfig(first).catch((): Fields => ({}));
  if (Number(stepsDone) > shared) return true; // it went on by itself: the others make their own
  writeLine(parts.stderr, `the beginning of all seeds, to step ${shared}`);
  const stepsOfOthers = droppedSteps(seeds.length, roundsOf(seeds.length, lengths), lengths);
  const beginning = trainTo(comparison, oneOf(comparison, seeds[0]!), shared, { stepsOfOthers });
  const isThere = await beginning.catch((error: unknown) => {
    throw error instanceof NonFiniteError ? new NonFiniteError(`the steps that all seeds share: ${error.message}`) : error;
  });
  if (!isThere) return false;
  const start = await checkpointsIn(join(first, 'checkpoints')).newest(async () => undefined, () => undefined);
  const config = await readConfig(first);
  for (const seed of missing.filter((each) => each !== seeds[0])) {
    const one = oneOf(comparison, seed);
    const training = await prepare(one, parts);
    await writeBeginning({ run: first, out: one.out, force: true }, config, { ...start!, identity: training.identity }, training);
  }
  return true;
}

/** Whether a seed's run was trained to the end of a round; the reason goes into `failed` if it diverged. */
async function trainSeed(
  comparison: Comparison, seed: number, { steps }: Round, failed: Map<number, string>,
): Promise<boolean> {
  const one = oneOf(comparison, seed);
  const { status, stepsDone } = await readConfig(one.out).catch((): Fields => ({}));
  if (typeof stepsDone === 'number' && stepsDone >= steps && status !== 'failed') return true;
  writeLine(comparison.parts.stderr, `seed ${seed}, to step ${steps}`);
  try {
    return await trainTo(comparison, one, steps);
  } catch (error) {
    if (!(error instanceof NonFiniteError)) throw error;
    failed.set(seed, error.message);
    return true;
  }
}

/** The figures of each seed's result as it is now. */
async function measure({ options, training, judge: model, parts }: Comparison, seeds: readonly number[]): Promise<Measured[]> {
  const [structure, appearance] = await Promise.all(training.pictures.slice(0, 2).map(({ image }) => image()));
  const opened = model && (await parts.openEngine());
  try {
    const seeing = model && { engine: opened!.engine, vit: model.vit, vitSize: JUDGE_SIZE };
    const judge = await parts.openJudge(structure!, appearance!, seeing);
    const measured: Measured[] = [];
    for (const seed of seeds) {
      const run = runOf(options.out, seed);
      const figures = await judge.judge(await readImage(join(run, 'result.png')));
      const [total = Infinity] = await meanTotals(run, parts);
      measured.push({ seed, figures: { ...figures, total } });
    }
    return measured;
  } finally {
    opened?.close();
  }
}

/** Moves the files of the best run up, and makes the folder's config that of this run. Can be repeated after it broke off. */
async function promote(comparison: Comparison, chosen: number): Promise<void> {
  const { options, folder } = comparison;
  const run = runOf(options.out, chosen);
  for (const name of await readdir(run)) {
    if (name === 'config.json' || name.startsWith('.')) continue;
    await rm(folder.at(name), { recursive: true, force: true });
    await rename(join(run, name), folder.at(name));
  }
  const saved = savedOptions({ ...options, splice: oneOf(comparison, chosen).splice, seeds: { ...options.seeds, chosen } });
  await folder.config({ ...(await readConfig(run)), options: saved });
  await rm(run, { recursive: true, force: true });
}
