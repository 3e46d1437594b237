/** losses.svg: the curves of a run, in light and dark. */
import { termsOf, type StepLosses } from '../../model/training/run.js';
import { printable } from '../shared/text.js';
import { smoothed } from '../watch/page/smooth.js';
import { thinned } from '../watch/page/thin.js';

type Point = readonly [step: number, value: number];

interface Axes {
  readonly x: (step: number) => number;
  /** Of a value's common logarithm, since a power of ten may be too small for a number. */
  readonly y: (log: number) => number;
  readonly steps: number;
  readonly decades: readonly [number, number];
}

const WIDTH = 820;
const HEIGHT = 460;
/** More ticks would cover one another. */
const MOST_DECADES = 16;
const PLOT = { left: 70, top: 56, right: 650, bottom: 400 } as const;

const STYLE = `
  svg { color-scheme: light dark; font: 13px system-ui, sans-serif; } .paper { fill: #fff; }
  text { fill: #444; } .title { font-size: 16px; font-weight: 600; fill: #111; }
  .grid { stroke: #e4e4e4; } .axis { stroke: #888; }
  .raw { fill: none; stroke-width: 1; opacity: .28; } .smooth { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
  .t0 { stroke: #222; } .t1 { stroke: #2166c4; } .t2 { stroke: #d1591b; } .t3 { stroke: #2a8f55; } .t4 { stroke: #8a4fbf; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #16181c; } text { fill: #b4b8bf; } .title { fill: #f2f2f2; }
    .grid { stroke: #2b2f36; } .axis { stroke: #6d737d; }
    .t0 { stroke: #f2f2f2; } .t1 { stroke: #6ea8ff; } .t2 { stroke: #ff9a5c; } .t3 { stroke: #62cf91; } .t4 { stroke: #c39bea; }
  }`;

/** An SVG of 820 x 460 with a logarithmic loss axis. The terms of a total are not weighted; the total is. */
export function lossCurveSvg(entries: readonly StepLosses[], title: string): string {
  const terms = entries[0] ? termsOf(entries[0]) : [];
  // A logarithmic axis has no place for 0, a term that is off.
  const curves = terms.map((term) => entries.map((entry): Point => [entry.step, entry[term]!]).filter(([, value]) => value > 0));
  const axes = axesOf(curves.flat(), entries.at(-1)?.step ?? 1);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img">`,
    `<title>${escape(title)}</title><style>${STYLE}\n</style><rect class="paper" width="${WIDTH}" height="${HEIGHT}"/>`,
    `<text class="title" x="${PLOT.left}" y="32">${escape(title)}</text>`,
    lossTicks(axes),
    stepTicks(axes),
    ...curves.map((points, i) => curve(points, i, axes)).reverse(),
    legend(terms, curves),
    '</svg>\n',
  ].join('\n');
}

function axesOf(points: readonly Point[], lastStep: number): Axes {
  let [least, most] = [1, 1]; // a call with as many arguments as points would overflow the stack in long runs
  for (const [, value] of points) [least, most] = [Math.min(least, value), Math.max(most, value)];
  const low = Math.floor(Math.log10(least));
  const high = Math.max(low + 1, Math.ceil(Math.log10(most)));
  const steps = Math.max(1, lastStep);
  return {
    x: (step) => PLOT.left + ((PLOT.right - PLOT.left) * step) / steps,
    y: (log) => PLOT.bottom - ((PLOT.bottom - PLOT.top) * (log - low)) / (high - low),
    steps,
    decades: [low, high],
  };
}

/** The measured points thin, their smoothed curve bold; as many of them as can be seen. */
function curve(points: readonly Point[], index: number, { x, y }: Axes): string {
  const path = (list: readonly Point[]): string =>
    thinned(list).map(([step, value], i) => `${i ? 'L' : 'M'}${x(step).toFixed(1)} ${y(Math.log10(value)).toFixed(1)}`).join('');
  return `<path class="raw t${index}" d="${path(points)}"/><path class="smooth t${index}" d="${path(smooth(points))}"/>`;
}

export function smooth(points: readonly Point[]): Point[] {
  const values = smoothed(points.map(([, value]) => value));
  return points.map(([step], i) => [step, Math.max(values[i]!, Number.MIN_VALUE)]);
}

function lossTicks({ y, decades: [low, high] }: Axes): string {
  const lines: string[] = [];
  const every = Math.ceil((high - low) / MOST_DECADES);
  for (let decade = low; decade <= high; decade += every) {
    const at = y(decade).toFixed(1);
    const label = Number(`1e${decade}`) || `1e${decade}`;
    lines.push(`<line class="grid" x1="${PLOT.left}" x2="${PLOT.right}" y1="${at}" y2="${at}"/>`);
    lines.push(`<text x="${PLOT.left - 10}" y="${at}" dy="4" text-anchor="end">${label}</text>`);
  }
  const middle = (PLOT.top + PLOT.bottom) / 2;
  lines.push(`<line class="axis" x1="${PLOT.left}" x2="${PLOT.left}" y1="${PLOT.top}" y2="${PLOT.bottom}"/>`);
  lines.push(`<text transform="translate(18 ${middle}) rotate(-90)" text-anchor="middle">loss (logarithmic)</text>`);
  return lines.join('\n');
}

function stepTicks({ x, steps }: Axes): string {
  const lines = [`<line class="axis" x1="${PLOT.left}" x2="${PLOT.right}" y1="${PLOT.bottom}" y2="${PLOT.bottom}"/>`];
  const every = roundStep(steps / 8);
  for (let step = 0; step <= steps; step += every) {
    const at = x(step).toFixed(1);
    lines.push(`<line class="axis" x1="${at}" x2="${at}" y1="${PLOT.bottom}" y2="${PLOT.bottom + 5}"/>`);
    lines.push(`<text x="${at}" y="${PLOT.bottom + 22}" text-anchor="middle">${step}</text>`);
  }
  lines.push(`<text x="${(PLOT.left + PLOT.right) / 2}" y="${HEIGHT - 14}" text-anchor="middle">step</text>`);
  return lines.join('\n');
}

/** The next larger of 1, 2, 5, 10, 20, … */
function roundStep(atLeast: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, atLeast)));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= atLeast)!;
}

/** Names with the last smoothed value. */
function legend(terms: readonly string[], curves: readonly (readonly Point[])[]): string {
  const rows = terms.map((term, i) => {
    const last = smooth(curves[i]!).at(-1)?.[1];
    const y = PLOT.top + 12 + i * 24;
    const label = last === undefined ? term : `${term} ${last.toPrecision(3)}`;
    return `<line class="smooth t${i}" x1="666" x2="688" y1="${y}" y2="${y}"/><text x="695" y="${y}" dy="4">${label}</text>`;
  });
  return rows.join('\n');
}

/** Control characters, which names of files may have and XML may not, are replaced too. */
const escape = (text: string): string => printable(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
