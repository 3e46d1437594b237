/** Sets of options compared on the same pairs and seeds: one transfer for each, figures by a judge, a table and a sheet. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withSettings } from '../../cli/commands/batch.js';
import type { LoadedVit } from '../../cli/models/read.js';
import { readImage } from '../../cli/photos/photo.js';
import type { SheetRow } from '../../cli/photos/sheet.js';
import type { Parts } from '../../cli/run/parts.js';
import { readJson, sha256, writeJson } from '../../cli/shared/files.js';
import { table } from '../../cli/shared/table.js';
import { onEngine } from '../../cli/study/study.js';
import { readOutcome } from '../../cli/transfer/batch/outcome.js';
import { ensureTransfer } from '../../cli/transfer/ensure.js';
import { COLUMNS } from '../../cli/transfer/report.js';
import type { Figures } from '../../model/compare/judge.js';

export interface NamedPair {
  readonly name: string;
  readonly structure: string;
  readonly appearance: string;
}

/** Options of `transfer` under a name. */
export interface OptionSet {
  readonly name: string;
  readonly options: readonly string[];
}

export interface Ablation {
  readonly out: string;
  readonly pairs: readonly NamedPair[];
  readonly seeds: readonly number[];
  readonly sets: readonly OptionSet[];
  /** A ViT that judges as well; it should not be the one that trains. */
  readonly judge?: LoadedVit;
  readonly judgeSize: number;
}

/** A finished run. */
export interface Judged {
  readonly set: string;
  readonly pair: string;
  readonly seed: number;
  /** The figures of `compare`, and the total of the mean losses in report.json as `total`. */
  readonly figures: Readonly<Record<string, number>>;
  readonly result: string;
}

/** A result with less of the structure's edges has lost its layout; one that is less sharp has only colours. */
export const isFailure = ({ structure, sharpness }: Judged['figures']): boolean => structure! < 0.6 || sharpness! < 0.1;

/**
 * Makes the runs that are missing, continues interrupted ones, and returns all that are finished. A seed is completed first. A
 * set with `--seeds` covers several itself, so it begins at the first alone.
 */
export async function ablate(ablation: Ablation, parts: Parts): Promise<Judged[]> {
  const { out, pairs, seeds, sets } = ablation;
  const finished: Omit<Judged, 'figures'>[] = [];
  for (const seed of seeds) for (const pair of pairs) for (const set of sets) {
    const coversSeeds = set.options.some((word) => word.startsWith('--seeds'));
    if (parts.interrupt.aborted || (coversSeeds && seed !== seeds[0])) continue;
    const folder = join(out, set.name, `${pair.name}-${seed}`);
    const where = `${set.name}, ${pair.name}, seed ${seed}`;
    const given = { ...pair, settings: {}, where };
    const { options } = await withSettings(given, folder, [...set.options, `--seed=${seed}`]);
    const onOther = (setting: string): never => {
      throw new Error(`${folder} holds a run with another ${setting}: choose another folder, or another name for the set`);
    };
    const note = (text: string): void => void parts.stderr.write(`${where}: ${text}\n`);
    note('starting');
    const code = await ensureTransfer(options, parts, { onOther, note });
    if (code === 0) finished.push({ set: set.name, pair: pair.name, seed, result: join(folder, 'result.png') });
  }
  return judgeAll(ablation, finished, parts);
}

/** Figures are kept beside each result, since judging takes seconds. */
async function judgeAll({ pairs, judge: model, judgeSize }: Ablation, runs: readonly Omit<Judged, 'figures'>[], parts: Parts) {
  return onEngine(parts, async (engine) => {
    const judged: Judged[] = [];
    const seeing = model && { engine, vit: model.vit, vitSize: judgeSize };
    for (const { name, structure, appearance } of pairs) {
      const open = once(async () => parts.openJudge(await readImage(structure), await readImage(appearance), seeing));
      for (const run of runs.filter(({ pair }) => pair === name)) {
        const folder = join(run.result, '..');
        const key = `${sha256(await readFile(run.result))} ${model?.sha256 ?? ''} ${model ? judgeSize : ''}`;
        const known = await readJson(join(folder, 'judged.json'));
        const figures = known?.['key'] === key
          ? (known['figures'] as Figures) : await (await open()).judge(await readImage(run.result));
        await writeJson(join(folder, 'judged.json'), { key, figures });
        const { total = NaN } = await readOutcome(folder, '');
        judged.push({ ...run, figures: { total, ...figures } });
      }
    }
    return judged;
  });
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Standard deviation between the seeds of a pair, its mean square over the pairs; NaN with a single seed. */
export function spreadOf(groups: readonly (readonly number[])[]): number {
  const variance = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0) / (values.length - 1);
  return Math.sqrt(mean(groups.map(variance)));
}

