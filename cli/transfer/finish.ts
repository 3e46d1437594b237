/** The end of a transfer: detail, the triptych, and the figures with and without it. */
import type { Engine } from '../../engine/index.js';
import type { Figures, Judge } from '../../model/compare/judge.js';
import type { Image } from '../../model/image.js';
import type { SpliceRun } from '../../model/training/pair.js';
import { atMost, writeImage } from '../photos/photo.js';
import type { RunFolder } from '../run/folder.js';
import type { Parts } from '../run/parts.js';
import type { Ending } from '../run/training.js';
import { writeJson } from '../shared/files.js';
import { viewingTriptych, withDetail, type Fine } from './detail.js';
import type { Inputs } from './inputs.js';
import { showSize } from './output.js';
import { resultText } from './record.js';
import { regionJudge } from './regionFigures.js';
import { JUDGED_SIDE, trivialRows } from './report.js';
import { seedScores } from './seeds/scores.js';
import { writeSequence } from './sequence.js';
import { writeStrengths } from './strength.js';

interface Surroundings {
  readonly engine: Engine;
  readonly folder: RunFolder;
  readonly judge: Judge;
  /** The photos at the size at which it judges. */
  readonly judged: readonly [structure: Image, appearance: Image];
  readonly parts: Parts;
}

/** Writes what a run leaves at its end. Returns whether all was done, and the seconds that detail took. */
export async function finish(inputs: Inputs, run: SpliceRun, ending: Ending, around: Surroundings) {
  const { target } = inputs;
  const trained = await run.result();
  const began = performance.now();
  const fine = target && ending.complete ? await detailed(inputs, trained, ending, around) : undefined;
  const seconds = fine && Number(((performance.now() - began) / 1000).toFixed(3));
  // The sixteen draws take as long as several steps. Who interrupts a run does not wait for them.
  const losses = ending.complete && await run.meanLosses();
  await report(inputs, run.stepsDone, { trained, fine, ...(losses && { losses }) }, around);
  const isFine = ending.complete && (fine !== undefined || target === undefined);
  const isWhole = isFine && (!inputs.sequence || (await writeSequence(inputs, run, ending, around)));
  return { isWhole, ...(seconds !== undefined && { seconds }) };
}

/** The picture with detail; undefined when an interrupt came first. */
async function detailed(
  { options: { detail = 0, splice: { vitSize } }, structure, appearance, model: { vit }, target }: Inputs, result: Image,
  { signal, onProgress }: Ending, { engine, parts }: Surroundings,
): Promise<Fine | undefined> {
  const what = `detail at ${showSize(target!)}`;
  try {
    const job = { result, structure, appearance, target: target!, strength: detail, seeing: { vit, vitSize } };
    return await withDetail(engine, parts, job, (share) => onProgress(share, what));
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

/** What a run has made: its picture, the one with detail, and at its end the mean losses. */
interface Made {
  readonly trained: Image;
  readonly fine: Fine | undefined;
  readonly losses?: Readonly<Record<string, number>>;
}

/** Writes the triptych, report.json, and result.png with its figures. */
async function report(
  inputs: Inputs, steps: number, { trained, fine, losses }: Made, { folder, judge, judged }: Surroundings,
): Promise<void> {
  const { options: { seeds, strength }, structure, appearance, model: { vit }, target } = inputs;
  const { picture, detail } = fine ?? { picture: trained };
  const seen = await viewingTriptych([structure, appearance], picture, target !== undefined);
  await writeImage(folder.at('triptych.png'), seen);
  const figures = await judge.judge(await atMost(picture, { shorterSide: JUDGED_SIDE }));
  const without = fine && { trained: await judge.judge(trained), detail };
  const baselines = await trivialRows(judge, ...judged);
  const regions = regionsOf(inputs, picture, judged);
  const text = (made?: Figures, added?: Fine['detail']) =>
    resultText(inputs, { steps, first: folder.log.first(), ...(made && { figures: made }), detail: added });
  const around = { folder, glance: judge.glance };
  const blends = strength && (await writeStrengths(strength, structure, picture, fine && target, text(), around));
  const facts = {
    judge: vit.name, match: judge.match ?? null, ...(losses && { losses }), result: figures, ...without, baselines,
    ...regions,
    ...(blends && { strength: blends }),
  };
  await writeJson(folder.at('report.json'), seeds ? { ...facts, seeds: await seedScores(folder.path) } : facts);
  if (fine) await writeImage(folder.at('trained.png'), trained, text(without!.trained));
  await writeImage(folder.at('result.png'), picture, text(figures, detail));
}

/** Colour distances of the regions, of the result and of the structure photo as it is. */
function regionsOf(
  { regions, looks, options }: Inputs, picture: Image, [structure, appearance]: Surroundings['judged'],
) {
  if (!regions) return {};
  const judge = regionJudge(regions, [appearance, ...looks.map(({ image }) => image)], options.looks);
  return { regions: { result: judge(picture), structure: judge(structure) } };
}
