/** `--fit`: what is chosen from measured steps, and what a run makes of it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { DeviceFacts } from '../../cli/gpu/device.js';
import { describeFit } from '../../cli/transfer/fit.js';
import { transfer } from '../../cli/transfer/transfer.js';
import { fitTo, isWorthIt, type MeasureStep } from '../../model/training/fit.js';
import { CHOOSABLE, type Choice, type PairFacts } from '../../model/training/sizes.js';
import { fakeParts, shortRun } from '../helpers/fakeRun.js';
import { configOf, files, newOut } from '../helpers/runs.js';

const GIB = 2 ** 30;
const gpu: DeviceFacts = { software: false, cores: 8, memory: 4 * GIB, largestBinding: 2 * GIB };
const pair: PairFacts = {
  photos: [{ width: 4032, height: 3024 }, { width: 1000, height: 800 }],
  patch: 8,
  memory: ({ size = 0 }) => ({ total: 3200 * size ** 2, largest: 190 * size ** 2 }),
  flops: ({ size = 0, vitSize }) => 2.7e5 * size ** 2 + 5e5 * vitSize ** 2,
};
const usual: Choice = { vitSize: 224, steps: 10_000 };

/** A device of so many operations a second, and what was measured on it. */
function deviceOf(rate: number, most = Infinity) {
  const measured: (number | undefined)[] = [];
  const measure: MeasureStep = async (choice) => {
    measured.push(choice.size);
    return (choice.size ?? 0) > most ? undefined : pair.flops(choice) / rate;
  };
  const fit = (seconds: number, choose: Parameters<typeof fitTo>[0] = CHOOSABLE, given = usual, device = gpu) =>
    fitTo(choose, given, { device, seconds, spent: () => measured.length, warmStart: 80 }, pair, measure);
  return { fit, measured };
}

/** Seconds of a whole run of a choice. */
const whole = ({ steps, secondsPerStep }: { steps: number; secondsPerStep: number }) => (steps + 40) * secondsPerStep;

test('the largest size that leaves a thousand steps, and all steps that there is time for', async () => {
  for (const [rate, size] of [[1e14, 512], [2e11, 512], [1.6e11, 384], [1e11, 256], [6e10, 96]] as const) {
    const { fit, measured } = deviceOf(rate);
    const found = await fit(600);
    assert.is(found.size, size, `at ${rate} operations a second`);
    assert.ok(found.steps >= 1000 && found.steps <= 10_000 && whole(found) <= 600, JSON.stringify(found));
    assert.equal([measured[0], measured.length <= 4], [96, true], 'small sizes first, and few of them');
    assert.ok(measured.includes(size));
  }
});

test('where no size leaves a thousand steps, three hundred do; where none does, as many as there are', async () => {
  const slow = await deviceOf(2e10).fit(600);
  assert.ok(slow.steps >= 300 && slow.steps < 1000 && whole(slow) <= 600 && isWorthIt(slow), JSON.stringify(slow));
  const slower = await deviceOf(2e9).fit(600);
  assert.equal([slower.size, slower.steps, isWorthIt(slower)], [64, 50, false]);
});

test('only photos or a memory that are smaller make a size below 64', async () => {
  const small = { ...gpu, memory: 3200 * 40 ** 2 };
  assert.is((await deviceOf(2e9).fit(600, CHOOSABLE, usual, small)).size, 35);
});

test('a rate that grows with the size is found out', async () => {
  const measured: number[] = [];
  const limits = { device: gpu, seconds: 600, spent: () => 0, warmStart: 0 };
  const found = await fitTo(CHOOSABLE, usual, limits, pair, async (choice) => {
    measured.push(choice.size!);
    return Math.max(0.05, pair.flops(choice) / 5e12); // a small size does not fill the device
  });
  assert.is(found.size, 512);
  assert.ok(found.secondsPerStep < 0.06, JSON.stringify([found, measured]));
});

test('a size that the device cannot hold after all is left out', async () => {
  const { fit, measured } = deviceOf(1e14, 300);
  assert.is((await fit(600)).size, 256, `${measured}`);
  assert.ok(Number.isNaN((await deviceOf(1e14, 0).fit(600)).secondsPerStep));
});

test('what is given stays', async () => {
  const given = { size: 320, vitSize: 96, steps: 777 };
  const { fit, measured } = deviceOf(1e11);
  const found = await fit(600, [], given);
  assert.equal([found.size, found.vitSize, found.steps, measured], [320, 96, 777, [320]]);
  const sized = await fit(600, ['steps'], given);
  assert.equal([sized.size, sized.steps <= 777], [320, true]);
  const stepped = await deviceOf(1e12).fit(600, ['size'], { vitSize: 224, steps: 4000 });
  assert.equal([stepped.steps, whole(stepped) <= 600], [4000, true]);
});

test('the line says what was measured, and what helps where the time is too short', () => {
  const limits = { device: gpu, seconds: 600, spent: () => 10, warmStart: 80 };
  const line = describeFit({ size: 96, vitSize: 224, steps: 1000, secondsPerStep: 0.25 }, limits, 'tiny');
  assert.is(line, 'measured 0.25 s a step; --size 96 --vit-size 224 --steps 1000 --model tiny should end in 6 min');
  const long = describeFit({ vitSize: 224, steps: 50, secondsPerStep: 60 }, limits);
  assert.match(long, /the photos' own size .* in 106 min, more than 10 min: give it more --time, fewer --steps or/);
});

test('a run is made with what was measured, and its record keeps it', async () => {
  const out = newOut();
  const { parts, heard } = fakeParts();
  const { size: _, ...options } = shortRun({ ...files, out });
  assert.is(await transfer({ ...options, choose: ['size', 'steps'], fit: 600 }, parts), 0);
  const { options: saved, status } = configOf(out);
  assert.equal([saved.size, saved.steps, status, 'fit' in saved], [40, options.splice.steps, 'finished', false]);
  assert.match(heard.stderr, /measured \S+ s a step; --size 40 --vit-size \d+ --steps \d+ should end in 1 s/);
});

test.run();
