/** A neuron that makes an outlier of one patch is found, and with a test-time register the outlier is gone. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findRegisterNeurons } from '../../model/study/registerNeurons.js';
import { patchFeatures } from '../../model/study/patches.js';
import type { VitConfig, VitModel } from '../../model/vit/config.js';
import { CheckpointError } from '../../model/vit/errors.js';
import { withRegisterNeurons } from '../../model/vit/registers.js';
import { untrainedVit } from '../../model/vit/untrained.js';
import { uploadVit } from '../../model/vit/vit.js';
import { testEngine } from '../helpers/device.js';
import { testImage } from '../helpers/golden.js';
import { tinyConfig } from '../helpers/tinyVit.js';

const config: VitConfig = { ...tinyConfig, dim: 32, heads: 2, depth: 4, patch: 8, image: 40, hidden: 48 };
const picture = (name: string) => ({ width: 56, height: 40, data: testImage(name, 40, 56) });
const pictures = [picture('one'), picture('two')];
const [LAYER, UNIT, PATCH] = [1, 7, 4];

/** Position 4 of a row of five has a mark in channel 3; unit 7 of layer 1 sees it, and writes much into all channels. */
function withOutlier(): VitModel {
  const vit = { ...untrainedVit(5, config), name: 'outlier' };
  const data = (name: string): Float32Array => vit.weights.get(name)!.data;
  const [C, H] = [config.dim, config.hidden];
  data('pos_embed')[(1 + PATCH) * C + 3] = 60;
  data(`blocks.${LAYER}.mlp.fc1.weight`).fill(0, UNIT * C, (UNIT + 1) * C)[UNIT * C + 3] = 4;
  data(`blocks.${LAYER}.mlp.fc1.bias`)[UNIT] = -8;
  for (let c = 0; c < C; c++) data(`blocks.${LAYER}.mlp.fc2.weight`)[c * H + UNIT] = 40 * (c % 2 === 0 ? 1 : -1);
  return vit;
}

/** Lengths of the patches' tokens after the last block, in medians. */
async function lengths(vit: VitModel): Promise<number[]> {
  const engine = await testEngine();
  uploadVit(engine, vit);
  const of = await patchFeatures(engine, vit, pictures[0]!, 40, [config.depth - 1], ['tokens']);
  const { data, C, rows, columns } = of(config.depth - 1, 'tokens');
  assert.is(data.length, (1 + rows * columns) * C);
  const all = Array.from({ length: rows * columns }, (_, i) => Math.hypot(...data.subarray((i + 1) * C, (i + 2) * C)));
  const median = [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)]!;
  return all.map((length) => length / median);
}

test('registers: the neuron behind an outlier is found, and moving it leaves no outlier', async () => {
  const engine = await testEngine();
  const vit = withOutlier();
  const before = Math.max(...(await lengths(vit)));
  assert.ok(before > 4, `longest token before: ${before}`);
  const { neurons, activations, longest } = await findRegisterNeurons(engine, vit, pictures, 40, 2);
  assert.equal(neurons[0], [LAYER, UNIT]);
  assert.is(neurons.length, 2);
  assert.ok(neurons.every(([layer]) => layer <= LAYER), 'only layers that made it');
  assert.ok(activations[0]! > 2 * activations[1]! && longest >= before, `${activations}, ${longest}`);
  const again = await findRegisterNeurons(engine, vit, pictures, 40, 2);
  assert.equal(again, { neurons, activations, longest });
  const after = Math.max(...(await lengths(withRegisterNeurons(vit, neurons.slice(0, 1)))));
  assert.ok(after < 4 && after < before / 2, `longest token after: ${after}, before: ${before}`);
});

test('registers: without outliers there are no neurons to move', async () => {
  const { neurons, longest } = await findRegisterNeurons(await testEngine(), untrainedVit(5, config), pictures, 40, 3);
  assert.equal(neurons, []);
  assert.ok(longest > 1 && longest < 4, `${longest}`);
});

test('registers: ViTs with registers, and neurons that are not there, are refused', () => {
  const vit = untrainedVit(5, config);
  const refused = (run: () => unknown, text: RegExp) =>
    assert.throws(run, (error: Error) => error instanceof CheckpointError && text.test(error.message));
  refused(() => withRegisterNeurons({ ...vit, config: { ...config, registers: 4 } }, [[0, 1]]), /it has 4 registers of its own/);
  refused(() => withRegisterNeurons(vit, [[0, 1], [3, 1]]), /neuron 3:1 does not exist: .*layers 0 to 2 .* units 0 to 47/);
  refused(() => withRegisterNeurons(vit, [[0, 48]]), /neuron 0:48 does not exist/);
});

test.run();
