/** A run that was made elsewhere, made to speak of the files of this machine, and of no others. */
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { lossCurveSvg } from '../run/curve.js';
import { objectOf, readConfigOf, type Fields } from '../run/config.js';
import { parseLog } from '../run/log.js';
import { exists, readJson, writeFileAtomic, writeJson } from '../shared/files.js';
import { readText } from '../shared/read.js';
import { titlesOf } from '../transfer/titles.js';

export interface Here {
  readonly structure: string;
  readonly appearance: string;
  /** As `--model` and `--judge` take them. */
  readonly model: string;
  readonly judge?: string;
}

/** Fields that name files which no job has. */
const OTHERS = ['generator', 'branch', 'structureRegions', 'appearanceRegions', 'looks'];

/** Rewrites every config.json, curve and score of the run in `folder`. @param made further fields of its config.json */
export async function relocate(folder: string, here: Here, made: Fields = {}): Promise<void> {
  const seeds = await readdir(join(folder, 'seeds')).catch(() => []);
  for (const seed of seeds.filter((name) => /^\d+$/.test(name))) await relocateOne(join(folder, 'seeds', seed), here, {});
  await relocateOne(folder, here, made);
  for (const name of ['seeds/scores.json', 'report.json']) await relocateJudge(join(folder, name), here.judge);
}

async function relocateOne(folder: string, { structure, appearance, model, judge }: Here, made: Fields): Promise<void> {
  const found = Object.entries(await readConfigOf('transfer', folder));
  const config = Object.fromEntries(found.filter(([name]) => !OTHERS.includes(name)));
  const part = (name: string): Fields => objectOf(name, config[name]);
  const { seeds, ...options } = part('options');
  const several = seeds === undefined ? {} : { seeds: { ...objectOf('options.seeds', seeds), judge } };
  const { title, page } = titlesOf(part('options'), structure, appearance);
  await writeJson(join(folder, 'config.json'), {
    ...config,
    options: { ...options, ...several },
    structure: { ...part('structure'), path: resolve(structure) },
    appearance: { ...part('appearance'), path: resolve(appearance) },
    model: { ...part('model'), given: model, path: model },
    page: { ...part('page'), title: page },
    ...made,
  });
  const curve = join(folder, 'losses.svg');
  if (!(await exists(curve))) return;
  const path = join(folder, 'log.jsonl');
  const text = await readText(path).catch(() => '');
  await writeFileAtomic(curve, lossCurveSvg(text === '' ? [] : parseLog(path, text), title));
}

/** What a comparison of seeds, or a report of it, says of the judge. */
async function relocateJudge(path: string, judge: string | undefined): Promise<void> {
  const found = await readJson(path);
  if (!found || judge === undefined) return;
  const isReport = found['rounds'] === undefined;
  const scores = isReport ? (found['seeds'] as Fields | null | undefined) : found;
  if (!scores?.['judge']) return;
  const changed = { ...scores, judge: { ...objectOf('judge', scores['judge']), model: judge } };
  await writeJson(path, isReport ? { ...found, seeds: changed } : changed);
}