/** Means over all runs, each with the spread between seeds, and the number of failures: a line for each set. */
export function ablationTable(judged: readonly Judged[], { sets, pairs }: Pick<Ablation, 'sets' | 'pairs'>): string {
  const columns = [{ key: 'total', digits: 2, title: 'total loss' }, ...COLUMNS]
    .filter(({ key }) => judged.some(({ figures }) => figures[key] !== undefined));
  const rows = sets.map(({ name }) => {
    const own = judged.filter(({ set }) => set === name);
    const cells = columns.map(({ key, digits }) => {
      const groups = pairs.map(({ name: of }) => own.filter(({ pair }) => pair === of).map(({ figures }) => figures[key]!));
      const spread = spreadOf(groups);
      const middle = own.length > 0 ? mean(own.map(({ figures }) => figures[key]!)).toFixed(digits) : '-';
      return Number.isFinite(spread) ? `${middle} ±${spread.toFixed(digits)}` : middle;
    });
    return [name, String(own.length), ...cells, String(own.filter(({ figures }) => isFailure(figures)).length)];
  });
  return table([['', 'runs', ...columns.map(({ title }) => title), 'failures'], ...rows]);
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return mean([sorted[Math.floor((sorted.length - 1) / 2)]!, sorted[Math.ceil((sorted.length - 1) / 2)]!]);
};

/** The median total loss of every pair's seeds: a line for each pair, a column for each set. Losses of other weights differ. */
export function totalsTable(judged: readonly Judged[], { sets, pairs }: Pick<Ablation, 'sets' | 'pairs'>): string {
  const cellOf = (pair: string, set: string): string => {
    const totals = judged.filter((run) => run.pair === pair && run.set === set).map(({ figures }) => figures['total']!);
    return totals.length > 0 ? median(totals).toFixed(2) : '-';
  };
  const rows = pairs.map(({ name: pair }) => [pair, ...sets.map(({ name }) => cellOf(pair, name))]);
  return table([['median total loss', ...sets.map(({ name }) => name)], ...rows]);
}

/** A row for each pair and seed: the two photos, then the result of every set with its structure, colour and sharpness. */
export async function ablationRows(judged: readonly Judged[], { sets, pairs, seeds }: Ablation): Promise<SheetRow[]> {
  const rows: SheetRow[] = [];
  for (const { name, structure, appearance } of pairs) {
    const photos = [await readImage(structure, { atMost: 512 }), await readImage(appearance, { atMost: 512 })];
    for (const seed of seeds) {
      const runs = sets.map((set) => judged.find((run) => run.set === set.name && run.pair === name && run.seed === seed));
      const results = await Promise.all(runs.map((run) => run && readImage(run.result, { atMost: 512 })));
      const captions = runs.map((run) => (run ? captionOf(run.figures) : ''));
      if (runs.some(Boolean)) {
        rows.push({ label: `${name}, seed ${seed}`, cells: [...photos, ...results], captions: ['', '', ...captions] });
      }
    }
  }
  return rows;
}

const captionOf = (figures: Judged['figures']): string => {
  const shown = [['structure', 2], ['colour', 1], ['sharpness', 2], ['total', 1]] as const;
  const text = shown.map(([name, digits]) => `${name} ${figures[name]!.toFixed(digits)}`).join(' ');
  return isFailure(figures) ? `${text} FAILURE` : text;
};
