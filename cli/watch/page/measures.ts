/** The figures of the saved pictures: a small curve each, on an axis of its own. */
import type { FigureRow } from '../snapshot.js';
import { byId, element } from './dom.js';
import { short } from './texts.js';

const SVG = 'http://www.w3.org/2000/svg';
const [WIDTH, HEIGHT, MARGIN] = [200, 44, 4];
/** More points than these would touch each other. */
const MOST_POINTS = 40;

/** Their meaning, for the names that `compare` has too. */
const MEANING: Readonly<Record<string, string>> = {
  structure: 'edges as in the structure photo, 1 is kept',
  colour: "distance to the appearance photo's colours, 0 is reached",
  sharpness: "over the structure photo's",
};

/** Returns the function that draws the figures of all saves. */
export function createMeasures(): (rows: readonly FigureRow[]) => void {
  const holder = byId('measures');
  let drawn: readonly FigureRow[] = [];
  return (rows) => {
    if (rows === drawn) return;
    drawn = rows;
    holder.hidden = rows.length === 0;
    const names = Object.keys(rows[0] ?? {}).filter((name) => name !== 'step');
    holder.replaceChildren(...names.map((name, i) => measure(name, rows, i + 1)));
  };
}

function measure(name: string, rows: readonly FigureRow[], colour: number): HTMLElement {
  const known = rows.filter((row) => typeof row[name] === 'number');
  const values = known.map((row) => row[name]!);
  const low = values.reduce((least, value) => Math.min(least, value), Infinity);
  const high = values.reduce((most, value) => Math.max(most, value), -Infinity);
  const figure = element('figure', { title: MEANING[name] ?? '' }, [
    element('figcaption', {}, [
      element('span', { textContent: name }),
      element('b', { textContent: values.length > 0 ? short(values.at(-1)!) : '–' }),
      element('small', { textContent: values.length > 1 ? `${short(low)} to ${short(high)}` : '' }),
    ]),
    curve(known.map(({ step }) => step), values, low, high),
  ]);
  figure.dataset['curve'] = String(colour % 6);
  return figure;
}

/** The values over the steps: from the lowest, at the bottom, to the highest, at the top. */
function curve(steps: readonly number[], values: readonly number[], low: number, high: number): SVGElement {
  const x = (step: number): number => MARGIN + ((WIDTH - 2 * MARGIN) * step) / Math.max(1, steps.at(-1)!);
  const y = (value: number): number => HEIGHT - MARGIN - ((HEIGHT - 2 * MARGIN) * (value - low)) / (high - low || 1);
  const points = values.map((value, i) => [x(steps[i]!).toFixed(1), y(value).toFixed(1)] as const);
  const svg = drawing('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' });
  svg.append(drawing('polyline', { points: points.map((point) => point.join()).join(' ') }));
  // A line without length shows as a round point, whatever the drawing's proportions.
  if (points.length <= MOST_POINTS) svg.append(...points.map(([px, py]) => drawing('path', { d: `M${px} ${py}h0` })));
  return svg;
}

function drawing(tag: string, attributes: Readonly<Record<string, string>>): SVGElement {
  const made = document.createElementNS(SVG, tag) as SVGElement;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
