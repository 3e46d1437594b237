/** The loss curve is a well-formed picture of the right numbers. */
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { lossCurveSvg, smooth } from '../../cli/run/curve.js';
import { createFeed } from '../../cli/watch/feed.js';
import { MOST_ROWS, thinned } from '../../cli/watch/page/thin.js';
import type { StepLosses } from '../../model/training/run.js';

const entries = (count: number, change: () => Record<string, number> = () => ({})): StepLosses[] =>
  Array.from({ length: count }, (_, i) => {
    const entry = { step: 10 * i, structure: 0.1 / (1 + i), appearance: 2 / (1 + i), identity: 1 / (1 + i), total: 30 / (1 + i) };
    return { ...entry, ...change() };
  });

const rendered = (svg: string) => sharp(Buffer.from(svg)).png().metadata();

test('losses.svg: a picture with a curve for each term, axes and legend', async () => {
  const svg = lossCurveSvg(entries(31), 'splice: a < b & c');
  const { width, height } = await rendered(svg);
  assert.equal([width, height], [820, 460]);
  for (const [i, term] of ['total', 'structure', 'appearance', 'identity'].entries()) {
    assert.match(svg, new RegExp(`<path class="smooth t${i}" d="M[^"]+L`));
    assert.match(svg, new RegExp(`>${term} [\\d.e-]+</text>`));
  }
  assert.match(svg, /a &lt; b &amp; c/);
  assert.match(svg, />step</);
  assert.match(svg, /loss \(logarithmic\)/);
  assert.match(svg, /prefers-color-scheme: dark/);
  for (const tick of ['0', '100', '200', '300']) assert.match(svg, new RegExp(`>${tick}</text>`));
});

test('losses.svg: ticks are decades that hold all values', () => {
  const svg = lossCurveSvg(entries(31), 'x');
  for (const tick of ['0.001', '0.01', '0.1', '1', '10', '100']) {
    assert.match(svg, new RegExp(`text-anchor="end">${tick}</text>`));
  }
});

test('losses.svg: no entry, one entry, zeros and equal values', async () => {
  const zeros = entries(5, () => ({ structure: 0, identity: 0 }));
  const equal = entries(5, () => ({ total: 1, structure: 1, appearance: 1, identity: 1 }));
  for (const list of [[], entries(1), zeros, equal]) {
    const svg = lossCurveSvg(list, 'x');
    assert.not.match(svg, /NaN|Infinity|undefined/);
    assert.is((await rendered(svg)).width, 820);
  }
});

test('smoothing keeps constants and evens out jitter, without a lag', () => {
  const smoothed = (values: readonly number[]) => smooth(values.map((value, i) => [i, value])).map(([, value]) => value);
  assert.ok(smoothed([3, 3, 3]).every((value) => Math.abs(value - 3) < 1e-12));
  const falling = Array.from({ length: 80 }, (_, i) => 2 ** (-i / 10));
  assert.ok(smoothed(falling).slice(5, 75).every((value, i) => Math.abs(value / falling[i + 5]! - 1) < 1e-9));
  const jitter = smoothed(Array.from({ length: 200 }, (_, i) => (i % 2 ? 10 : 1)));
  assert.ok(Math.max(...jitter.slice(10, 190)) / Math.min(...jitter.slice(10, 190)) < 2);
});

/** A falling curve of a row every ten steps, with a peak and a dip of one row each. */
const long = (count: number): [number, number, number][] => Array.from({ length: count }, (_, i) =>
  [10 * i, i === 7777 ? 1e5 : i === 8888 ? 1e-5 : 100 / (1 + i / 1000) + ((i * 7) % 13) / 20, i]);

test('a long curve is thinned to what can be seen: first, last, peaks and dips stay', () => {
  const few = long(1500);
  assert.is(thinned(few), few);
  for (const count of [2001, 20_000, 300_000]) {
    const rows = long(count);
    const kept = thinned(rows);
    assert.ok(kept.length <= MOST_ROWS && kept.length > Math.min(count, MOST_ROWS) / 3, `${kept.length} of ${count}`);
    assert.equal([kept[0], kept.at(-1)], [rows[0], rows.at(-1)]);
    if (count > 8888) assert.ok(kept.includes(rows[7777]!) && kept.includes(rows[8888]!));
    assert.ok(kept.every(([step], i) => i === 0 || step > kept[i - 1]![0]));
    const widest = kept.reduce((most, [step], i) => Math.max(most, i ? step - kept[i - 1]![0] : 0), 0);
    assert.ok(widest < (10 * count) / 300, `no gap of ${widest} steps can be seen`);
  }
});

test('a curve that is thinned as it grows is the one that is thinned at its end', () => {
  const rows = long(60_000);
  let grown: readonly [number, number, number][] = [];
  for (let i = 0; i < rows.length; i += 100) grown = thinned([...grown, ...rows.slice(i, i + 100)]);
  const whole = thinned(rows);
  const common = whole.filter((row) => grown.includes(row)).length;
  assert.ok(grown.length <= MOST_ROWS && common > 0.99 * whole.length, `${common} of ${whole.length}, ${grown.length}`);
});

test('losses.svg: bounded for any length, with the peak of a single row', async () => {
  const svgOf = (count: number): string =>
    lossCurveSvg(long(count).map(([step, total, structure]) => ({ step, total, structure })), 'x');
  const svg = svgOf(300_000);
  for (const [, path] of svg.matchAll(/ d="([^"]+)"/g)) assert.ok(path!.split('L').length <= MOST_ROWS);
  assert.ok(svg.length < 400_000, `${svg.length} characters`);
  const top = (text: string, name: string): number => {
    const path = new RegExp(`class="${name} t0" d="([^"]+)"`).exec(text)![1]!;
    return Math.min(...[...path.matchAll(/ ([\d.]+)/g)].map(([, y]) => Number(y)));
  };
  assert.ok(top(svg, 'raw') < top(svg, 'smooth') - 50, 'the peak stands out');
  assert.is((await rendered(svg)).width, 820);
  const short = svgOf(1500);
  assert.is([...short.matchAll(/[ML]/g)].length >= 4 * 1499, true, 'a short one has every point');
});

test('the news of a run: a long one costs no more than a short one, and the newest row is there', () => {
  const feed = createFeed({ title: 'x', facts: [], terms: ['total'], again: '' });
  const sent: number[] = [];
  feed.subscribe(({ type, data }) => void (type === 'losses' && sent.push(data.length)));
  feed.losses(long(100_000));
  for (let i = 0; i < 50; i++) feed.losses([[1e6 + 10 * i, 1, i]]);
  const { losses } = feed.snapshot();
  assert.ok(losses.length <= MOST_ROWS && sent[0]! <= MOST_ROWS, `${losses.length}, ${sent[0]}`);
  assert.equal([losses[0]![0], losses.at(-1)], [0, [1e6 + 490, 1, 49]]);
  assert.equal(sent.slice(1), Array(50).fill(1), 'one row for one row');
});

test.run();
