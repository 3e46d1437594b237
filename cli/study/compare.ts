/** The work of `splice-gpu compare`: figures of results for one pair of photos. */
import { basename, dirname, join, resolve } from 'node:path';
import type { Image } from '../../model/image.js';
import { checkVitSize, loadVit } from '../models/load.js';
import { readImage, readImageText, readPhoto, type Photo, type ReadOptions } from '../photos/photo.js';
import { DETAIL_KEYWORD, MODEL_KEYWORD, type PngText } from '../photos/pngText.js';
import { shortPath } from '../run/about.js';
import type { Parts } from '../run/parts.js';
import { UsageError } from '../shared/errors.js';
import { exists, parseJson } from '../shared/files.js';
import { regionJudge, showRegions, type RegionFigures } from '../transfer/regionFigures.js';
import { readPartners } from '../transfer/regions.js';
import { JUDGED_SIDE, matchWarning, showReport, trivialRows, type ReportRow } from '../transfer/report.js';
import { modelFacts } from './study.js';
import { writeLine } from '../shared/progress.js';

export interface CompareOptions {
  readonly structure: string;
  readonly appearance: string;
  /** Label images, for figures of regions. */
  readonly structureRegions?: string;
  readonly appearanceRegions?: string;
  readonly results: readonly string[];
  /** The ViT that judges, by name or path; without one only the pictures are compared. */
  readonly judge?: string;
  readonly vitSize: number;
  readonly json?: boolean;
}

interface Judged {
  readonly path: string;
  readonly image: Image;
  readonly text: PngText;
  /** Detail was added after its training. */
  readonly detail: boolean;
}

/** A result, and after one with detail the picture without it that its run keeps beside it. */
async function withTrained(path: string, given: readonly string[], reading: ReadOptions): Promise<Judged[]> {
  const read = async (file: string): Promise<Judged> => {
    const text = await readImageText(file);
    return { path: file, image: await readImage(file, reading), text, detail: text[DETAIL_KEYWORD] !== undefined };
  };
  const result = await read(path);
  const trained = join(dirname(path), 'trained.png');
  const isNews = result.detail && basename(path) === 'result.png' && !given.some((other) => resolve(other) === resolve(trained));
  return isNews && (await exists(trained)) ? [result, await read(trained)] : [result];
}

/** A judge of regions, if they are given. @throws UsageError for one label image alone */
async function regionsIn(
  { structureRegions, appearanceRegions }: CompareOptions, [structure, appearance]: readonly [Photo, Photo],
): Promise<((picture: Image) => RegionFigures) | undefined> {
  if (structureRegions === undefined && appearanceRegions === undefined) return undefined;
  if (structureRegions === undefined || appearanceRegions === undefined) {
    const [given, lacking] = structureRegions === undefined ? ['appearance', 'structure'] : ['structure', 'appearance'];
    throw new UsageError(`--${given}-regions needs --${lacking}-regions: give a label image for each photo`);
  }
  const [own, other] = await readPartners([structureRegions, structure], [appearanceRegions, appearance]);
  return regionJudge({ structure: own, appearance: other, colours: own.colours }, [appearance.image]);
}

/** Prints the table. Returns the exit code. A GPU is opened only for a ViT that judges. */
export async function compare(options: CompareOptions, { openEngine, openJudge, stdout, stderr }: Parts): Promise<number> {
  const reading = { atMost: JUDGED_SIDE };
  const photos = [await readPhoto(options.structure, reading), await readPhoto(options.appearance, reading)] as const;
  const [structure, appearance] = [photos[0].image, photos[1].image];
  const regionsOf = await regionsIn(options, photos);
  const results: Judged[] = [];
  for (const path of options.results) results.push(...(await withTrained(path, options.results, reading)));
  const model = options.judge === undefined ? undefined : await loadVit(options.judge);
  if (model) checkVitSize(options.vitSize, model.vit);
  else stderr.write('no --judge: the figures of a ViT are left out\n');
  const opened = model && (await openEngine());
  try {
    const { vitSize } = options;
    const judge = await openJudge(structure, appearance, model && { engine: opened!.engine, vit: model.vit, vitSize });
    const baselines = await trivialRows(judge, structure, appearance);
    const rows: (ReportRow & Judged)[] = [];
    for (const result of results) {
      const { path, image, text } = result;
      const trainedByJudge = model !== undefined && text[MODEL_KEYWORD] === model.sha256;
      const figures = await judge.judge(image);
      rows.push({ ...result, name: shortPath(path), figures, ...(trainedByJudge && { trainedByJudge }) });
      writeLine(stderr, `compared ${path}`);
    }
    const warning = matchWarning(judge.match);
    if (warning) writeLine(stderr, warning);
    const pictures = [{ name: 'structure itself', image: structure }, ...rows];
    const regions = regionsOf && pictures.map(({ name, image }) => ({ name, regions: regionsOf(image) }));
    const facts = {
      structure: resolve(options.structure), appearance: resolve(options.appearance),
      judge: model ? { ...modelFacts(model), vitSize } : null, match: judge.match ?? null, baselines,
      results: rows.map(({ path, figures, trainedByJudge = false, text }) => {
        const added = text[DETAIL_KEYWORD];
        return { path: resolve(path), figures, trainedByJudge, detail: (added && parseJson(added)) ?? null };
      }),
      ...(regions && { regions }),
    };
    const tables = () => showReport([...baselines, ...rows]) + (regions ? `\n${showRegions(regions)}` : '');
    stdout.write(options.json ? `${JSON.stringify(facts)}\n` : tables());
  } finally {
    opened?.close();
  }
  return 0;
}
