/** The work of `splice-gpu compare`: figures of results for one pair of photos. */
import { basename, dirname, join, resolve } from 'node:path';
import type { Judge } from '../../model/compare/judge.js';
import type { Image } from '../../model/image.js';
import { checkVitSize, loadVit, type LoadedVit } from '../models/load.js';
import { readImage, readImageText } from '../photos/photo.js';
import { MODEL_KEYWORD } from '../photos/pngText.js';
import type { Parts } from '../run/parts.js';
import { matchWarning, showReport, trivialRows, type ReportRow } from '../transfer/report.js';
import { modelFacts } from './study.js';

export interface CompareOptions {
  readonly structure: string;
  readonly appearance: string;
  readonly results: readonly string[];
  /** The ViT that judges, by name or path; without one only the pictures are compared. */
  readonly judge?: string;
  readonly vitSize: number;
  readonly json?: boolean;
}

interface Result extends ReportRow {
  readonly path: string;
}

/** Prints the table. Returns the exit code. A GPU is opened only for a ViT that judges. */
export async function compare(options: CompareOptions, { openEngine, openJudge, stdout, stderr }: Parts): Promise<number> {
  const [structure, appearance] = [await readImage(options.structure), await readImage(options.appearance)];
  const results: { path: string; image: Image }[] = [];
  for (const path of options.results) results.push({ path, image: await readImage(path) });
  const model = options.judge === undefined ? undefined : await loadVit(options.judge);
  if (model) checkVitSize(options.vitSize, model.vit);
  else stderr.write('no --judge: the figures of a ViT are left out\n');
  const opened = model && (await openEngine());
  try {
    const viewing = { vitSize: options.vitSize };
    const judge = await openJudge(structure, appearance, model && { engine: opened!.engine, vit: model.vit, viewing });
    const baselines = await trivialRows(judge, structure, appearance);
    const rows: Result[] = [];
    for (const { path, image } of results) {
      rows.push(await judgeFile(path, image, judge, model));
      stderr.write(`compared ${path}\n`);
    }
    const warning = matchWarning(judge.match);
    if (warning) stderr.write(`${warning}\n`);
    const all = [...baselines, ...rows];
    stdout.write(options.json ? `${JSON.stringify(describe(options, model, judge, baselines, rows))}\n` : showReport(all));
  } finally {
    opened?.close();
  }
  return 0;
}

async function judgeFile(path: string, image: Image, judge: Judge, model: LoadedVit | undefined): Promise<Result> {
  const trainedByJudge = model !== undefined && (await readImageText(path))[MODEL_KEYWORD] === model.sha256;
  // Folder and file: the results of several runs often have the same name.
  const name = join(basename(dirname(resolve(path))), basename(path));
  return { name, path, figures: await judge.judge(image), ...(trainedByJudge && { trainedByJudge }) };
}

const describe = (
  { structure, appearance, vitSize }: CompareOptions, model: LoadedVit | undefined, { match }: Judge,
  baselines: readonly ReportRow[], rows: readonly Result[],
) => ({
  structure: resolve(structure),
  appearance: resolve(appearance),
  judge: model ? { ...modelFacts(model), vitSize } : null,
  match: match ?? null,
  baselines,
  results: rows.map(({ path, figures, trainedByJudge = false }) => ({ path: resolve(path), figures, trainedByJudge })),
});
