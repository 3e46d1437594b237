/** The loss curves: uPlot, with a legend that switches curves on and off and shows the values under the pointer. */
import type UPlot from 'uplot';
import type { LossRow } from '../snapshot.js';
import { byId, element, setText } from './dom.js';
import { smoothed } from './smooth.js';
import { short } from './texts.js';

/** From uplot.js, a classic script that runs before this one. */
declare const uPlot: typeof UPlot;

const LINEAR = 1;
const LOGARITHMIC = 3;
const AXIS_FONT = '12px system-ui, "Liberation Sans", sans-serif';
/** Room above and below the curves on a logarithmic axis, as a factor. */
const MARGIN = 1.25;
const RAW_ALPHA = 0.28;

type Values = readonly (number | null)[];

type Curves = ReturnType<typeof curvesOf>;

function curvesOf(terms: readonly string[], rows: readonly LossRow[]) {
  const raw: readonly Values[] = terms.map((_, i) => rows.map((row) => row[i + 1] ?? null));
  return { terms, steps: rows.map(([step]) => step), raw, smooth: raw.map(smoothed) };
}

/** A logarithmic axis has no place for values that are not above 0. */
function dataOf({ steps, raw, smooth }: Curves, isLog: boolean): UPlot.AlignedData {
  const positive = (values: Values): Values => values.map((value) => (value !== null && value > 0 ? value : null));
  return [steps, ...(isLog ? raw.map(positive) : raw), ...smooth] as UPlot.AlignedData;
}

/** Returns the function that draws the curves. */
export function createChart(): (terms: readonly string[], rows: readonly LossRow[]) => void {
  const holder = byId('chart');
  const legend = createLegend(() => redraw(), () => rebuild());
  let curves = curvesOf([], []);
  let plot: UPlot | undefined;

  const showValues: PointAt = (index) => legend.show(curves.steps, curves.smooth, index);
  const size = () => ({ width: Math.max(200, holder.clientWidth), height: Math.max(140, holder.clientHeight) });
  const redraw = (): void => {
    curves.terms.forEach((_, i) => {
      for (const series of [1 + i, 1 + curves.terms.length + i]) plot?.setSeries(series, { show: legend.isOn(i) });
    });
  };
  const rebuild = (): void => {
    plot?.destroy();
    plot = undefined;
    if (curves.steps.length === 0) return;
    holder.replaceChildren();
    plot = new uPlot({ ...options(curves.terms, legend.isLog(), showValues), ...size() }, dataOf(curves, legend.isLog()), holder);
    redraw();
  };
  new ResizeObserver(() => plot?.setSize(size())).observe(holder);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', rebuild);
  holder.replaceChildren(element('p', { className: 'none', textContent: 'Curves begin with the first measured step.' }));

  return (terms, rows) => {
    const sameTerms = terms.join() === curves.terms.join();
    if (sameTerms && rows.length === curves.steps.length && rows.at(-1)?.[0] === curves.steps.at(-1)) return;
    curves = curvesOf(terms, rows);
    if (!sameTerms) legend.name(terms);
    if (plot && sameTerms) plot.setData(dataOf(curves, legend.isLog()));
    else rebuild();
    showValues(plot?.cursor.idx);
  };
}

type PointAt = (index: number | null | undefined) => void;

/** Raw values thin, their trend bold, as in losses.svg. */
function options(terms: readonly string[], isLog: boolean, pointAt: PointAt): Omit<UPlot.Options, 'width' | 'height'> {
  const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const grid = { stroke: colour('--line'), width: 1 };
  const axis = { stroke: colour('--soft'), grid, ticks: grid, font: AXIS_FONT };
  const line = (i: number, width: number, alpha: number): UPlot.Series =>
    ({ stroke: colour(`--curve-${i % 6}`), width, alpha, points: { show: false }, spanGaps: false });
  const logScale: UPlot.Scale = { distr: LOGARITHMIC, range: (_, low, high) => [low / MARGIN, high * MARGIN] };
  const logTicks: UPlot.Axis = {
    splits: ({ scales }) => decadeTicks(scales['y']!.min!, scales['y']!.max!), filter: (_, ticks) => ticks,
  };
  const show = (tick: number | null): string => (tick === null ? '' : String(Number(tick.toPrecision(3))));
  return {
    padding: [8, 12, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false } },
    scales: { x: { time: false }, y: isLog ? logScale : { distr: LINEAR } },
    axes: [
      { ...axis, grid: { show: false }, size: 30, values: (_, ticks) => ticks.map((tick) => (tick % 1 === 0 ? `${tick}` : '')) },
      { ...axis, size: 62, ...(isLog && logTicks), values: (_, ticks) => ticks.map(show) },
    ],
    series: [{}, ...terms.map((_, i) => line(i, 1, RAW_ALPHA)), ...terms.map((_, i) => line(i, i === 0 ? 2.4 : 1.8, 1))],
    hooks: { setCursor: [({ cursor }) => pointAt(cursor.idx)] },
  };
}

/** Powers of ten; if less than three are visible, also 2 and 5 times them. */
function decadeTicks(low: number, high: number): number[] {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const factors = Math.log10(high / low) < 3 ? [1, 2, 5] : [1];
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => factors.map((factor) => factor * 10 ** (first + i))).flat();
  return ticks.filter((tick) => tick >= low && tick <= high);
}

function createLegend(onToggle: () => void, onScale: () => void) {
  const legend = byId('legend');
  const at = element('span', { className: 'at' });
  const scale = element('button', { type: 'button', id: 'scale', textContent: 'Log scale' });
  let buttons: { readonly button: HTMLButtonElement; readonly value: HTMLElement }[] = [];
  const pressed = (button: HTMLButtonElement) => button.getAttribute('aria-pressed') === 'true';
  const press = (button: HTMLButtonElement, act: () => void) => {
    button.setAttribute('aria-pressed', 'true');
    button.addEventListener('click', () => {
      button.setAttribute('aria-pressed', String(!pressed(button)));
      act();
    });
  };
  press(scale, onScale);

  const make = (term: string, i: number) => {
    const value = element('span', { className: 'value' });
    const button = element('button', { type: 'button' }, [element('span', { className: 'swatch' }), term, value]);
    button.dataset['curve'] = String(i % 6);
    press(button, onToggle);
    return { button, value };
  };
  return {
    name: (terms: readonly string[]): void => {
      buttons = terms.map(make);
      legend.replaceChildren(...buttons.map(({ button }) => button), at, scale);
    },
    isOn: (i: number): boolean => buttons[i] !== undefined && pressed(buttons[i].button),
    isLog: (): boolean => pressed(scale),
    /** Shows the values at a point of the curves, by default the last. */
    show: (steps: readonly number[], values: readonly Values[], index: number | null | undefined): void => {
      const point = index ?? steps.length - 1;
      setText(at, steps[point] === undefined ? '' : `step ${steps[point]}`);
      buttons.forEach(({ value }, i) => {
        const known = values[i]?.[point];
        setText(value, known === null || known === undefined ? '–' : short(known));
      });
    },
  };
}
