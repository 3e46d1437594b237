/** report.html of a batch: every triptych with its figures, in one file that needs nothing but the pictures in its folder. */
import type { Figures } from '../../../model/compare/judge.js';
import { COLUMNS } from '../report.js';

/** The outcome of a pair. */
export interface PairResult {
  readonly name: string;
  readonly status: 'done' | 'failed' | 'interrupted' | 'waiting';
  /** The settings that its line gives. */
  readonly settings: Readonly<Record<string, string>>;
  readonly error?: string;
  /** The machines that made it, where they are not this one. */
  readonly madeBy?: string;
  readonly stepsDone?: number;
  readonly seconds?: number;
  /** Mean total loss over the logged ones of the last 50 steps. */
  readonly total?: number;
  /** The match of the photos. */
  readonly match?: number;
  readonly figures?: Partial<Figures>;
  /** Those of the result without detail, when detail was added to it. */
  readonly trained?: Partial<Figures>;
  /** The triptych and the result, relative to the page. */
  readonly picture?: string;
  readonly result?: string;
}

const STYLE = `
  :root { color-scheme: light dark; --paper: #fff; --ink: #1b1b1b; --soft: #666; --line: #e2e2e2; --bad: #b3261e; }
  @media (prefers-color-scheme: dark) {
    :root { --paper: #16181c; --ink: #f0f0f0; --soft: #a0a5ad; --line: #2b2f36; --bad: #ff8a80; }
  }
  body { margin: 0 auto; max-width: 68rem; padding: 1.5rem 1rem 4rem; }
  body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
  h1 { font-size: 1.4rem; margin: 0; } .sum { color: var(--soft); margin: .2rem 0 1.5rem; }
  article { border-top: 1px solid var(--line); padding: 1.2rem 0; }
  h2 { font-size: 1.05rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
  h2 small { font-weight: 400; color: var(--soft); margin-left: .5rem; } .failed small { color: var(--bad); }
  img { display: block; min-width: min(100%, 44rem); max-width: 100%; height: auto; border-radius: 4px; }
  .error { color: var(--bad); margin: .3rem 0; overflow-wrap: anywhere; }
  .own { color: var(--soft); font-size: .85rem; }
  dl { display: flex; flex-wrap: wrap; gap: .4rem 1.6rem; margin: .7rem 0 0; }
  dt { color: var(--soft); font-size: .8rem; } dd { margin: 0; font-variant-numeric: tabular-nums; }
  code { color: var(--soft); font-size: .85rem; overflow-wrap: anywhere; }`;

/** The whole page. All text is escaped: names, settings and errors come from files. */
export function reportPage(title: string, results: readonly PairResult[]): string {
  const count = (status: PairResult['status']) => results.filter((result) => result.status === status).length;
  const found = (['done', 'failed', 'interrupted', 'waiting'] as const).filter((status) => count(status) > 0);
  const counts = found.map((status) => `${count(status)} ${status}`).join(', ');
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'">`,
    `<title>${escape(title)}</title><style>${STYLE}\n</style></head><body>`,
    `<h1>${escape(title)}</h1>`,
    `<p class="sum">${results.length} pairs: ${counts}. Each picture: structure, result, appearance.</p>`,
    ...results.map(article),
    '</body></html>\n',
  ].join('\n');
}

function article({ name, status, settings, error, madeBy, picture, result, ...numbers }: PairResult): string {
  const options = Object.entries(settings).map(([key, value]) => `--${key} ${value}`).join(' ');
  const alt = escape(`${name}: structure, result, appearance`);
  return [
    `<article class="${status}"><h2>${escape(name)}<small>${status}</small></h2>`,
    ...(error ? [`<p class="error">${escape(error)}</p>`] : []),
    ...(picture ? [`<a href="${link(picture)}"><img src="${link(picture)}" alt="${alt}" loading="lazy"></a>`] : []),
    ...(result ? [`<a class="own" href="${link(result)}">the result at its own size</a>`] : []),
    figureList(numbers),
    ...(madeBy ? [`<p class="own">made by ${escape(madeBy)}</p>`] : []),
    ...(options ? [`<code>${escape(options)}</code>`] : []),
    '</article>',
  ].join('\n');
}

type Row = readonly [title: string, value: number | undefined, what: string];

function figureList({ stepsDone, seconds, total, match, figures = {}, trained }: Partial<PairResult>): string {
  const rows: Row[] = [
    ['steps', stepsDone, 'steps done, warm start not counted'],
    ['seconds', seconds && Math.round(seconds), 'training time'],
    ['total loss', total, 'weighted, mean over the last 50 steps'],
    ['match', match, 'how well the two photos match, 1 is best'],
    ...figureRows(figures),
  ];
  return rowList(rows) + (trained ? rowList(figureRows(trained), 'without detail: ') : '');
}

const figureRows = (figures: Partial<Figures>): Row[] => COLUMNS.map(({ key, title, what }) => [title, figures[key], what]);

function rowList(rows: readonly Row[], before = ''): string {
  const isKnown = (row: Row): row is readonly [string, number, string] => typeof row[1] === 'number' && Number.isFinite(row[1]);
  const known = rows.filter(isKnown);
  if (known.length === 0) return '';
  const value = (number: number) => (Number.isInteger(number) ? String(number) : number.toPrecision(3));
  const cells = known.map(([title, number, what]) =>
    `<div title="${escape(what)}"><dt>${before}${escape(title)}</dt><dd>${value(number)}</dd></div>`);
  return `<dl>${cells.join('')}</dl>`;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
const link = (path: string): string => escape(path.split('/').map(encodeURIComponent).join('/'));
