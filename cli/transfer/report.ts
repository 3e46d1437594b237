/** Figures of results beside those of two trivial ones, for people and for programs. */
import type { Figures, Judge } from '../../model/compare/judge.js';
import { LEAST_MATCH } from '../../model/compare/match.js';
import type { Image } from '../../model/image.js';

/** A row of the table: a result, or a photo of the pair taken for one. */
export interface ReportRow {
  readonly name: string;
  readonly figures: Figures;
  /** The judging ViT is the one it was trained with, so that its figures flatter it. */
  readonly trainedByJudge?: boolean;
}

/** What a result is worth shows beside what copying would score. */
export async function trivialRows({ judge }: Judge, structure: Image, appearance: Image): Promise<ReportRow[]> {
  return [
    { name: 'structure itself', figures: await judge(structure) },
    { name: 'appearance itself', figures: await judge(appearance) },
  ];
}

export interface Column {
  readonly key: keyof Figures;
  readonly title: string;
  readonly digits: number;
  readonly what: string;
}

/** Every figure in the order of the table, with what it means. */
export const COLUMNS: readonly Column[] = [
  { key: 'structure', title: 'structure', digits: 3, what: 'edges as in the structure image, 1 is kept' },
  { key: 'colour', title: 'colour', digits: 2, what: "distance to the appearance image's colours, 0 is reached" },
  { key: 'patches', title: 'patches', digits: 2, what: 'the same of small patches' },
  { key: 'leak', title: 'leak', digits: 2, what: "distance to the structure image's colours, small means its look is still there" },
  { key: 'sharpness', title: 'sharpness', digits: 2, what: "over the structure image's" },
  { key: 'selfSimilarity', title: 'self-sim', digits: 4, what: "ViT: difference of the keys' self-similarity to the structure image's, 0 is kept" },
  { key: 'cls', title: 'cls', digits: 3, what: "ViT: cosine of the CLS token with the appearance image's, 1 is reached" },
  { key: 'segments', title: 'segments', digits: 3, what: 'ViT: overlap of segments with the structure image, 1 is kept' },
];

/** A table with what its columns mean below; columns nobody has a figure for are left out. */
export function showReport(rows: readonly ReportRow[]): string {
  const columns = COLUMNS.filter(({ key }) => rows.some(({ figures }) => figures[key] !== undefined));
  const label = ({ name, trainedByJudge }: ReportRow): string => (trainedByJudge ? `${name} *` : name);
  const width = Math.max(...rows.map((row) => label(row).length));
  const wide = ({ title }: Column): number => title.length + 3;
  const lines = [
    ' '.repeat(width) + columns.map((c) => c.title.padStart(wide(c))).join(''),
    ...rows.map((row) => label(row).padEnd(width) + columns.map((c) => (row.figures[c.key]?.toFixed(c.digits) ?? '').padStart(wide(c))).join('')),
    '',
    ...columns.map(({ title, what }) => `${title.padEnd(10)} ${what}`),
    ...(rows.some(({ trainedByJudge }) => trainedByJudge) ? ['* trained with the ViT that judges here: its figures flatter it, --judge takes another'] : []),
  ];
  return `${lines.join('\n')}\n`;
}

/** A line for a pair whose photos hardly match, undefined for any other. */
export function matchWarning(match: number | undefined): string | undefined {
  if (match === undefined || match >= LEAST_MATCH) return undefined;
  return `warning: the photos hardly match (${match.toFixed(2)}; related ones have ${LEAST_MATCH} or more): the look of one thing may end up on another`;
}
