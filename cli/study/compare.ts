/** The work of `splice-gpu compare`: figures of results for one pair of photos. */
import { resolve } from 'node:path';
import type { Image } from '../../model/image.js';
import { checkVitSize, loadVit } from '../models/load.js';
import { readImage, readImageText } from '../photos/photo.js';
import { MODEL_KEYWORD } from '../photos/pngText.js';
import { shortPath } from '../run/about.js';
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
    const { vitSize } = options;
    const judge = await openJudge(structure, appearance, model && { engine: opened!.engine, vit: model.vit, vitSize });
    const baselines = await trivialRows(judge, structure, appearance);
    const rows: (ReportRow & { path: string })[] = [];
    for (const { path, image } of results) {
      const trainedByJudge = model !== undefined && (await readImageText(path))[MODEL_KEYWORD] === model.sha256;
      rows.push({ name: shortPath(path), path, figures: await judge.judge(image), ...(trainedByJudge && { trainedByJudge }) });
      stderr.write(`compared ${path}\n`);
    }
    const warning = matchWarning(judge.match);
    if (warning) stderr.write(`${warning}\n`);
    const facts = {
      structure: resolve(options.structure), appearance: resolve(options.appearance),
      judge: model ? { ...modelFacts(model), vitSize } : null, match: judge.match ?? null, baselines,
      results: rows.map(({ path, figures, trainedByJudge = false }) => ({ path: resolve(path), figures, trainedByJudge })),
    };
    stdout.write(options.json ? `${JSON.stringify(facts)}\n` : showReport([...baselines, ...rows]));
  } finally {
    opened?.close();
  }
  return 0;
}
