/** The arithmetic of a step, by which a run without a GPU chooses its number of steps. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { layoutOf } from '../../model/generators/parameters.js';
import { defaultOptions, type SpliceOptions } from '../../model/method/options.js';
import { recipes } from '../../model/method/recipes.js';
import { stepFlops } from '../../model/training/stepCost.js';
import { untrainedVit } from '../../model/vit/untrained.js';
import { tinyConfig } from '../helpers/tinyVit.js';

const vit = untrainedVit(1, tinyConfig);

function flops(side: number, change: Partial<SpliceOptions> = {}): number {
  const options = { ...defaultOptions, vitSize: 32, ...change };
  const generator = recipes[options.recipe].generator();
  const photo = { width: side, height: side, data: new Float32Array() };
  return stepFlops({ vit, generator, layout: layoutOf(generator), structure: photo, appearance: photo, options });
}

test('four times the pixels take four times the operations of the generator', () => {
  const [small, large] = [flops(128), flops(256)];
  assert.ok(large > 3.5 * small && large < 4.5 * small, `${small}, ${large}`);
});

test('they count what the generator computes: at least its convolutions, forward and twice backward, for both photos', () => {
  // The first convolution of the skip network at full size alone: 3 x 3 windows of 3 colours to 16 channels.
  assert.ok(flops(128) > 2 * 3 * 2 * 9 * 3 * 16 * 128 * 128);
});

test('a larger ViT input takes more, and nothing is computed to find out', () => {
  const began = performance.now();
  assert.ok(flops(128, { vitSize: 64 }) > flops(128, { vitSize: 32 }));
  assert.ok(flops(2048) > 0 && performance.now() - began < 60_000);
});

test.run();
