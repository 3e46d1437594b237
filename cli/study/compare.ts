/** The work of `splice-gpu compare`: figures of results for one pair of photos. */
import { basename, dirname, join, resolve } from 'node:path';
import { openJudge, type Judge, type Seeing } from '../../model/compare/judge.js';
import type { Image } from '../../model/image.js';
import { UsageError } from '../shared/errors.js';
import { readImage, readImageText } from '../photos/photo.js';
import { MODEL_KEYWORD } from '../photos/pngText.js';
import { matchWarning, showReport, trivialRows, type ReportRow } from '../transfer/report.js';
import type { Parts } from '../run/parts.js';
import { loadVit, type LoadedVit } from '../models/load.js';

export interface CompareOptions {
  readonly structure: string;
  readonly appearance: string;
  readonly results: readonly string[];
  /** The ViT that judges, by name or path; without one only the pictures are compared. */
  readonly judge?: string;
  readonly vitSize: number;
  readonly json: boolean;
}

interface Result extends ReportRow {
  readonly path: string;
}

/** Prints the table. Answers with the exit code. No GPU is opened unless a ViT judges. */
export async function compare(options: CompareOptions, { openEngine, stdout, stderr }: Parts): Promise<number> {
  const [structure, appearance] = [await readImage(options.structure), await readImage(options.appearance)];
  const results: { path: string; image: Image }[] = [];
  for (const path of options.results) results.push({ path, image: await readImage(path) });
  const model = options.judge === undefined ? undefined : await loadVit(options.judge);
  if (!model) stderr.write('no --judge: the figures of a ViT are left out\n');
  const least = 2 * (model?.vit.config.patch ?? 1);
  if (options.vitSize < least) throw new UsageError(`--vit-size ${options.vitSize} is below ${least}, two patches of this ViT: give ${least} or more`);
  const opened = model && (await openEngine());
  try {
    const seeing: Seeing | undefined = model && opened && { engine: opened.engine, vit: model.vit, viewing: { vitSize: options.vitSize } };
    const judge = await openJudge(structure, appearance, seeing);
    const trivial = await trivialRows(judge, structure, appearance);
    const rows: Result[] = [];
    for (const { path, image } of results) {
      rows.push(await judgeFile(path, image, judge, model));
      stderr.write(`compared ${path}\n`);
    }
    const warning = matchWarning(judge.match);
    if (warning) stderr.write(`${warning}\n`);
    stdout.write(options.json ? `${JSON.stringify(describe(options, model, judge, trivial, rows))}\n` : showReport([...trivial, ...rows]));
  } finally {
    opened?.close();
  }
  return 0;
}

async function judgeFile(path: string, image: Image, judge: Judge, model: LoadedVit | undefined): Promise<Result> {
  const trainedByJudge = model !== undefined && (await readImageText(path))[MODEL_KEYWORD] === model.sha256;
  return { name: shortPath(path), path, figures: await judge.judge(image), ...(trainedByJudge && { trainedByJudge }) };
}

const describe = (options: CompareOptions, model: LoadedVit | undefined, { match }: Judge, trivial: readonly ReportRow[], rows: readonly Result[]) => ({
  structure: resolve(options.structure),
  appearance: resolve(options.appearance),
  judge: model ? { name: model.vit.name, sha256: model.sha256, vitSize: options.vitSize } : null,
  match: match ?? null,
  baselines: trivial,
  results: rows.map(({ path, figures, trainedByJudge = false }) => ({ path: resolve(path), figures, trainedByJudge })),
});

/** Folder and file: results of several runs often have one name. */
const shortPath = (path: string): string => join(basename(dirname(resolve(path))), basename(path));
