/** The loss curve is a well-formed picture of the right numbers. */
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { lossCurveSvg, smooth } from '../../cli/run/curve.js';
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

test.run();
