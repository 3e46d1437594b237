/** Figures of results and of two trivial results, for people and for programs. */
import type { Figures, Judge } from '../../model/compare/judge.js';
import { LEAST_MATCH } from '../../model/compare/match.js';
import type { Image } from '../../model/image.js';
import { table } from '../shared/table.js';

/** Larger pictures are reduced to this shorter side before they are judged, which happens at 256 pixels. */
export const JUDGED_SIDE = 1024;

/** A row of the table: a result, or a photo of the pair in its place. */
export interface ReportRow {
  readonly name: string;
  readonly figures: Figures;
  /** The result was trained with the ViT that judges, which favours it. */
  readonly trainedByJudge?: boolean;
  /** Detail was added after its training. */
  readonly detail?: boolean;
}

/** The scores of a mere copy, as a measure for results. */
export const trivialRows = async ({ judge }: Judge, structure: Image, appearance: Image): Promise<ReportRow[]> => [
  { name: 'structure itself', figures: await judge(structure) },
  { name: 'appearance itself', figures: await judge(appearance) },
];

export interface Column {
  readonly key: keyof Figures;
  readonly title: string;
  readonly digits: number;
  readonly what: string;
}

/** Every figure in the order of the table, with its meaning. */
export const COLUMNS: readonly Column[] = [
  { key: 'structure', title: 'structure', digits: 3, what: 'edges as in the structure image, 1 is kept' },
  { key: 'colour', title: 'colour', digits: 2, what: "distance to the appearance image's colours, 0 is reached" },
  { key: 'patches', title: 'patches', digits: 2, what: 'the same of small patches' },
  {
    key: 'leak', title: 'leak', digits: 2,
    what: "distance to the structure image's colours, small means its look is still there",
  },
  { key: 'sharpness', title: 'sharpness', digits: 2, what: "over the structure image's" },
  {
    key: 'selfSimilarity', title: 'self-sim', digits: 4,
    what: "ViT: difference of the keys' self-similarity to the structure image's, 0 is kept",
  },
  { key: 'cls', title: 'cls', digits: 3, what: "ViT: cosine of the CLS token with the appearance image's, 1 is reached" },
  { key: 'segments', title: 'segments', digits: 3, what: 'ViT: overlap of segments with the structure image, 1 is kept' },
];

/** A table and the meaning of its columns; columns without any figure are left out. */
export function showReport(rows: readonly ReportRow[]): string {
  const columns = COLUMNS.filter(({ key }) => rows.some(({ figures }) => figures[key] !== undefined));
  const marked = ({ name, trainedByJudge, detail }: ReportRow): string =>
    [name, ...(detail ? ['+'] : []), ...(trainedByJudge ? ['*'] : [])].join(' ');
  const cells = rows.map((row) =>
    [marked(row), ...columns.map(({ key, digits }) => row.figures[key]?.toFixed(digits) ?? '')]);
  const isMarked = rows.some(({ trainedByJudge }) => trainedByJudge);
  const note = '* trained with the ViT that judges here: its figures flatter it, --judge takes another\n';
  const added = rows.some(({ detail }) => detail) ? '+ detail of the photos was added after the training\n' : '';
  const meanings = columns.map(({ title, what }) => `${title.padEnd(10)} ${what}\n`).join('');
  return `${table([['', ...columns.map(({ title }) => title)], ...cells])}\n\n${meanings}${added}${isMarked ? note : ''}`;
}

/** A line for a pair whose photos hardly match, undefined for any other. */
export function matchWarning(match: number | undefined): string | undefined {
  if (match === undefined || match >= LEAST_MATCH) return undefined;
  const figures = `${match.toFixed(2)}; related ones have ${LEAST_MATCH} or more`;
  return `warning: the photos hardly match (${figures}): the look of one thing may end up on another`;
}
